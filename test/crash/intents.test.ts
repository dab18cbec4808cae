// A client that is killed with -9 anywhere while it hands ops over to an outbox in a file, of a daemon that is killed too: every op
// is applied once, in order (P12). SESSIOND_INTENTS_KILLS=100 SESSIOND_INTENTS_OPS=10000 is the long form.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, it } from 'vitest';
import { root } from '../support/build.ts';
import type { Running } from '../support/daemon.ts';
import { afterTest, connectTo, startDaemon, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import { Dice } from '../support/history-run/dice.ts';

const kills = Number(process.env.SESSIOND_INTENTS_KILLS ?? 12);
const ops = Number(process.env.SESSIOND_INTENTS_OPS ?? 1_500);
/** Each so many kills of the client, the daemon is killed too. */
const daemonEvery = 3;
const seed = Number(process.env.SESSIOND_INTENTS_SEED ?? 12);

it(`[P12] a client killed ${kills} times while it hands over ${ops} ops, and the daemon too: every op once, in order`, async () => {
  const home = testHome();
  const dice = new Dice(seed, 'kills');
  const program = join(home.folder, 'program.mjs');
  const entryPoints = [join(root, 'test/support/intents-program.ts')];
  const banner = { js: "import { createRequire } from 'node:module';const require = createRequire(import.meta.url);" };
  await build({
    entryPoints,
    bundle: true,
    platform: 'node',
    format: 'esm',
    banner,
    external: ['ws'],
    outfile: program,
  });
  const file = join(home.folder, 'intents.jsonl');
  let daemon: Running = await startDaemon(home);
  let restarting: Promise<void> = Promise.resolve();
  const restart = async () => {
    await daemon.kill('SIGKILL');
    daemon = await startDaemon(home);
  };

  let kept = -1;
  let killed = 0;
  let left = 0;
  /** Starts it where the one before was known to have come; resolves when it has ended. */
  const run = async (killAfter: number | undefined): Promise<'all' | 'killed'> => {
    const args = [program, home.paths.socket, file, String(kept + 1), String(ops)];
    const child = spawn(process.execPath, args, { env: home.env, stdio: ['ignore', 'pipe', 'pipe'] });
    afterTest(() => child.kill('SIGKILL'));
    let [told, errors, since] = ['', '', 0];
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      told += text;
      left += Number(/found (\d+)\n/.exec(text)?.[1] ?? 0);
      for (const [, n] of text.matchAll(/kept (\d+)\n/g)) {
        kept = Math.max(kept, Number(n));
        since += 1;
        // Not right behind a word of it: anywhere between two, of this process and of the daemon.
        if (since === killAfter) setTimeout(() => child.kill('SIGKILL'), dice.int(0, 6));
      }
    });
    const [code, signal] = await within(
      'the program to end',
      once(child, 'close'),
      () => ({ told, errors, kept }),
      60_000,
    );
    if (signal === 'SIGKILL') return 'killed';
    expect({ code, errors, told: told.slice(-200) }).toMatchObject({ code: 0, errors: '' });
    return 'all';
  };

  // Spread over all that there is to hand over: a mark is each seventh op.
  const marks = Math.floor(ops / 7 / (kills + 1));
  for (let round = 1; round <= kills; round += 1) {
    const ended = run(dice.int(1, Math.max(2, marks)));
    if (round % daemonEvery === 0) restarting = restarting.then(restart);
    if ((await ended) === 'killed') killed += 1;
    await restarting;
  }
  expect(await run(undefined)).toBe('all');
  // Killed as it ended, it would have been killed for nothing.
  expect(killed).toBe(kills);
  expect(left).toBeGreaterThan(kills);

  const client = await connectTo(home);
  const { earliest } = await client.call('daemon/status', {});
  const opIds: string[] = [];
  for (let [after, more] = [earliest, true]; more; ) {
    const page = await client.call('events/read', { after, limit: 1_000 });
    opIds.push(...page.events.map(({ opId }) => opId));
    [after, more] = [page.cursor, page.more];
  }
  expect(opIds).toEqual(Array.from({ length: ops }, (_, n) => `op-${n}`));
}, 900_000);

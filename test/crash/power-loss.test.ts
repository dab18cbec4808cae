// The power goes, and with it all that no fsync came behind, or a part of it, and some of that in half (test/support/disk.c). What
// was acknowledged is there when it is back, told by the checker of whole histories. By hand, for more:
//   SESSIOND_POWER_LOSSES=100 npx vitest run test/crash/power-loss.test.ts
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { dist, root } from '../support/build.ts';
import { afterTest } from '../support/daemon.ts';
import { Disk } from '../support/disk.ts';
import { checkHistory } from '../support/history-run/check.ts';
import { Dice } from '../support/history-run/dice.ts';
import { planOf } from '../support/history-run/plan.ts';
import { keepHistory, playSeed } from '../support/history-run/run.ts';

const losses = Number(process.env.SESSIOND_POWER_LOSSES ?? 8);
const from = Number(process.env.SESSIOND_POWER_FROM ?? 0);
const lossesARun = 4;

/** What was wrong with the history of a seed whose daemon loses its power a few times. */
async function play(seed: number, bundle: string): Promise<string[]> {
  const dice = new Dice(seed, 'power');
  const plan = planOf(seed);
  const disturbances = Array.from({ length: lossesARun }, () => ({
    at: 0.05 + dice.next() * 0.85,
    signal: 'SIGKILL' as const,
  }));
  disturbances.sort((a, b) => a.at - b.at);
  const keeps = dice.pick([0, 50, 90]);
  const history = await playSeed(seed, { ...plan, disturbances }, (home) => {
    const disk = new Disk(home.paths.data, { seed, keeps });
    // Of every other seed the event loop does not wait for an fsync.
    return { disk, daemon: { bundle, env: { ...disk.env, DISK_SLOW_US: seed % 2 === 0 ? '0' : '4000' } } };
  });
  const { problems } = checkHistory(history);
  // A run that failed is a problem of its own.
  if (!history.failure) expect(history.lives.filter(({ end }) => end === 'SIGKILL')).toHaveLength(lossesARun);
  return problems.length === 0
    ? []
    : [`seed ${seed}, keeps ${keeps}, ${keepHistory(history)}`, ...problems.slice(0, 10)];
}

test(
  `[P10] ${losses} losses of power take no acknowledged op`,
  async () => {
    const problems: string[] = [];
    for (let seed = from; seed < from + losses / lossesARun && problems.length === 0; seed += 1) {
      problems.push(...(await play(seed, join(dist, 'daemon.mjs'))));
    }
    expect(problems).toEqual([]);
  },
  Math.max(120_000, losses * 5_000),
);

test('[P10] the same finds what a daemon loses that commits without an fsync', async () => {
  const folder = join(root, `node_modules/.cache/sessiond-unsynced-${process.pid}`);
  afterTest(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(dist, folder, { recursive: true });
  const bundle = join(folder, 'daemon.mjs');
  const text = readFileSync(bundle, 'utf8');
  // Whether the event loop waits for it or not.
  const syncs = ['fdatasyncSync(this.#log)', 'fdatasync(this.#log, '] as const;
  for (const sync of syncs) expect(text).toContain(sync);
  const unsynced = text.replaceAll(syncs[0], '0').replace(syncs[1], '((_, done) => done(null))(0, ');
  writeFileSync(bundle, unsynced);
  const problems: string[] = [];
  for (let seed = 0; seed < 6 && problems.length === 0; seed += 1) problems.push(...(await play(seed, bundle)));
  expect(problems.join('\n')).toMatch(/of another store|acknowledged/);
});

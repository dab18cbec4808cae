// A restore that is killed at each of its steps: the old store or the new one is there, whole, and a start works (P1, P22).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { crashBuild, root } from '../support/build.ts';
import { afterFile, connectTo, startDaemon, testFolder, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';
import { makeFolder } from '../support/home.ts';
import { op, openRecords, owner } from '../support/records.ts';

/** A copy: who only reads a store in WAL mode leaves files beside it. */
const backup = join(makeFolder(), 'backup.db');
copyFileSync(join(root, 'test/fixtures/stores/schema-7.db'), backup);
afterFile(() => rmSync(dirname(backup), { recursive: true }));

/** A home whose daemon was killed with its last op in the log alone. */
async function crashedHome(): Promise<Home> {
  const from = testHome().paths.data;
  const records = openRecords(from);
  await records.writer.appendOne(owner, op('session/create', { sessionId: 'ses_old' }));
  const home = testHome();
  mkdirSync(home.paths.data, { recursive: true, mode: 0o700 });
  for (const suffix of ['', '-wal']) {
    copyFileSync(join(from, `store.db${suffix}`), join(home.paths.data, `store.db${suffix}`));
  }
  records.close();
  return home;
}

/** Runs the daemon's program to its end; `failpoint`: it is killed there. */
async function restore(home: Home, failpoint?: string): Promise<number | string> {
  const env = { ...home.env, ...(failpoint && { SESSIOND_FAILPOINT: failpoint }) };
  const args = [join(crashBuild, 'daemon.mjs'), '--restore', backup];
  const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'ignore', 'inherit'] });
  child.stdin.on('error', () => {}).end('\n');
  const [code, signal] = (await within('the restore to end', once(child, 'exit'))) as [number | null, string | null];
  return code ?? signal!;
}

const idIn = (path: string) => {
  const db = new Database(path, { readonly: true });
  try {
    return db.prepare('SELECT store_id FROM store').pluck().get() as string;
  } finally {
    db.close();
  }
};

test('[P1] killed at any step, a restore leaves the old store or the new one, whole, and the next one works', async () => {
  const outcomes: string[] = [];
  for (let step = 1; outcomes.at(-1) !== 'done'; step += 1) {
    expect(step).toBeLessThan(30);
    const home = await crashedHome();
    const end = await restore(home, `restoring:${step}`);
    expect([0, 'SIGKILL']).toContain(end);
    const daemon = await startDaemon(home);
    const client = await connectTo(home);
    const sessions = (await client.call('session/list', {})).items.map(({ id }) => id);
    const { storeId } = await client.call('daemon/status', {});
    const isNew = sessions.includes('ses_a');
    expect(sessions.includes('ses_old')).toBe(!isNew);
    expect(storeId === idIn(backup)).toBe(false);
    expect(await client.call('store/check', {})).toEqual({ ok: true, problems: [] });
    await client.call('session/create', { sessionId: 'ses_after' });
    client.close();
    expect(await daemon.kill()).toBe(0);
    outcomes.push(end === 0 ? 'done' : isNew ? 'new' : 'old');
    if (end === 0) expect(isNew).toBe(true);
    else {
      expect(await restore(home)).toBe(0);
      expect(existsSync(join(home.paths.data, 'store.restoring'))).toBe(false);
      const kept = readdirSync(home.paths.data).filter((name) => /^store\.replaced-.*\.db$/.test(name));
      expect(kept.length).toBeGreaterThan(0);
    }
  }
  // Both sides of the one rename were seen, in that order.
  expect([...new Set(outcomes)]).toEqual(['old', 'new', 'done']);
}, 120_000);

test.each(['before', 'behind'])(
  'a restore whose starter goes away %s its word ends, and leaves nothing',
  async (end) => {
    const home = await crashedHome();
    const before = readdirSync(home.paths.data).sort();
    const child = spawn(process.execPath, [join(crashBuild, 'daemon.mjs'), '--restore', backup], {
      env: home.env,
      cwd: testFolder(),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    if (end === 'before') {
      child.stdout.destroy();
      child.stdin.end();
    } else child.stdout.once('data', () => child.stdin.end());
    const [code] = (await within('it to end', once(child, 'exit'))) as [number];
    expect(code).toBe(0);
    expect(readdirSync(home.paths.data).sort()).toEqual([...before, 'restore.lock'].sort());
  },
);

// What a disk does to a daemon process: full, over its quota, read-only, broken, and a store that is taken away. Nothing that was
// acknowledged is lost, nothing is half applied.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { beforeEach, describe, expect, test } from 'vitest';
import { answers } from '../../daemon/serve/listen.ts';
import type { Client } from '../../protocol/client.ts';
import { RpcError } from '../../protocol/errors.ts';
import type { Running } from '../support/daemon.ts';
import { afterTest, connectTo, startDaemon, subscribe, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import { Disk } from '../support/disk.ts';
import { append, begin, expectRecovered, found } from '../support/halves.ts';
import type { Home } from '../support/home.ts';
import { fillSmallDisk, hasSmallDisks, mountSmallDisk } from '../support/small-disk.ts';

let home: Home;
beforeEach(() => {
  home = testHome();
});

/** Resolves when somebody accepts there. */
async function reached(path: string): Promise<void> {
  while (!(await answers(path))) await new Promise((resolve) => setTimeout(resolve, 20)); // there is no event for it
}

/** Appends until one is refused; gives those that were not, and the refusal. */
async function appendUntilRefused(
  client: Client,
): Promise<{ acknowledged: number[]; refused: number; error: RpcError }> {
  const acknowledged: number[] = [];
  for (let n = 1; n < 1_000; n += 1) {
    try {
      await append(client, n);
      acknowledged.push(n);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      return { acknowledged, refused: n, error };
    }
  }
  throw new Error('a thousand batches fit');
}

/** What holds of a daemon that could not write for a while, and then could. */
async function expectToGoOn(daemon: Running, reason: 'full' | 'readOnly', mend: () => void): Promise<void> {
  const [client, other] = [await connectTo(home), await connectTo(home)];
  const { collector } = await subscribe(await connectTo(home), { from: 'now' });
  const { acknowledged, refused, error } = await appendUntilRefused(client);
  expect(error).toMatchObject({ kind: 'StoreUnavailable', data: { reason } });
  // To everyone who waits, and not to those who read.
  const waiting = [11, 12, 13, 14].map((n) => append(n % 2 ? client : other, refused + n));
  const outcomes = await Promise.allSettled(waiting);
  for (const outcome of outcomes) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { kind: 'StoreUnavailable', data: { reason } } });
  }
  const before = await found(other);
  expect(before).toEqual({ parts: acknowledged, title: acknowledged.length ? `title ${acknowledged.at(-1)}` : null });
  mend();
  expect(await append(client, refused)).toMatchObject({ applied: { length: 2 }, duplicates: [], rejected: [] });
  await append(other, refused + 1);
  expect(await found(other)).toEqual({ parts: [...acknowledged, refused, refused + 1], title: `title ${refused + 1}` });
  await collector.until('the events', ({ events }) => JSON.stringify(events.at(-1)).includes(`"prt_${refused + 1}"`));
  expect(collector.events.map(({ type }) => type)).toEqual(
    [...acknowledged, refused, refused + 1].flatMap(() => ['session/updated', 'part/updated']),
  );
  expect((await client.call('daemon/status', {})).pid).toBe(daemon.pid);
  expect(await daemon.kill('SIGTERM')).toBe(0);
  const db = new Database(join(home.paths.data, 'store.db'), { readonly: true });
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
  db.close();
}

describe('a daemon that cannot write says so to everyone who waits, applies nothing by halves, and goes on when it can', () => {
  test.skipIf(!hasSmallDisks)('on a disk that is full, with its log on it', async () => {
    mountSmallDisk(home.paths.data, 8 * 1024 * 1024);
    const daemon = await startDaemon(home);
    await begin(await connectTo(home));
    await expectToGoOn(daemon, 'full', fillSmallDisk(home.paths.data, 256 * 1024));
  });

  test.skipIf(!hasSmallDisks)('while it has something to log and no room for it', async () => {
    mountSmallDisk(home.paths.data, 8 * 1024 * 1024);
    const daemon = await startDaemon(home);
    const client = await connectTo(home);
    await begin(client);
    // To the end of the page that the log has already.
    const log = join(home.paths.log, 'sessiond.log');
    appendFileSync(log, `${' '.repeat(4096 - (statSync(log).size % 4096) - 40)}\n`);
    const mend = fillSmallDisk(home.paths.data);
    rmSync(home.paths.socket);
    writeFileSync(home.paths.socket, ''); // told in the log, again and again
    await expect(append(client, 1)).rejects.toMatchObject({ kind: 'StoreUnavailable', data: { reason: 'full' } });
    rmSync(home.paths.socket);
    await within('the socket to be there again', reached(home.paths.socket));
    mend();
    await append(client, 2);
    expect((await client.call('daemon/status', {})).pid).toBe(daemon.pid);
  });

  test.each([
    ['EDQUOT', 'full'],
    ['EROFS', 'readOnly'],
  ] as const)('whose writes fail with %s', async (code, reason) => {
    const disk = new Disk(home.paths.data);
    const daemon = await startDaemon(home, { env: disk.env });
    await begin(await connectTo(home));
    await expectToGoOn(daemon, reason, disk.failWrites(code));
  });
});

/** Ends with 1, says so to who waits, and what was acknowledged is there at the next start; what was not may be sent again. */
async function expectToEnd(daemon: Running, client: Client, said: RegExp): Promise<void> {
  const outcome = append(client, 2);
  await expect(outcome).rejects.toMatchObject({ kind: 'StoreUnavailable', data: { reason: 'io' }, message: said });
  expect(await within('the daemon to end', daemon.exit, daemon.stderr)).toBe(1);
}

describe('[P11] after an error of the disk nothing is written any more, the daemon ends with 1, and the next start recovers', () => {
  test('where a write fails', async () => {
    const disk = new Disk(home.paths.data);
    const daemon = await startDaemon(home, { env: disk.env });
    const client = await connectTo(home);
    await begin(client);
    await append(client, 1);
    const mend = disk.failWrites('EIO');
    await expectToEnd(daemon, client, /outcome is unknown/);
    mend();
    await expectRecovered(home);
  });

  test.skipIf(spawnSync('strace', ['-V']).error !== undefined)('where an fsync fails', async () => {
    const daemon = await startDaemon(home);
    const client = await connectTo(home);
    await begin(client);
    await append(client, 1);
    const inject = ['-e', 'trace=fsync,fdatasync', '-e', 'inject=fsync,fdatasync:error=EIO'];
    const strace = spawn('strace', ['-f', ...inject, '-p', String(daemon.pid), '-o', join(home.folder, 'strace')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    afterTest(() => void strace.kill());
    await within('strace to be attached', once(strace.stderr!, 'data'));
    await expectToEnd(daemon, client, /outcome is unknown/);
    await expectRecovered(home);
  });
});

describe('a store that is taken away while it is used is never acknowledged into', () => {
  const takenAway: [string, (folder: string) => void][] = [
    ['removed', (folder) => rmSync(join(folder, 'store.db'))],
    ['moved away', (folder) => renameSync(join(folder, 'store.db'), join(folder, 'elsewhere.db'))],
    ['removed with its folder', (folder) => rmSync(folder, { recursive: true })],
  ];
  test.each(takenAway)('%s', async (_, take) => {
    const daemon = await startDaemon(home);
    const client = await connectTo(home);
    await begin(client);
    take(home.paths.data);
    await expectToEnd(daemon, client, /store\.db was removed or replaced/);
  });

  const others: [string, (folder: string) => void][] = [
    ['its log is gone', (folder) => rmSync(join(folder, 'store.db-wal'))],
    ['[P22] its lock is gone, so that another daemon could take it', (folder) => rmSync(join(folder, 'store.lock'))],
  ];
  test.each(others)(
    '%s: found within a second, and all that was acknowledged is there at the next start',
    async (_, take) => {
      const daemon = await startDaemon(home);
      const client = await connectTo(home);
      await begin(client);
      await append(client, 1);
      take(home.paths.data);
      expect(await within('the daemon to end', daemon.exit, daemon.stderr)).toBe(1);
      await expectRecovered(home);
    },
  );

  test('replaced: found within a second', async () => {
    const daemon = await startDaemon(home);
    await begin(await connectTo(home));
    copyFileSync(join(home.paths.data, 'store.db'), join(home.paths.data, 'new.db'));
    renameSync(join(home.paths.data, 'new.db'), join(home.paths.data, 'store.db'));
    expect(await within('the daemon to end', daemon.exit, daemon.stderr)).toBe(1);
    expect(readFileSync(join(home.paths.log, 'sessiond.log'), 'utf8')).toMatch(/store\.db was removed or replaced/);
  });

  test('also where nobody writes', async () => {
    const daemon = await startDaemon(home);
    rmSync(join(home.paths.data, 'store.db'));
    expect(await within('the daemon to end', daemon.exit, daemon.stderr)).toBe(1);
  });

  test('a store of somebody else that lies in its place then is left as it is', async () => {
    const daemon = await startDaemon(home);
    await begin(await connectTo(home));
    const { data } = home.paths;
    const aside = join(data, 'aside');
    mkdirSync(aside);
    for (const name of ['store.db', 'store.db-wal', 'store.db-shm']) renameSync(join(data, name), join(aside, name));
    const other = new Database(join(data, 'store.db'));
    other.pragma('journal_mode = WAL');
    other.exec('CREATE TABLE theirs (row); INSERT INTO theirs VALUES (1)');
    expect(await within('the daemon to end', daemon.exit, daemon.stderr)).toBe(1);
    expect(existsSync(join(data, 'store.db-wal'))).toBe(true);
    expect(other.prepare('SELECT row FROM theirs').pluck().all()).toEqual([1]);
    other.close();
  });
});

// store/backup: one moment of the store in a new file, while others write; what cannot be written is told, and leaves nothing.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import type { Client } from '../../protocol/client.ts';
import type { RpcError } from '../../protocol/errors.ts';
import { connectTo, daemonInProcess, startDaemon, testFolder, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import { readEverything } from '../support/everything.ts';
import { hasSmallDisks, smallDisk } from '../support/small-disk.ts';

const headOf = async (client: Client) => (await client.call('daemon/status', {})).head;
const seqOf = (cursor: string) => Number(cursor.split('.')[1]);

const refused = (asked: Promise<unknown>): Promise<RpcError> =>
  asked.then(
    () => Promise.reject(new Error('it was not refused')),
    (error: RpcError) => error,
  );

const put = (client: Client, at: number, data = 'x'.repeat(2_000)) =>
  client.call('artifact/put', { sessionId: 'ses_a', kind: 'k', key: `${at}`, data });

/** A daemon in this process with `artifacts` of 2 kB each. */
async function filled(artifacts: number) {
  const home = testHome();
  const { daemon, connect } = daemonInProcess(home);
  const client = connect();
  await client.call('session/create', { sessionId: 'ses_a', title: 'The one' });
  await Promise.all(Array.from({ length: artifacts }, (_, at) => put(client, at)));
  return { home, daemon, client, connect };
}

describe('a backup', () => {
  test('is the whole store as a file of its own, for its owner alone, with the head that is in it', async () => {
    const { home, client } = await filled(20);
    const path = join(testFolder(), 'b.db');
    const head = await headOf(client);
    const result = await client.call('store/backup', { path });
    expect(result).toEqual({ path, bytes: statSync(path).size, head });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(path, '..'))).toEqual(['b.db']);
    const before = await readEverything(client);
    const other = testHome();
    mkdirSync(other.paths.data, { recursive: true });
    const copy = new Database(path);
    copy.exec(`VACUUM INTO '${join(other.paths.data, 'store.db')}'`);
    copy.close();
    expect(await readEverything(daemonInProcess(other).connect())).toEqual(before);
    expect(await headOf(client)).toBe(head);
    expect(existsSync(join(home.paths.data, 'store.db.partial'))).toBe(false);
  });

  test('is made under load of one moment: all up to its head, nothing behind it, and no append waits for it', async () => {
    const home = testHome();
    await startDaemon(home);
    const client = await connectTo(home);
    await client.call('session/create', { sessionId: 'ses_a' });
    for (let round = 0; round < 20; round += 1) {
      await Promise.all(Array.from({ length: 200 }, (_, at) => put(client, round * 200 + at, 'x'.repeat(5_000))));
    }
    const path = join(testFolder(), 'b.db');
    const writer = await connectTo(home);
    let backedUp = false;
    const backup = client.call('store/backup', { path }).then((result) => {
      backedUp = true;
      return result;
    });
    let during = 0;
    for (let at = 0; !backedUp; at += 1) {
      await put(writer, at, `y${at}`);
      if (!backedUp) during += 1;
    }
    const { head } = await backup;
    expect(during).toBeGreaterThan(0);
    expect(seqOf(await headOf(client))).toBeGreaterThan(seqOf(head));
    const copy = new Database(path, { readonly: true });
    expect(copy.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(copy.prepare('SELECT max(seq) AS newest, count(*) AS events FROM event').get()).toEqual({
      newest: seqOf(head),
      events: seqOf(head),
    });
    copy.close();
    expect(await client.call('store/check', {})).toEqual({ ok: true, problems: [] });
  });

  test('holds nothing of what was deleted', async () => {
    const { client } = await filled(1);
    await put(client, 1, 'a-secret-that-goes');
    await client.call('artifact/remove', { sessionId: 'ses_a', kind: 'k', key: '1' });
    const path = join(testFolder(), 'b.db');
    await client.call('store/backup', { path });
    const copy = new Database(path, { readonly: true });
    expect(copy.pragma('freelist_count', { simple: true })).toBe(0);
    copy.close();
  });
});

describe('a backup is refused, and leaves nothing', () => {
  test('to a relative path, a folder that is not there, and the store’s own folder', async () => {
    const { client, home } = await filled(1);
    for (const [path, why] of [
      ['b.db', 'must be absolute'],
      [join(home.folder, 'nowhere/b.db'), 'is not there (ENOENT): make it'],
      [join(home.paths.data, 'store.db-journal'), "is the store's own folder: name another"],
    ] as const) {
      const error = await refused(client.call('store/backup', { path }));
      expect(error).toMatchObject({ code: -32602, data: { member: 'path' } });
      expect(error.message).toContain(why);
      expect(existsSync(path)).toBe(false);
    }
  });

  test('to a path that leads nowhere, with why', async () => {
    const { client } = await filled(1);
    const folder = testFolder();
    writeFileSync(join(folder, 'file'), '');
    symlinkSync(join(folder, 'loop'), join(folder, 'loop'));
    for (const path of [
      join(folder, 'file', 'b.db'),
      join(folder, 'loop', 'b.db'),
      join(folder, 'x'.repeat(252)),
      join(folder, 'x'.repeat(300)),
    ]) {
      const error = await refused(client.call('store/backup', { path }));
      expect([error.code, error.message]).toEqual([
        -32602,
        expect.stringMatching(/(ENOTDIR|ELOOP|ENAMETOOLONG).*(name another|make it)/),
      ]);
    }
  });

  test('to what is there already, also as a link to nothing, and is not touched', async () => {
    const { client } = await filled(1);
    const folder = testFolder();
    writeFileSync(join(folder, 'file'), 'mine');
    symlinkSync(join(folder, 'nothing'), join(folder, 'link'));
    for (const name of ['file', 'link']) {
      const error = await refused(client.call('store/backup', { path: join(folder, name) }));
      expect(error).toMatchObject({ kind: 'AlreadyExists', data: { what: 'file', id: join(folder, name) } });
    }
    expect(readdirSync(folder).sort()).toEqual(['file', 'link']);
  });

  test('what a killed one left goes with the next; what is somebody else’s stays, and is named', async () => {
    const { client } = await filled(1);
    const folder = testFolder();
    writeFileSync(join(folder, 'a.db.partial'), 'SQLite format 3\0 and half a store');
    writeFileSync(join(folder, 'a.db.partial-journal'), 'and what it would undo');
    await client.call('store/backup', { path: join(folder, 'a.db') });
    writeFileSync(join(folder, 'b.db.partial'), 'my own words');
    const error = await refused(client.call('store/backup', { path: join(folder, 'b.db') }));
    expect(error).toMatchObject({ kind: 'AlreadyExists', data: { id: join(folder, 'b.db.partial') } });
    expect(readdirSync(folder).sort()).toEqual(['a.db', 'b.db.partial']);
  });

  test.skipIf(!hasSmallDisks)('to a folder that cannot be written to', async () => {
    const { client } = await filled(1);
    const folder = smallDisk(64 * 1024);
    execFileSync('mount', ['-o', 'remount,ro', folder]); // also for root
    const error = await refused(client.call('store/backup', { path: join(folder, 'b.db') }));
    expect(error).toMatchObject({ code: -32602, message: expect.stringContaining('EROFS'), data: { member: 'path' } });
  });

  test.skipIf(!hasSmallDisks)(
    'to a disk that is full, which is told with its room, and the daemon goes on',
    async () => {
      const { client } = await filled(200);
      const folder = smallDisk(64 * 1024);
      const error = await refused(client.call('store/backup', { path: join(folder, 'b.db') }));
      expect(error).toMatchObject({ kind: 'LimitExceeded', data: { limit: 65_536, what: `bytes free in ${folder}` } });
      expect(error.message).toContain(`the disk of ${folder} is full`);
      expect(readdirSync(folder)).toEqual([]);
      await put(client, 1);
      expect(await client.call('store/check', {})).toEqual({ ok: true, problems: [] });
    },
  );

  test('when too many are asked for', async () => {
    const { client } = await filled(1);
    const folder = testFolder();
    const asked = await Promise.allSettled(
      Array.from({ length: 9 }, (_, at) => client.call('store/backup', { path: join(folder, `${at}`) })),
    );
    expect(asked.map(({ status }) => status)).toEqual([...Array(8).fill('fulfilled'), 'rejected']);
    expect((asked[8] as PromiseRejectedResult).reason).toMatchObject({ kind: 'Overloaded' });
  });

  test('when the daemon stops meanwhile', async () => {
    const { client, daemon } = await filled(2_000);
    const folder = testFolder();
    const watcher = watch(folder);
    const backup = client.call('store/backup', { path: join(folder, 'b.db') });
    backup.catch(() => {});
    await within('the copy to be begun', once(watcher, 'change'));
    watcher.close();
    await daemon.stop();
    await expect(backup).rejects.toMatchObject({ kind: 'ShuttingDown' });
    expect(readdirSync(folder)).toEqual([]);
  });
});

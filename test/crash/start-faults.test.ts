// What keeps a daemon from starting that its user can mend: it is told, with what to do, and nothing is lost by the try.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { beforeEach, describe, expect, test } from 'vitest';
import { dist } from '../support/build.ts';
import { connectTo, spawnDaemonProcess, startDaemon, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import { append, begin, expectRecovered } from '../support/halves.ts';
import type { Home } from '../support/home.ts';
import { fillSmallDisk, hasSmallDisks, mountSmallDisk } from '../support/small-disk.ts';

let home: Home;
beforeEach(() => {
  home = testHome();
});

/** A store with a batch in it, whose daemon has ended. */
async function writeStore(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  const daemon = await startDaemon(home);
  const client = await connectTo(home);
  await begin(client);
  await append(client, 1);
  await daemon.kill(signal);
}

test('a store that is damaged is refused at start, with what to do, and left as it is', async () => {
  await writeStore();
  const path = join(home.paths.data, 'store.db');
  writeFileSync(path, 'x'.repeat(8192), { flag: 'r+' });
  const before = readFileSync(path);
  const told = await within('the refusal', spawnDaemonProcess(home).ready);
  expect(told).toMatchObject({
    ready: false,
    exitCode: 1,
    message: expect.stringMatching(/damaged.*sessiond restore/),
  });
  expect(readFileSync(path).equals(before)).toBe(true);
});

test('a store with a damaged page is told so at start, or at the first op that meets it, and not blamed on the disk', async () => {
  await writeStore();
  const path = join(home.paths.data, 'store.db');
  const fd = openSync(path, 'r+');
  // All but the schema.
  for (let page = 1; page * 4096 < statSync(path).size; page += 1) writeSync(fd, 'x'.repeat(4096), page * 4096);
  closeSync(fd);
  const running = spawnDaemonProcess(home);
  const { ready, message } = await within('the start', running.ready);
  if (ready) {
    const told = (await connectTo(home)).call('session/create', {});
    await expect(told).rejects.toMatchObject({
      kind: 'StoreUnavailable',
      message: expect.stringMatching(/damaged.*sessiond restore/),
    });
  } else {
    expect(message).toMatch(/damaged.*sessiond restore/);
  }
});

test('a store whose texts alone are damaged serves all else, and says what it is', async () => {
  await writeStore();
  const path = join(home.paths.data, 'store.db');
  const db = new Database(path);
  const pages = db.prepare("SELECT pageno FROM dbstat WHERE name = 'body'").pluck().all() as number[];
  db.close();
  const fd = openSync(path, 'r+');
  for (const page of pages) writeSync(fd, 'x'.repeat(4096), (page - 1) * 4096);
  closeSync(fd);
  await startDaemon(home);
  const client = await connectTo(home);
  const told = {
    kind: 'StoreUnavailable',
    data: { reason: 'io' },
    message: expect.stringMatching(/damaged.*sessiond restore/),
  };
  await expect(client.call('message/list', { sessionId: 'ses_a' })).rejects.toMatchObject(told);
  expect((await client.call('session/list', {})).items).toHaveLength(1);
  expect((await client.call('store/check', {})).ok).toBe(false);
});

test('a store that is a link to another disk is used there', async () => {
  await writeStore();
  const elsewhere = join(home.folder, 'elsewhere.db');
  renameSync(join(home.paths.data, 'store.db'), elsewhere);
  symlinkSync(elsewhere, join(home.paths.data, 'store.db'));
  await expectRecovered(home);
  expect(existsSync(`${elsewhere}-wal`)).toBe(true);
});

describe('what keeps a daemon from starting is told with what to do, and leaves nothing behind', () => {
  /** How a start ends. */
  const refusal = async () => within('the refusal', spawnDaemonProcess(home).ready);

  test.skipIf(!hasSmallDisks)('a disk that is full: when there is room, it starts', async () => {
    mountSmallDisk(home.paths.data, 8 * 1024 * 1024);
    const free = fillSmallDisk(home.paths.data);
    const told = await refusal();
    expect(told).toMatchObject({
      ready: false,
      exitCode: 1,
      message: expect.stringContaining('make room on its disk'),
    });
    expect(told.message).not.toContain('the whole of it is in');
    free();
    await startDaemon(home);
  });

  test.skipIf(!hasSmallDisks)(
    'a disk that is full, with a store on it that was killed: nothing of it is lost',
    async () => {
      mountSmallDisk(home.paths.data, 8 * 1024 * 1024);
      await writeStore('SIGKILL');
      const free = fillSmallDisk(home.paths.data);
      const running = spawnDaemonProcess(home);
      const { ready, message } = await within('the start', running.ready);
      if (ready) await running.kill();
      else expect(message).toMatch(/room/);
      free();
      await expectRecovered(home);
    },
  );

  test.skipIf(!hasSmallDisks)('a disk that is read-only, with a store on it', async () => {
    mountSmallDisk(home.paths.data, 8 * 1024 * 1024);
    await writeStore();
    const remount = (how: string) => execFileSync('mount', ['-o', `remount,${how}`, home.paths.data]);
    remount('ro');
    expect(await refusal()).toMatchObject({
      ready: false,
      exitCode: 1,
      message: expect.stringMatching(/EROFS.*writable/),
    });
    // Its log and its socket on another disk: then it is the store itself.
    const elsewhere = { XDG_STATE_HOME: join(home.folder, 'state'), SESSIOND_SOCKET: join(home.folder, 'r', 's') };
    const env: NodeJS.ProcessEnv = { ...home.env, ...elsewhere, XDG_DATA_HOME: join(home.folder, 'd') };
    delete env.SESSIOND_HOME;
    mkdirSync(join(home.folder, 'd'));
    symlinkSync(home.paths.data, join(home.folder, 'd/sessiond'));
    const told = await within('the refusal', spawnDaemonProcess({ ...home, env }).ready);
    expect(told).toMatchObject({
      ready: false,
      exitCode: 1,
      message: expect.stringMatching(/store.*cannot be (opened|written).*(writ)/),
    });
    remount('rw');
    await expectRecovered(home);
  });

  test.skipIf(process.getuid?.() !== 0)('a folder that another user may not write', async () => {
    mkdirSync(home.paths.data, { mode: 0o755 });
    chmodSync(home.folder, 0o755);
    const [bundle, nobody] = [join(dist, 'daemon.mjs'), '65534'];
    const args = ['--reuid', nobody, '--clear-groups', process.execPath, bundle];
    const { status, stderr } = spawnSync('setpriv', args, { env: home.env, encoding: 'utf8' });
    expect(stderr).toMatch(/^sessiond: .*(EACCES|cannot be (opened|written)).*SESSIOND_HOME.*\n$/);
    expect(status).toBe(1);
  });
});

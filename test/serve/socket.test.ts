// The socket file and the store's lock (PROTOCOL.md 1): modes, what lies in the way, one daemon a store.
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { listen } from '../../daemon/serve/listen.ts';
import { pathsFrom } from '../../protocol/node/paths.ts';
import { afterTest, connectTo, spawnDaemonProcess, startDaemon, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';
import { wireTo } from '../support/wire.ts';

let home: Home;
let path: string;
let folder: string;
beforeEach(() => {
  home = testHome();
  path = home.paths.socket;
  folder = dirname(path);
});

const modeOf = (file: string) => (statSync(file).mode & 0o777).toString(8);
/** Listens until the test ends; answers whoever connects by this name. */
async function listenAs(name: string) {
  const listening = await listen(path, (socket) => socket.end(name));
  afterTest(() => listening.close());
  return listening;
}
async function whoAnswers(): Promise<string> {
  const socket = connect(path).setEncoding('utf8');
  const answer = new Promise<string>((resolve, reject) => socket.once('data', resolve).once('error', reject));
  return within('an answer', answer).finally(() => socket.destroy());
}
async function refusalOf(attempt: Promise<unknown>): Promise<{ message: string; exitCode: number }> {
  return attempt.then(
    () => expect.unreachable('it was not refused'),
    (error: unknown) => error as { message: string; exitCode: number },
  );
}

describe('the socket', () => {
  it('is 0600 in a folder of 0700, and leaves nothing else there', async () => {
    await startDaemon(home);
    expect(modeOf(path)).toBe('600');
    expect(modeOf(folder)).toBe('700');
    expect(readdirSync(folder)).toEqual(['sessiond.sock']);
  });

  it('goes when the daemon stops', async () => {
    const daemon = await startDaemon(home);
    expect(await daemon.kill('SIGTERM')).toBe(0);
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([0o755, 0o750, 0o701, 0o500, 0o777])(
    'is refused in a folder of mode %o, named with its path',
    async (mode) => {
      mkdirSync(folder, { recursive: true });
      chmodSync(folder, mode);
      const { message, exitCode } = await refusalOf(listenAs('ours'));
      expect(message).toContain(folder);
      expect(message).toContain(`0${mode.toString(8)}`);
      expect(message).toContain('0700');
      expect(exitCode).toBe(1);
      expect(modeOf(folder)).toBe(mode.toString(8));
    },
  );

  it('is refused by the whole process in such a folder, with what it tells', async () => {
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o755);
    const told = await within('the refusal', spawnDaemonProcess(home).ready);
    expect(told).toMatchObject({ ready: false, exitCode: 1, message: expect.stringContaining('0755') });
  });

  it.skipIf(process.getuid?.() !== 0)("is refused in another user's folder, named with its path and user", async () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chownSync(folder, 4711, 4711);
    const { message } = await refusalOf(listenAs('ours'));
    expect(message).toContain(folder);
    expect(message).toContain('4711');
  });

  it('may have a path of 103 bytes and is refused one of 104, naming the limit; bytes count, not characters', async () => {
    const base = join(home.folder, 's', 'run');
    const room = 103 - Buffer.byteLength(base) - 1;
    const env = (name: string) => ({ ...home.env, SESSIOND_SOCKET: join(base, name) });
    const fits = pathsFrom(env('x'.repeat(room)));
    const listening = await listen(fits.socket, (socket) => socket.destroy());
    expect(existsSync(fits.socket)).toBe(true);
    listening.close();
    expect(() => pathsFrom(env('x'.repeat(room + 1)))).toThrow(/104 bytes long and the limit is 103/);
    expect(() => pathsFrom(env(`é${'x'.repeat(room - 1)}`))).toThrow(/103/);
    const told = await within('the refusal', spawnDaemonProcess({ ...home, env: env('x'.repeat(room + 1)) }).ready);
    expect(told).toMatchObject({ ready: false, message: expect.stringContaining('the limit is 103') });
  });

  it.each([
    ['a file', () => writeFileSync(path, 'precious')],
    ['a folder', () => mkdirSync(path)],
    ['a link', () => symlinkSync('/dev/null', path)],
  ])('is refused where %s lies, which is left alone', async (_name, lay) => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    lay();
    const before = lstatSync(path).ino;
    const { message } = await refusalOf(listenAs('ours'));
    expect(message).toContain(path);
    expect(message).toContain('no socket');
    expect(lstatSync(path).ino).toBe(before);
  });

  it('is refused where another program answers, with exit code 7', async () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // Who only looks whether someone answers is gone before the greeting is.
    const other = createServer((socket) => socket.on('error', () => {}).end('other'));
    afterTest(() => void other.close());
    await new Promise<void>((resolve) => other.listen(path, resolve));
    expect(await refusalOf(listenAs('ours'))).toMatchObject({ exitCode: 7, message: expect.stringContaining(path) });
    expect(await whoAnswers()).toBe('other');
  });

  it('[P31] of a successor outlives the close of the one before it', async () => {
    const first = await listenAs('first');
    // A successor binds while the first still closes: it takes the name over, as one does after a crash.
    renameSync(path, `${path}.old`);
    await listenAs('successor');
    first.close();
    expect(existsSync(path)).toBe(true);
    expect(await whoAnswers()).toBe('successor');
  });

  it('[P31] of a daemon that starts while another closes is there in the end', async () => {
    for (let round = 0; round < 3; round++) {
      const first = await startDaemon(home);
      const closing = first.kill('SIGTERM');
      let second = spawnDaemonProcess(home);
      // Either the lock was free already, or the second was told to come back: then it does.
      while (!(await within('the second daemon', second.ready)).ready) second = spawnDaemonProcess(home);
      expect(await closing).toBe(0);
      expect((await (await wireTo(path)).call('daemon/status')).result.pid).toBe(second.pid);
      await second.kill();
    }
  });
});

describe('after kill -9', () => {
  it('a stale socket is replaced, and what was acknowledged is there', async () => {
    const first = await startDaemon(home);
    const client = await connectTo(home);
    await client.call('session/create', { sessionId: 'ses_1' });
    expect(await first.kill('SIGKILL')).toBe('SIGKILL');
    expect(lstatSync(path).isSocket()).toBe(true);
    await startDaemon(home);
    const again = await connectTo(home);
    expect((await again.call('session/get', { sessionId: 'ses_1' })).session.version).toBe(1);
    expect(modeOf(path)).toBe('600');
  });

  it('what a daemon left of its own half-made socket is in nobody’s way', async () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(`${path}.new`, '');
    await startDaemon(home);
    expect(readdirSync(folder)).toEqual(['sessiond.sock']);
  });
});

describe('the lock', () => {
  it('[P22] a second daemon on the same store exits with 7 and says so, while the first goes on', async () => {
    const first = await startDaemon(home);
    const second = spawnDaemonProcess(home);
    const told = await within('the refusal', second.ready);
    expect(told).toMatchObject({
      ready: false,
      exitCode: 7,
      message: expect.stringMatching(/another sessiond.*sessiond stop/s),
    });
    expect(told.message).toContain(home.paths.data);
    expect(await within('its end', second.exit)).toBe(7);
    expect((await (await wireTo(path)).call('daemon/status')).result.pid).toBe(first.pid);
  });

  it('[P22] also when it would listen elsewhere', async () => {
    await startDaemon(home);
    const elsewhere = { ...home, env: { ...home.env, SESSIOND_SOCKET: join(folder, 'other.sock') } };
    expect(await within('the refusal', spawnDaemonProcess(elsewhere).ready)).toMatchObject({ exitCode: 7 });
    expect(existsSync(join(folder, 'other.sock'))).toBe(false);
  });

  it('[P22] of ten that start at once, one runs', async () => {
    const all = Array.from({ length: 10 }, () => spawnDaemonProcess(home));
    const told = await within('all', Promise.all(all.map((each) => each.ready)), () => '', 40_000);
    expect(told.filter(({ ready }) => ready)).toHaveLength(1);
    expect(told.filter(({ ready }) => !ready).map(({ exitCode }) => exitCode)).toEqual(Array(9).fill(7));
    const { result } = await (await wireTo(path)).call('daemon/status');
    expect(result.pid).toBe(all[told.findIndex(({ ready }) => ready)]!.pid);
  });

  const startBeside = async (lock: Buffer) => {
    mkdirSync(home.paths.data, { recursive: true, mode: 0o700 });
    writeFileSync(join(home.paths.data, 'store.lock'), lock);
    await startDaemon(home);
    expect(await within('the refusal', spawnDaemonProcess(home).ready)).toMatchObject({ exitCode: 7 });
  };

  it('[P23] a lock file of zero bytes locks nobody out', () => startBeside(Buffer.alloc(0)));

  // Fail until store/open.ts makes a lock file anew that is no database: now it is told "file is not a database".
  it('[P23] a lock file that holds a process id locks nobody out', () => startBeside(Buffer.from('12345\n')));
  it('[P23] a torn lock file locks nobody out', () => startBeside(randomBytes(5_000)));
});

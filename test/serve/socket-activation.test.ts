// Socket activation (PROTOCOL.md 1): a parent listens, and hands the socket over as fd 3, as systemd does. The parent is a
// few lines of Python, which like systemd holds the socket from one daemon to the next; and systemd's own tool.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeEach, describe, expect, it } from 'vitest';
import { findProgram } from '../../cli/find-program.ts';
import { Client } from '../../protocol/client.ts';
import { connectSocket } from '../../protocol/node/socket.ts';
import { dist } from '../support/build.ts';
import { afterTest, connectTo, startDaemon, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';

const daemonBundle = join(dist, 'daemon.mjs');

/**
 * Makes a socket of this kind; then for each line of JSON on stdin runs a program with it as fd 3 and tells its pid, and
 * when it ended how.
 */
const holderProgram = `
import json, os, socket, sys
kind, path = sys.argv[1:3]
if kind == 'file':
    held = open('/dev/null')
elif kind == 'tcp':
    held = socket.socket(); held.bind(('127.0.0.1', 0)); held.listen()
else:
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if kind == 'datagram' else socket.SOCK_STREAM)
    held.bind(path)
    if kind == 'listening': held.listen(100)
print(json.dumps({'made': True}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    pid = os.fork()
    if pid == 0:
        os.dup2(held.fileno(), 3); os.set_inheritable(3, True)
        env = dict(asked['env'])
        for name, value in asked['listen'].items():
            env[name] = value.replace('OWN', str(os.getpid()))
        os.execve(asked['argv'][0], asked['argv'], env)
    print(json.dumps({'pid': pid}), flush=True)
    print(json.dumps({'code': os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}), flush=True)
`;

let home: Home;
let path: string;
beforeEach(() => {
  home = testHome();
  path = home.paths.socket;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
});

type Told = { made?: true; pid?: number; code?: number };

/** What listens for the daemon. */
async function holderOf(kind: 'listening' | 'bound' | 'datagram' | 'tcp' | 'file', at = path) {
  const child = spawn('python3', ['-c', holderProgram, kind, at], { stdio: ['pipe', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<Told> => {
    const line = await within('a word of the holder', lines.next(), () => stderr);
    if (line.done) throw new Error(`the holder ended: ${stderr}`);
    return JSON.parse(line.value) as Told;
  };
  let running: number | undefined;
  afterTest(async () => {
    if (running !== undefined) process.kill(running, 'SIGKILL');
    const closed = once(child, 'close');
    child.stdin.end();
    await within('the holder to end', closed);
  });
  await next();
  return {
    stderr: () => stderr,
    /** Starts a daemon with the socket. `ended`: its exit code, a signal below 0. */
    async activate(listen: Record<string, string> = {}, argv = [process.execPath, daemonBundle], env = home.env) {
      const asked = { argv, env, listen: { LISTEN_PID: 'OWN', LISTEN_FDS: '1', LISTEN_FDNAMES: 'x', ...listen } };
      child.stdin.write(`${JSON.stringify(asked)}\n`);
      const { pid } = await next();
      running = pid;
      const ended = next().then(({ code }) => {
        running = undefined;
        return code;
      });
      ended.catch(() => {});
      return { pid: pid!, ended };
    },
  };
}

/** A client that may connect before there is a daemon. */
async function early(): Promise<Client> {
  const client = new Client(await connectSocket(path));
  afterTest(() => client.close());
  return client;
}

describe('a socket that was handed over', () => {
  it('is served from before the daemon starts until after it was stopped, and nothing acknowledged is lost', async () => {
    const holder = await holderOf('listening');
    const before = await early();
    const created = before.call('session/create', { sessionId: 'ses_a' });
    const { ino } = lstatSync(path);
    const first = await holder.activate();
    expect((await within('an answer', created, holder.stderr)).ids).toEqual({ sessionId: 'ses_a' });
    expect((await before.call('daemon/status', {})).pid).toBe(first.pid);
    expect(statSync(path).mode & 0o777).toBe(0o600);

    await before.call('daemon/shutdown', {});
    expect(await first.ended).toBe(0);
    expect(lstatSync(path).ino).toBe(ino);
    expect(readdirSync(dirname(path))).toEqual(['sessiond.sock']);

    const between = await early();
    const found = between.call('session/get', { sessionId: 'ses_a' });
    const second = await holder.activate();
    expect((await within('an answer', found, holder.stderr)).session.version).toBe(1);
    process.kill(second.pid, 'SIGTERM');
    expect(await second.ended).toBe(0);
    expect(lstatSync(path).ino).toBe(ino);
  });

  it('of a daemon that was killed is served by the next', async () => {
    const holder = await holderOf('listening');
    const first = await holder.activate();
    await (await early()).call('session/create', { sessionId: 'ses_a' });
    process.kill(first.pid, 'SIGKILL');
    expect(await first.ended).toBe(-9);
    const again = await early();
    const found = again.call('session/get', { sessionId: 'ses_a' });
    await holder.activate();
    expect((await within('an answer', found, holder.stderr)).session.id).toBe('ses_a');
  });

  it('keeps for the next daemon who connects while one stops', async () => {
    const holder = await holderOf('listening');
    const goOn = join(home.folder, 'go-on');
    // Holds the process still in the midst of its stop, until the test says go on.
    const still = `
      import { existsSync } from 'node:fs';
      const wait = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      process.on('SIGTERM', () => setImmediate(() => {
        console.error('stopping');
        while (!existsSync(${JSON.stringify(goOn)})) wait();
      }));
      await import(${JSON.stringify(daemonBundle)});`;
    const first = await holder.activate({}, [process.execPath, '--input-type=module', '-e', still]);
    await (await early()).call('ping', {});
    process.kill(first.pid, 'SIGTERM');
    await expect.poll(holder.stderr, { timeout: 20_000 }).toContain('stopping');
    const late = await early();
    const answer = late.call('daemon/status', {});
    writeFileSync(goOn, '');
    expect(await first.ended).toBe(0);
    const second = await holder.activate();
    expect((await within('an answer', answer, holder.stderr)).pid).toBe(second.pid);
  });

  it('is told to no child: the variables are gone from the environment', async () => {
    const holder = await holderOf('listening');
    const looks = `
      process.on('exit', () => console.error(JSON.stringify(Object.keys(process.env).filter((name) => name.startsWith('LISTEN_')))));
      await import(${JSON.stringify(daemonBundle)});`;
    const daemon = await holder.activate({}, [process.execPath, '--input-type=module', '-e', looks]);
    await (await early()).call('ping', {});
    process.kill(daemon.pid, 'SIGTERM');
    await daemon.ended;
    expect(holder.stderr()).toMatch(/\[\]\n$/);
  });

  it('may be reached by a link to its folder', async () => {
    const holder = await holderOf('listening', join(home.folder, 'home', '..', 's', 'run', 'sessiond.sock'));
    await holder.activate();
    expect(await (await early()).call('ping', {})).toBeDefined();
  });

  it('is taken by sessiond run too', async () => {
    const holder = await holderOf('listening');
    const waiting = (await early()).call('daemon/status', {});
    const { pid } = await holder.activate({}, [process.execPath, join(dist, 'cli.js'), 'run']);
    expect((await within('an answer', waiting, holder.stderr)).pid).toBe(pid);
  });
});

describe('what is no socket for it is refused, and said so', () => {
  it.each([
    ['datagram', /fd 3 is no stream socket that listens/],
    ['bound', /fd 3 is no stream socket that listens/],
    ['tcp', /fd 3 is no Unix socket/],
    ['file', /fd 3 is no Unix socket/],
  ] as const)('%s', async (kind, message) => {
    const holder = await holderOf(kind);
    const { ended } = await holder.activate();
    expect(await ended).toBe(2);
    expect(holder.stderr()).toMatch(message);
  });

  it('one on another path than clients look for, naming both', async () => {
    const other = join(dirname(path), 'other.sock');
    const holder = await holderOf('listening', other);
    const { ended } = await holder.activate();
    expect(await ended).toBe(2);
    expect(holder.stderr()).toContain(`listens on ${other}, and clients look for ${path}`);
    expect(existsSync(other)).toBe(true);
  });

  it('one whose file is gone, with what to do', async () => {
    const holder = await holderOf('listening');
    rmSync(path);
    const { ended } = await holder.activate();
    expect(await ended).toBe(2);
    expect(holder.stderr()).toContain(`through ${path}: systemctl --user restart sessiond.socket`);
  });

  it('two of them', async () => {
    const holder = await holderOf('listening');
    const { ended } = await holder.activate({ LISTEN_FDS: '2' });
    expect(await ended).toBe(2);
    expect(holder.stderr()).toContain('LISTEN_FDS hands over 2');
  });

  it('one in a folder that is open to others', async () => {
    const holder = await holderOf('listening');
    chmodSync(dirname(path), 0o755);
    const { ended } = await holder.activate();
    expect(await ended).toBe(1);
    expect(holder.stderr()).toContain('has mode 0755 and must have 0700');
  });

  it('and what keeps a daemon from starting is in its log too', async () => {
    const holder = await holderOf('tcp');
    const { ended } = await holder.activate({}, [process.execPath, daemonBundle, '--log-file']);
    expect(await ended).toBe(2);
    expect(readFileSync(join(home.paths.log, 'sessiond.log'), 'utf8')).toContain(
      'could not start: what was handed over',
    );
  });
});

describe('a socket that is meant for another', () => {
  it.each([
    ['of another process', { LISTEN_PID: '1' }],
    ['of nobody that is named', { LISTEN_PID: '' }],
    ['of none', { LISTEN_FDS: '0' }],
  ])('%s is left alone, and the daemon makes its own', async (_name, listen) => {
    const holder = await holderOf('listening', join(home.folder, 'x.sock'));
    const { pid } = await holder.activate(listen);
    await expect.poll(() => existsSync(path), { timeout: 20_000 }).toBe(true);
    expect((await (await connectTo(home)).call('daemon/status', {})).pid).toBe(pid);
  });
});

it('[P22] the lock is taken first: where another daemon holds the store, none is accepted, and it exits with 7', async () => {
  await startDaemon({ ...home, env: { ...home.env, SESSIOND_SOCKET: join(dirname(path), 'by-hand.sock') } });
  const holder = await holderOf('listening');
  const { ended } = await holder.activate();
  expect(await ended).toBe(7);
  expect(holder.stderr()).toContain('another sessiond');
});

const tool = findProgram('systemd-socket-activate', process.env);
it.skipIf(!tool)('systemd-socket-activate, where it is installed, starts it by the first connection', async () => {
  const env = Object.entries(home.env).flatMap(([name, value]) => ['-E', `${name}=${value}`]);
  const child = spawn(tool!, ['-l', path, ...env, process.execPath, daemonBundle], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'exit');
  let stderr = '';
  const listens = new Promise<void>((resolve) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (stderr.includes('Listening on')) resolve();
    });
  });
  afterTest(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await within('its end', ended);
  });
  await within('it to listen', listens, () => stderr);
  const client = await early();
  expect((await within('an answer', client.call('daemon/status', {}), () => stderr)).pid).toBe(child.pid);
  await client.call('daemon/shutdown', {});
  expect(await within('its end', ended)).toEqual([0, null]);
  expect(existsSync(path)).toBe(true);
});

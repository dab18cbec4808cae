// What a system does to a daemon process: no descriptors are left, it is stopped for a while, its socket's file is removed, it is told to
// end under load.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Client } from '../../protocol/client.ts';
import { RpcError } from '../../protocol/errors.ts';
import { TransportClosedError } from '../../protocol/transport.ts';
import type { Running } from '../support/daemon.ts';
import { afterTest, connectTo, startDaemon, subscribe, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';

let home: Home;
beforeEach(() => {
  home = testHome();
});

const logFile = () => join(home.paths.log, 'sessiond.log');

async function untilLogged(text: string): Promise<void> {
  const isLogged = () => readFileSync(logFile(), 'utf8').includes(text);
  const logged = new Promise<void>((resolve) => {
    const watcher = watch(logFile(), () => {
      if (isLogged()) resolve();
    });
    afterTest(() => watcher.close());
    if (isLogged()) resolve();
  });
  await within('the log to tell', logged);
}

/** Tries anew until somebody answers there. */
async function reconnect(): Promise<Client> {
  const tries = async () => {
    for (;;) {
      const client = await connectTo(home).catch(() => undefined);
      if (client) return client;
      await new Promise((resolve) => setTimeout(resolve, 20)); // there is no event for a path that begins to lead somewhere
    }
  };
  return within('somebody to answer on the socket', tries());
}

describe('a socket whose file is gone is listened on anew, and who is connected stays so', () => {
  const gone: [string, (path: string) => void][] = [
    ['its file removed', (path) => rmSync(path)],
    ['its folder removed', (path) => rmSync(dirname(path), { recursive: true })],
  ];
  test.each(gone)('%s', async (_, remove) => {
    const daemon = await startDaemon(home);
    const before = await connectTo(home);
    const { collector } = await subscribe(before);
    for (const round of [1, 2]) {
      remove(home.paths.socket);
      const anew = await reconnect();
      expect((await anew.call('daemon/status', {})).pid).toBe(daemon.pid);
      expect(lstatSync(home.paths.socket).mode & 0o777).toBe(0o600);
      await anew.call('session/create', { sessionId: `ses_${round}` });
      await collector.until('what came over the new one', ({ events }) => events.length === round);
    }
    expect(await daemon.kill('SIGTERM')).toBe(0);
    expect(readdirSync(dirname(home.paths.socket))).toEqual([]);
  });

  test('something else lies in its place: told in the log, once, and taken again when it is gone', async () => {
    const daemon = await startDaemon(home);
    rmSync(home.paths.socket);
    writeFileSync(home.paths.socket, 'theirs');
    await untilLogged('is no socket: move it away');
    expect(existsSync(home.paths.socket)).toBe(true);
    rmSync(home.paths.socket);
    const client = await reconnect();
    expect((await client.call('daemon/status', {})).pid).toBe(daemon.pid);
    expect(readFileSync(logFile(), 'utf8').match(/is no socket: move it away/g)).toHaveLength(1);
  });

  test('its folder is open to others then: nobody is let in until it is not', async () => {
    await startDaemon(home);
    const folder = dirname(home.paths.socket);
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    chmodSync(folder, 0o755);
    const log = `${home.paths.log}/sessiond.log`;
    await within(
      'the log to tell',
      new Promise<void>((resolve) => {
        const watcher = watch(log, () => {
          if (spawnSync('grep', ['-q', 'must have 0700', log]).status !== 0) return;
          watcher.close();
          resolve();
        });
      }),
    );
    expect(readdirSync(folder)).toEqual([]);
    chmodSync(folder, 0o700);
    await reconnect();
  });
});

describe('out of file descriptors', () => {
  test.skipIf(spawnSync('prlimit', ['--version']).error !== undefined)(
    'those who are connected are served, what is acknowledged is kept, and others come in when there are some again',
    async () => {
      const daemon = await startDaemon(home);
      const client = await connectTo(home);
      await client.call('session/create', { sessionId: 'ses_a' });
      const limit = (count: string) => execFileSync('prlimit', ['--pid', String(daemon.pid), `--nofile=${count}:`]);
      limit(String(readdirSync(`/proc/${daemon.pid}/fd`).length + 3));
      const sockets: Socket[] = [];
      afterTest(() => sockets.forEach((socket) => void socket.destroy()));
      let refused = 0;
      for (let n = 0; n < 20; n += 1) {
        const socket = connect(home.paths.socket);
        sockets.push(socket);
        socket.on('error', () => {});
        // Written to and not only connected: the kernel takes connections that nobody accepts.
        const answer = new Promise<boolean>((resolve) => {
          socket.once('data', () => resolve(true));
          socket.once('close', () => resolve(false));
        });
        socket.write('{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}\n');
        const answered = await Promise.race([
          answer,
          client
            .call('ping', {})
            .then(() => client.call('ping', {}))
            .then(() => undefined),
        ]);
        if (answered === false) refused += 1;
        await client.call('session/create', { sessionId: `ses_${n}` });
      }
      expect(refused).toBeGreaterThan(0);
      for (const socket of sockets) socket.destroy();
      limit('1024');
      const fresh = await reconnect();
      const status = await fresh.call('daemon/status', {});
      expect(status).toMatchObject({ pid: daemon.pid, sessions: 21 });
      expect(await daemon.kill('SIGTERM')).toBe(0);
    },
  );
});

test('a process that was stopped for longer than a lease ends no turn that its client goes on with', async () => {
  const daemon = await startDaemon(home);
  const client = await connectTo(home);
  const { collector } = await subscribe(client);
  await client.call('session/create', { sessionId: 'ses_a' });
  const model = { providerId: 'anthropic', modelId: 'claude' };
  const parts = [{ type: 'text' as const, text: 'go' }];
  const { ids } = await client.call('turn/start', {
    sessionId: 'ses_a',
    agent: 'claude-code',
    model,
    parts,
    leaseMs: 5_000,
  });
  daemon.process.kill('SIGSTOP');
  // Longer than the lease, and than what counts as late: by the clock of the process itself there is no other way.
  await new Promise((resolve) => setTimeout(resolve, 6_500));
  daemon.process.kill('SIGCONT');
  await client.call('turn/heartbeat', { turnId: ids.turnId! });
  await client.call('turn/finish', { turnId: ids.turnId!, state: 'completed' });
  await collector.until('the end of the turn', ({ events }) => JSON.stringify(events).includes('"state":"completed"'));
  expect(JSON.stringify(collector.events)).not.toContain('LeaseExpired');
});

/** How each of the calls ended: `applied`, or the kind of its refusal, or `closed`. */
async function outcomesOf(calls: Promise<unknown>[]): Promise<string[]> {
  return (await Promise.allSettled(calls)).map((outcome) => {
    if (outcome.status === 'fulfilled') return 'applied';
    if (outcome.reason instanceof RpcError) return outcome.reason.kind ?? String(outcome.reason.code);
    if (outcome.reason instanceof TransportClosedError) return 'closed';
    throw outcome.reason;
  });
}

async function appendAll(client: Client, name: string, count: number): Promise<{ sent: string[]; outcomes: string[] }> {
  const sent = Array.from({ length: count }, (_, n) => `ses_${name}_${n}`);
  const outcomes = await outcomesOf(sent.map((sessionId) => client.call('session/create', { sessionId })));
  return { sent, outcomes };
}

async function sessionsOf(client: Client): Promise<Set<string>> {
  const ids = new Set<string>();
  let pageToken: string | undefined;
  do {
    const page = await client.call('session/list', { limit: 1_000, ...(pageToken && { pageToken }) });
    for (const { id } of page.items) ids.add(id);
    pageToken = page.nextPageToken;
  } while (pageToken);
  return ids;
}

test('told to end under load, it answers what it took, refuses the rest with ShuttingDown, and exits with 0', async () => {
  const daemon: Running = await startDaemon(home);
  const clients = await Promise.all([1, 2, 3, 4].map(() => connectTo(home)));
  const watching = await connectTo(home);
  const { collector } = await subscribe(watching);
  const loads = clients.map((client, n) => appendAll(client, `c${n}`, 3_000));
  await collector.until('the load to be felt', ({ events }) => events.length > 500);
  daemon.process.kill('SIGTERM');
  const ends = await Promise.all(loads);
  // 5 s are the rule; this waits no longer than a hang would.
  expect(await within('the daemon to end', daemon.exit, daemon.stderr)).toBe(0);
  const outcomes = ends.flatMap((end) => end.outcomes);
  expect(new Set(outcomes)).toEqual(
    new Set(['applied', 'ShuttingDown', 'closed'].filter((kind) => outcomes.includes(kind))),
  );
  expect(outcomes.filter((outcome) => outcome === 'ShuttingDown').length).toBeGreaterThan(0);
  await startDaemon(home);
  const there = await sessionsOf(await connectTo(home));
  for (const { sent, outcomes: ended } of ends) {
    sent.forEach((id, n) => {
      if (ended[n] === 'applied') expect(there.has(id), id).toBe(true);
      if (ended[n] === 'ShuttingDown') expect(there.has(id), id).toBe(false);
    });
  }
});

// Where status and start say that HTTP is reached, of a daemon that tells it: one that is faked, and answers three methods.
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { protocolVersion } from '../../protocol/version.ts';
import { afterTest } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import { makeHome } from '../support/home.ts';
import { run } from './run-cli.ts';

/** A daemon that tells this of HTTP; not at all where it is undefined. */
async function telling(http: string | null | undefined): Promise<Home> {
  const home = makeHome();
  afterTest(() => home.remove());
  const server = { name: 'sessiond', version: '9', pid: 7 };
  const counts = { sessions: 1, events: 2, storeBytes: 4096, memoryBytes: 4096 };
  const results: Record<string, object> = {
    initialize: { protocolVersion, server, rights: ['read'], head: 'a.1.b' },
    'source/list': { items: [] },
    'daemon/status': {
      ...{ version: '9', pid: 7, startedAt: Date.now(), head: 'a.1.b', connections: [], sources: [] },
      ...counts,
      ...(http !== undefined && { http }),
    },
  };
  const listener = createServer((socket) => {
    createInterface({ input: socket }).on('line', (line) => {
      const { id, method } = JSON.parse(line) as { id: number; method: string };
      socket.write(`${JSON.stringify({ jsonrpc: '2.0', id, result: results[method] })}\n`);
    });
  });
  mkdirSync(dirname(home.paths.socket), { recursive: true, mode: 0o700 });
  await once(listener.listen(home.paths.socket), 'listening');
  afterTest(() => void listener.close());
  return home;
}

test('status and start say where HTTP is reached over TCP', async () => {
  const home = await telling('http://127.0.0.1:7433');
  expect((await run(home, ['status'])).stdout).toMatch(/^socket +\S+\nhttp +http:\/\/127\.0\.0\.1:7433\nsessions +1$/m);
  const started = await run(home, ['start', '--no-wait']);
  expect(started.stdout).toMatch(
    /^sessiond is already running \(version 9, pid 7, \S+, http:\/\/127\.0\.0\.1:7433\)$/m,
  );
  expect(JSON.parse((await run(home, ['start', '--json'])).stdout)).toMatchObject({ http: 'http://127.0.0.1:7433' });
});

test('where it is reached over the socket alone, or by an older daemon, nothing is said of it', async () => {
  for (const http of [null, undefined]) {
    const home = await telling(http);
    expect((await run(home, ['status'])).stdout).toMatch(/^socket +\S+\nsessions +1$/m);
    expect((await run(home, ['start', '--no-wait'])).stdout).toMatch(
      /^sessiond is already running \([^,]+, [^,]+, [^,]+\)$/m,
    );
    expect(JSON.parse((await run(home, ['start', '--json'])).stdout)).toMatchObject({ http: null });
  }
});

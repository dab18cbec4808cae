// A client that goes while it is looked at who it is: that takes as long as the disk does. Nothing is held for it then (P18).
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { expect, test } from 'vitest';
import { systemRuntime } from '../../../daemon/engine/runtime.ts';
import { createApp } from '../../../daemon/serve/http/app.ts';
import type { Entrance } from '../../../daemon/serve/http/entrance.ts';
import { defaultLimits } from '../../../daemon/serve/limits.ts';
import { afterTest, daemonInProcess, testHome } from '../../support/daemon.ts';
import { within } from '../../support/deadline.ts';
import { request, wireInMemory } from '../../support/wire.ts';

/** `until`: what of the client's connection is waited for at the door. */
async function doorThatWaits(until: 'close' | 'end') {
  const { daemon } = daemonInProcess(testHome());
  const owner = wireInMemory(daemon);
  await owner.call('session/create', { sessionId: 'ses_1' });
  const asked = { sessionId: 'ses_1', blockerId: 'blk_1', kind: 'permission', request: { permission: 'run' } };
  await owner.call('blocker/ask', asked);
  const served: Promise<void>[] = [];
  const quiet = { info() {}, warn() {}, error() {} };
  const deps = {
    serve: (...given: Parameters<typeof daemon.serve>) => {
      served.push(daemon.serve(...given));
      return served.at(-1)!;
    },
    head: () => '',
    ...{ limits: defaultLimits, runtime: systemRuntime(quiet), signal: new AbortController().signal },
  };
  let waited!: () => void;
  const hasWaited = new Promise<void>((resolve) => {
    waited = resolve;
  });
  let entered!: () => void;
  const hasEntered = new Promise<void>((resolve) => {
    entered = resolve;
  });
  const enter = async ({ socket }: IncomingMessage) => {
    entered();
    // Of what has ended already there is no event.
    const isOver = until === 'end' ? socket.readableEnded : socket.destroyed;
    if (!isOver) await new Promise<void>((resolve) => socket.once(until, () => resolve()));
    waited();
    return { lasts: true, who: 'owner' };
  };
  const app = createApp(deps, { enter } as unknown as Entrance);
  const server = createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false }));
  Object.assign(server, { httpAllowHalfOpen: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  afterTest(() => server.close());
  const ask = async (text: string, go: (socket: Socket) => void) => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    afterTest(() => socket.destroy());
    socket.on('error', () => {});
    socket.write(text);
    await within('the door to look at it', hasEntered);
    go(socket);
  };
  /** Resolves when all that was begun has ended. */
  const over = async () => {
    await within('the client to be gone', hasWaited);
    while (served.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await within('what was held for it to be gone', Promise.all(served));
  };
  return { ask, over, connections: async () => (await owner.call('daemon/status')).result.connections.length };
}

const wait = JSON.stringify(request(1, 'blocker/wait', { blockerId: 'blk_1' }));
const post = `POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: ${wait.length}\r\n\r\n${wait}`;

test('a stream whose reader went before it began is begun for nobody', async () => {
  const { ask, over, connections } = await doorThatWaits('close');
  await ask('GET /events HTTP/1.1\r\nHost: x\r\n\r\n', (socket) => socket.resetAndDestroy());
  await over();
  expect(await connections()).toBe(1);
});

test('a wait whose client stopped writing before it began ends, as on the socket', async () => {
  const { ask, over, connections } = await doorThatWaits('end');
  await ask(post, (socket) => socket.end());
  await over();
  expect(await connections()).toBe(1);
});

test('a stream whose reader stopped writing before it began ends, as on the socket', async () => {
  const { ask, over, connections } = await doorThatWaits('end');
  await ask('GET /events HTTP/1.1\r\nHost: x\r\n\r\n', (socket) => socket.end());
  await over();
  expect(await connections()).toBe(1);
});

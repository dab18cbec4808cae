// So many may be connected to the Unix socket at a time (PROTOCOL.md 1, Overloaded): those who say nothing too.
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { defaultLimits } from '../../daemon/serve/limits.ts';
import { fitting } from '../../daemon/serve/open-files.ts';
import { connectAnswering } from '../../protocol/node/connect-answering.ts';
import { cli } from '../support/cli.ts';
import { afterTest, daemonInProcess, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import { ask, untilClosed } from '../support/http.ts';
import type { WireDialect } from '../support/wire.ts';
import { wireInMemory, wireTo } from '../support/wire.ts';

const refusal = { code: -32006, data: { kind: 'Overloaded', retryAfterMs: 1_000 } };

async function setUp(maxConnections = 1) {
  const home = testHome();
  const { daemon } = daemonInProcess(home, { limits: { maxConnections } });
  await daemon.start();
  return { home, daemon, path: home.paths.socket };
}

async function silentAt(path: string) {
  const socket = connect(path).on('error', () => {});
  afterTest(() => socket.destroy());
  await within('a connection', once(socket, 'connect'));
  return socket;
}

describe('[P7] who connects when so many are', () => {
  it.each<WireDialect>(['line', 'header'])('is told Overloaded and ended, dialect %s', async (dialect) => {
    const { path } = await setUp();
    const first = await wireTo(path);
    await first.call('ping');
    const wire = await wireTo(path, dialect);
    wire.send({ jsonrpc: '2.0', id: 1, method: 'session/create', params: {} });
    await within('the end', wire.closed);
    expect(wire.received).toEqual([{ jsonrpc: '2.0', id: null, error: expect.objectContaining(refusal) }]);
    expect((await first.call('session/list')).result.items).toEqual([]);
  });

  it('is told so over HTTP by 503 with Retry-After', async () => {
    const { path } = await setUp();
    await (await wireTo(path)).call('ping');
    const { status, headers, json } = await ask({ socketPath: path }, { path: '/health' });
    expect([status, headers['retry-after'], json.error]).toEqual([503, '1', expect.objectContaining(refusal)]);
  });

  it('is told so by a line where they say nothing themselves', async () => {
    const { path } = await setUp();
    await (await wireTo(path)).call('ping');
    expect(JSON.parse(await untilClosed(await silentAt(path)))).toMatchObject({ id: null, error: refusal });
  });

  it('is let in again when one of them has gone', async () => {
    const { path, daemon } = await setUp();
    const first = await wireTo(path);
    await first.call('ping');
    first.close();
    const observer = wireInMemory(daemon);
    while ((await observer.call('daemon/status')).result.connections.length > 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await (await wireTo(path)).call('ping')).result).toEqual({});
  });

  it('is told by the library and by the CLI, which starts no other daemon', async () => {
    const { home, path } = await setUp();
    await (await wireTo(path)).call('ping');
    const asking = connectAnswering(path, 10_000, (client) => client.call('ping', {}));
    await expect(asking).rejects.toMatchObject({ kind: 'Overloaded', data: { retryAfterMs: 1_000 } });
    for (const verb of ['ls', 'status', 'stop']) {
      const { code, stderr } = await cli(home, verb);
      expect(stderr, verb).toContain('1 connections are open, and no more are taken');
      expect(code, verb).toBe(7);
    }
  });
});

it('of the files that the process may have open the socket gets half, TCP a quarter', () => {
  const of = (files: number) => {
    const { maxConnections, maxTcpConnections } = fitting(defaultLimits, files);
    return [maxConnections, maxTcpConnections];
  };
  expect([of(1_048_576), of(Number.POSITIVE_INFINITY)]).toEqual(Array(2).fill([4_096, 512]));
  expect([of(1_024), of(1)]).toEqual([
    [512, 256],
    [1, 1],
  ]);
});

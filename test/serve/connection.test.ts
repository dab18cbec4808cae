// A connection from its first byte to its end (PROTOCOL.md 1): dialects, initialize, frames that are too large.
import { beforeEach, describe, expect, it } from 'vitest';
import { connectTo, daemonInProcess, startDaemon, subscribe, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';
import type { WireDialect } from '../support/wire.ts';
import { request, wireInMemory, wireTo } from '../support/wire.ts';

let home: Home;
beforeEach(() => {
  home = testHome();
});

const inMemory = () => wireInMemory(daemonInProcess(home).daemon);
const onSocket = async (limits = {}) => {
  const { daemon } = daemonInProcess(home, { limits });
  await daemon.start();
  return home.paths.socket;
};

describe('a connection', () => {
  it.each<WireDialect>(['line', 'header'])(
    'works raw and without initialize, over the real daemon, dialect %s',
    async (dialect) => {
      await startDaemon(home);
      const wire = await wireTo(home.paths.socket, dialect);
      expect((await wire.call('session/create', { title: 'é😀' })).result).toMatchObject({
        version: 1,
        duplicate: false,
      });
      const { result } = await wire.call('session/list');
      expect(result.items).toMatchObject([{ title: 'é😀', actorId: 'local/c1' }]);
    },
  );

  it('serves both dialects at once on one socket', async () => {
    const path = await onSocket();
    const [line, header] = [await wireTo(path), await wireTo(path, 'header')];
    expect(await Promise.all([line.call('ping'), header.call('ping')])).toMatchObject([{ result: {} }, { result: {} }]);
  });

  it('answers a peer that half-closes after its last request (printf … | socat)', async () => {
    const wire = await wireTo(await onSocket());
    wire.socket!.end(
      [request(1, 'session/create', { sessionId: 'ses_1' }), request(2, 'session/get', { sessionId: 'ses_1' })]
        .map((message) => JSON.stringify(message))
        .join('\n'),
    );
    await within('the end', wire.closed);
    expect(wire.received).toMatchObject([
      { id: 1, result: { seq: 1 } },
      { id: 2, result: { session: { id: 'ses_1' } } },
    ]);
  });

  it('goes on after malformed JSON and UTF-8 in line framing, each told by -32700 with id null', async () => {
    const wire = await wireTo(await onSocket());
    wire.send('{"jsonrpc":');
    wire.socket!.write(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d, 0x0a]));
    wire.send(request(1, 'ping'));
    await wire.reply(1);
    const parseError = { jsonrpc: '2.0', id: null, error: { code: -32700, message: 'Parse error' } };
    expect(wire.received.slice(0, 2)).toEqual([parseError, parseError]);
  });

  it('names the client in the actor after initialize', async () => {
    const wire = inMemory();
    const { result } = await wire.call('initialize', { protocolVersion: 1, client: { name: 'tester', version: '1' } });
    expect(result).toMatchObject({
      protocolVersion: 1,
      actorId: 'tester/c1',
      connectionId: 'c1',
      server: { pid: process.pid },
    });
  });

  it('is refused another protocol version by UnsupportedVersion, and lives on', async () => {
    const wire = inMemory();
    const { error } = await wire.call('initialize', { protocolVersion: 2, client: { name: 'x', version: '1' } });
    expect(error).toMatchObject({ code: -32004, data: { kind: 'UnsupportedVersion', supported: [1] } });
    expect((await wire.call('ping')).result).toEqual({});
  });
});

describe('a reader that does not read', () => {
  it('[P7] has one reply of 8 MB waiting, however many it asked for at once, half-closed or not', async () => {
    const path = await onSocket();
    const wire = await wireTo(path);
    await wire.call('session/create', { sessionId: 'ses_1' });
    await wire.call('message/put', { sessionId: 'ses_1', messageId: 'msg_1', role: 'user' });
    const text = 'x'.repeat(4 * 1024 * 1024);
    for (const partId of ['prt_1', 'prt_2']) {
      await wire.call('part/put', { sessionId: 'ses_1', messageId: 'msg_1', partId, part: { type: 'text', text } });
    }
    for (const isHalfClosed of [false, true]) {
      const reader = await wireTo(path);
      await reader.call('ping');
      reader.socket!.pause();
      const asked = Array.from({ length: 10 }, (_, at) => request(at, 'message/list', { sessionId: 'ses_1' }));
      const lines = asked.map((each) => `${JSON.stringify(each)}\n`).join('');
      if (isHalfClosed) reader.socket!.end(lines);
      else reader.socket!.write(lines);
      const waiting = async () => {
        const { connections } = (await wire.call('daemon/status')).result;
        return Math.max(...connections.map((each: { bufferedBytes: number }) => each.bufferedBytes));
      };
      while ((await waiting()) < text.length) await new Promise((resolve) => setImmediate(resolve));
      for (let look = 0; look < 50; look += 1) expect(await waiting()).toBeLessThan(2.1 * text.length);
      reader.socket!.resume();
      await reader.until('all replies', () => reader.received.length === 11);
    }
  });
});

it('a batch whose replies are longer together than a message can be is told so, and the connection goes on', async () => {
  const wire = await wireTo(await onSocket({ maxBatchReplyUnits: 1_000 }));
  const pings = (count: number) => Array.from({ length: count }, (_, at) => request(at, 'ping'));
  wire.send(pings(10), pings(100));
  await wire.until('both answers', () => wire.received.length === 2);
  expect(wire.received[0]).toHaveLength(10);
  const data = { kind: 'LimitExceeded', limit: 1_000, what: 'text in the reply to one batch' };
  expect(wire.received[1]).toMatchObject({ id: null, error: { data } });
  expect((await wire.call('ping')).result).toEqual({});
});

describe('FrameTooLarge', () => {
  it.each<WireDialect>(['line', 'header'])(
    'is told with the limit, then the connection closes, dialect %s',
    async (dialect) => {
      const path = await onSocket({ maxFrameBytes: 1_000 });
      const wire = await wireTo(path, dialect);
      await wire.call('ping');
      wire.send(request(1, 'session/create', { title: 'x'.repeat(1_000) }));
      const { error, id } = await wire.next();
      expect(id).not.toBe(1);
      await within('the end', wire.closed);
      const last = wire.received.at(-1)!;
      expect(last).toMatchObject({ id: null, error: { code: -32005, data: { kind: 'FrameTooLarge', limit: 1_000 } } });
      expect(error).toBeUndefined();
      expect((await (await wireTo(path)).call('session/list')).result.items).toEqual([]);
    },
  );

  it('reaches a client that goes on sending for megabytes behind the limit', async () => {
    const path = await onSocket({ maxFrameBytes: 1_000 });
    for (let round = 0; round < 10; round++) {
      const wire = await wireTo(path);
      wire.send(request(1, 'session/create', { title: 'x'.repeat(4 * 1024 * 1024) }));
      await wire.until('the refusal', () => wire.received.length > 0, 5_000);
      expect(wire.received[0]).toMatchObject({ error: { data: { kind: 'FrameTooLarge' } } });
      await within('the end', wire.closed);
    }
  });

  it('is not met by a subscriber: an op near the limit comes back in a larger notification', async () => {
    const limit = 64 * 1024;
    await onSocket({ maxFrameBytes: limit });
    const client = await connectTo(home);
    // As large as an op may be here; the client's own limit is the default 8 MiB, so that one is tried below.
    await client.call('session/create', { sessionId: 'ses_1', metadata: { text: 'x'.repeat(limit - 200) } });
    const { collector } = await subscribe(client, { from: 'start' });
    await collector.until('the event', (got) => got.events.length === 1);
  });

  it('is not met by a subscriber of the default limit either', async () => {
    await onSocket();
    const client = await connectTo(home);
    const text = 'x'.repeat(8 * 1024 * 1024 - 200);
    await client.call('session/create', { sessionId: 'ses_1' });
    await client.call('artifact/put', { sessionId: 'ses_1', kind: 'k', key: 'k', data: text });
    const { collector } = await subscribe(client, { from: 'start' });
    await collector.until('the events', (got) => got.events.length === 2);
    await client.call('ping', {});
  });
});

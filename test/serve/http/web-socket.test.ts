// GET /ws: one JSON-RPC message a text frame, all methods and notifications (PROTOCOL.md 10).
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { Limits } from '../../../daemon/serve/limits.ts';
import { within } from '../../support/deadline.ts';
import { httpDaemon } from '../../support/http.ts';
import { wireOver } from '../../support/web-socket-wire.ts';
import type { Anything } from '../../support/wire.ts';
import { request } from '../../support/wire.ts';

const mebibyte = 1024 * 1024;

async function setUp(limits: Partial<Limits> = {}) {
  const daemon = await httpDaemon({ limits });
  const url = `ws+unix:${daemon.home.paths.socket}:/ws`;
  return { ...daemon, url, connect: (options = {}) => wireOver(url, options) };
}

/** The status that refuses to open one. */
async function refusal(url: string, headers: Record<string, string> = {}): Promise<number> {
  const webSocket = new WebSocket(url, { headers });
  webSocket.on('error', () => {});
  const [, response] = (await within('a refusal', once(webSocket, 'unexpected-response'))) as [unknown, Anything];
  response.destroy();
  return response.statusCode;
}

describe('a WebSocket on the Unix socket', () => {
  it('is a connection like any other: calls, batches, subscriptions in order with the replies', async () => {
    const { connect } = await setUp();
    const { wire } = await connect();
    await wire.call('events/subscribe', { from: 'start' });
    const { result } = await wire.call('session/create', { sessionId: 'ses_1' });
    await wire.until('its event', () => wire.seqs.length === 1);
    expect(wire.seqs).toEqual([result.seq]);
    wire.send([request(1, 'ping'), request(2, 'session/list')]);
    await wire.until('the answers', () => wire.received.some((message) => Array.isArray(message)));
    expect((await wire.call('daemon/status')).result.connections.at(-1)).toMatchObject({ subscriptions: 1 });
  });

  it('answers what is no JSON, and a binary frame, with a parse error, and lives on', async () => {
    const { connect } = await setUp();
    const { wire, webSocket } = await connect();
    wire.send('nope');
    webSocket.send(Buffer.from(JSON.stringify(request(1, 'ping'))));
    await wire.until('two errors', () => wire.received.length === 2);
    expect(wire.received.map(({ error, id }) => [error?.code, id])).toEqual(Array(2).fill([-32700, null]));
    expect((await wire.call('ping')).result).toEqual({});
  });

  it('is closed with 1009 by a message beyond the limit', async () => {
    const { connect } = await setUp({ maxFrameBytes: 1_000 });
    const { wire, code } = await connect();
    wire.send(request(1, 'session/create', { title: 'x'.repeat(1_000) }));
    expect(await code()).toBe(1009);
  });

  it('is told that the daemon ends, then closed with 1001', async () => {
    const { connect, daemon } = await setUp();
    const { wire, code } = await connect();
    await wire.call('events/subscribe');
    await daemon.stop();
    expect(await code()).toBe(1001);
    expect(wire.notifications('events/ended')[0]?.params.reason).toBe('shuttingDown');
  });

  it('[P18] is found dead when it answers no pings, as the browser of a phone that sleeps, and is not while it does', async () => {
    const { connect, ok } = await setUp({ commentMs: 5, maxPings: 2 });
    const alive = await connect();
    const asleep = await connect({ autoPong: false });
    expect(await asleep.code()).toBe(1006);
    const count = async () => (await ok('daemon/status')).connections.length;
    while ((await count()) > 2) await new Promise((resolve) => setImmediate(resolve));
    expect((await alive.wire.call('ping')).result).toEqual({});
  });

  it('[P7] costs at most 1 MiB when it stalls, delays nobody, and goes on when it drains', async () => {
    const { connect, ok } = await setUp();
    const { wire, webSocket } = await connect();
    await ok('session/create', { sessionId: 'ses_1' });
    await ok('message/put', { sessionId: 'ses_1', messageId: 'msg_1', role: 'assistant' });
    await wire.call('events/subscribe', { from: 'now' });
    webSocket.pause();
    const part = { type: 'text', text: 'x'.repeat(20_000) };
    for (let at = 0; at < 500; at += 1) await ok('part/put', { sessionId: 'ses_1', messageId: 'msg_1', part });
    const { connections } = await ok('daemon/status');
    const stalled = connections.find(({ lag }: Anything) => lag > 0);
    expect(stalled.bufferedBytes).toBeGreaterThan(0);
    expect(stalled.bufferedBytes).toBeLessThan(mebibyte);
    webSocket.resume();
    await wire.until('all of it', () => wire.seqs.length === 500);
    expect(wire.seqs).toEqual(Array.from({ length: 500 }, (_, at) => at + 3));
  });

  it('is not read from while its replies wait', async () => {
    const { connect, ok } = await setUp();
    const { wire, webSocket } = await connect();
    await ok('session/create', { sessionId: 'ses_1' });
    await ok('message/put', { sessionId: 'ses_1', messageId: 'msg_1', role: 'assistant' });
    const part = { type: 'text', text: 'x'.repeat(200_000) };
    await ok('part/put', { sessionId: 'ses_1', messageId: 'msg_1', part });
    webSocket.pause();
    for (let at = 0; at < 500; at += 1) wire.send(request(at, 'message/list', { sessionId: 'ses_1' }));
    const buffered = async () => {
      const { connections } = await ok('daemon/status');
      return connections.at(-1).bufferedBytes as number;
    };
    while ((await buffered()) === 0) await new Promise((resolve) => setImmediate(resolve));
    for (let at = 0; at < 50; at += 1) expect(await buffered()).toBeLessThan(8 * mebibyte);
    webSocket.resume();
    await wire.until('all answers', () => wire.received.length === 500);
  });

  it('is refused elsewhere than on /ws, and with a token that is none', async () => {
    const { url } = await setUp();
    expect(await refusal(url.replace(/ws$/, 'events'))).toBe(404);
    expect(await refusal(url, { authorization: 'Bearer x' })).toBe(401);
  });
});

describe('a WebSocket over TCP', () => {
  const setUpTcp = async (limits: Partial<Limits> = {}) => {
    const daemon = await setUp(limits);
    const url = `ws://127.0.0.1:${daemon.port}/ws`;
    return { ...daemon, url, connect: (headers: Record<string, string> = {}) => wireOver(url, { headers }) };
  };
  const hello = (token?: string) => ({
    protocolVersion: 1,
    client: { name: 'x', version: '1' },
    ...(token === undefined ? {} : { token }),
  });

  it('says first who it is, by initialize with a token; then it has what that allows', async () => {
    const { connect, grant } = await setUpTcp();
    const { wire } = await connect();
    const { result } = await wire.call('initialize', hello(await grant({ rights: ['read'], sessions: '*' })));
    expect(result.rights).toEqual(['read']);
    expect((await wire.call('session/list')).result.items).toEqual([]);
    expect((await wire.call('session/create', {})).error?.data).toMatchObject({ kind: 'Forbidden' });
  });

  it.each([
    ['another call', request(1, 'session/list')],
    ['a call that needs no right', request(1, 'ping')],
    ['redeem', request(1, 'capability/redeem', { token: 'x' })],
    ['initialize without a token', request(1, 'initialize', hello())],
    ['initialize with a token that is none', request(1, 'initialize', hello('cap_x.y'))],
    ['a batch of other calls', [request(1, 'ping'), request(2, 'session/list')]],
  ])('is told Unauthorized and closed when it says first %s', async (_, message) => {
    const { connect } = await setUpTcp();
    const { wire, code } = await connect();
    wire.send(message);
    expect(await code()).toBe(1001);
    const answers = wire.received.flat() as Anything[];
    expect(answers.length).toBeGreaterThan(0);
    for (const { error } of answers) expect(error.data).toEqual({ kind: 'Unauthorized', reason: 'unknown' });
  });

  it('[P7] is closed when it sends more than a greeting, and nothing is kept of it; once it is known it sends what it wants', async () => {
    const { connect, grant } = await setUpTcp();
    const { wire, code } = await connect();
    wire.send(request(1, 'initialize', { ...hello(), client: { name: 'x'.repeat(100_000), version: '1' } }));
    expect(await code()).toBe(1006);
    const known = await connect();
    await known.wire.call('initialize', hello(await grant()));
    const title = 'x'.repeat(100_000);
    expect((await known.wire.call('session/create', { title })).result.seq).toBe(1);
  });

  it('is closed when it says nothing for long', async () => {
    const { connect } = await setUpTcp({ greetingMs: 20 });
    const { code } = await connect();
    expect(await code()).toBe(1001);
  });

  it('needs to say nothing where its request showed a token', async () => {
    const { connect, grant } = await setUpTcp();
    const { wire } = await connect({ authorization: `Bearer ${await grant()}` });
    expect((await wire.call('session/list')).result.items).toEqual([]);
  });

  it('ends at once with its capability', async () => {
    const { connect, ok } = await setUpTcp();
    const { capability, token } = await ok('capability/grant', { label: 'x', rights: ['read'], sessions: '*' });
    const { wire } = await connect({ authorization: `Bearer ${token}` });
    await wire.call('events/subscribe');
    await ok('capability/revoke', { capabilityId: capability.id, mode: 'revoke' });
    await wire.until('the end', () => wire.notifications('events/ended').length > 0);
    expect((await wire.call('session/list')).error?.data).toMatchObject({ kind: 'Unauthorized', reason: 'revoked' });
  });

  it('is refused to other pages, other names, and what is no WebSocket', async () => {
    const { url, port, tcp } = await setUpTcp();
    expect(await refusal(url, { origin: 'http://evil.test' })).toBe(403);
    expect(await refusal(url, { origin: `http://127.0.0.1:${port + 1}` })).toBe(403);
    expect(await refusal(url, { host: 'evil.test' })).toBe(403);
    expect((await tcp({ path: '/ws' })).status).toBe(426);
  });
});

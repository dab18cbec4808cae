// Calls over HTTP on the Unix socket: one JSON-RPC request or batch each (PROTOCOL.md 10).
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { EventStream, httpDaemon, open, untilClosed } from '../../support/http.ts';
import { bytesInUse, collectGarbage } from '../../support/memory.ts';
import type { Anything } from '../../support/wire.ts';
import { request } from '../../support/wire.ts';

const post = (message: unknown, headers: Record<string, string> = {}) => ({
  path: '/rpc',
  body: typeof message === 'string' ? message : JSON.stringify(message),
  headers,
});

describe('POST /rpc', () => {
  it('answers a request as the socket does, as its owner', async () => {
    const { socket, ok } = await httpDaemon();
    const answer = await socket(post(request(7, 'session/create', { sessionId: 'ses_1', title: 'é' })));
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/json']);
    expect(answer.json).toMatchObject({ jsonrpc: '2.0', id: 7, result: { seq: 1, ids: { sessionId: 'ses_1' } } });
    expect((await ok('session/get', { sessionId: 'ses_1' })).session).toMatchObject({
      title: 'é',
      actorId: expect.stringMatching(/^http\/c/),
    });
  });

  it('answers a batch with an array, in order and each once', async () => {
    const { socket } = await httpDaemon();
    const batch = [
      request(1, 'session/create', { sessionId: 'ses_1' }),
      request(2, 'session/list'),
      request(3, 'nope'),
    ];
    const { status, json } = await socket(post(batch));
    expect(status).toBe(200);
    expect(json.map(({ id }: Anything) => id)).toEqual([1, 2, 3]);
    expect(json[1].result.items).toHaveLength(1);
    expect(json[2].error.code).toBe(-32601);
  });

  it('answers notifications with 204 when they are done', async () => {
    const { socket, ok } = await httpDaemon();
    const notification = { jsonrpc: '2.0', method: 'session/create', params: { sessionId: 'ses_1' } };
    expect((await socket(post([notification]))).status).toBe(204);
    expect((await ok('session/list')).items).toHaveLength(1);
  });

  it.each([
    ['what is no JSON', 'nope', -32700],
    ['what is no UTF-8', Buffer.from([0x22, 0xff, 0x22]), -32700],
    ['nothing', '', -32700],
    ['what is no request', '{"id":1}', -32600],
    ['an empty batch', '[]', -32600],
  ])('answers %s with the error of JSON-RPC, and status 200', async (_, body, code) => {
    const { socket } = await httpDaemon();
    const { status, json } = await socket({ path: '/rpc', body });
    expect([status, json.error.code]).toEqual([200, code]);
  });

  it.each(['events/subscribe', 'events/unsubscribe', 'events/sync', 'events/ack', 'capability/redeem'])(
    'knows no %s: it is about a connection that lasts',
    async (method) => {
      const { socket } = await httpDaemon();
      const { status, json } = await socket(post(request(1, method, {})));
      expect([status, json.error.code]).toEqual([200, -32601]);
    },
  );

  it('refuses a body beyond the limit by its length and, where that is not told, when it is passed', async () => {
    const { socket } = await httpDaemon({ limits: { maxFrameBytes: 1_000 } });
    const body = JSON.stringify(request(1, 'session/create', { title: 'x'.repeat(1_000) }));
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      const { status, json } = await socket({ path: '/rpc', body, headers });
      expect([status, json.error.data]).toEqual([413, { kind: 'FrameTooLarge', limit: 1_000 }]);
    }
  });

  it('takes a body whose length is not told', async () => {
    const { socket } = await httpDaemon();
    const { status, json } = await socket(post(request(1, 'ping'), { 'transfer-encoding': 'chunked' }));
    expect([status, json.result]).toEqual([200, {}]);
  });

  it('[P7] holds so much of bodies at a time, and tells when to come again', async () => {
    const { home, socket } = await httpDaemon({ limits: { maxBodyBytes: 1_000 } });
    const slow = connect(home.paths.socket);
    slow.write(`POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n${' '.repeat(800)}`);
    const asking = post(request(1, 'session/create', { title: 'x'.repeat(100) }));
    const refused = async () => {
      let answer = await socket(asking);
      while (answer.status === 200) answer = await socket(asking);
      return answer;
    };
    const { status, headers, json } = await refused();
    expect([status, headers['retry-after'], json.error.data.kind]).toEqual([503, '1', 'Overloaded']);
    slow.destroy();
    while ((await socket(asking)).status !== 200);
  });

  it('[P7] holds a body in as much memory as it has bytes, however small the pieces that it comes in', async () => {
    const { home } = await httpDaemon();
    const socket = connect(home.paths.socket);
    collectGarbage();
    const before = bytesInUse();
    socket.write('POST /rpc HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n');
    const pieces = '1\r\n \r\n'.repeat(10_000);
    for (let sent = 0; sent < 50; sent += 1) {
      if (!socket.write(pieces)) await once(socket, 'drain');
    }
    expect(bytesInUse() - before).toBeLessThan(50_000_000);
    socket.write('0\r\n\r\n');
    expect(await untilClosed(socket)).toContain('-32700');
  });

  it('[P7, P18] what waits behind another request of its connection is begun when that is answered, a few of them', async () => {
    const { home, ok } = await httpDaemon();
    const get = 'GET /events HTTP/1.1\r\nHost: x\r\n\r\n';
    const few = connect(home.paths.socket);
    few.write(get.repeat(3));
    const peers = async () => (await ok('daemon/status')).connections.length;
    while ((await peers()) < 2) await new Promise((resolve) => setImmediate(resolve));
    for (let turn = 0; turn < 50; turn += 1) expect(await peers()).toBe(2);
    few.destroy();
    while ((await peers()) > 1) await new Promise((resolve) => setImmediate(resolve));
    const many = connect(home.paths.socket);
    many.write(get.repeat(100));
    await untilClosed(many);
    while ((await peers()) > 1) await new Promise((resolve) => setImmediate(resolve));
  });

  it('[P8] a stream that is not read, and a request behind it, hold up nobody', async () => {
    const { home, ok } = await httpDaemon();
    await ok('session/create', { sessionId: 'ses_1' });
    await ok('message/put', { sessionId: 'ses_1', messageId: 'msg_1', role: 'user' });
    const part = { type: 'text', text: 'x'.repeat(700_000) };
    for (let at = 0; at < 4; at += 1) await ok('part/put', { sessionId: 'ses_1', messageId: 'msg_1', part });
    const stalled = connect(home.paths.socket);
    stalled.pause();
    stalled.write('GET /events?from=start HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n');
    const buffered = async () => (await ok('daemon/status')).connections.at(-1).bufferedBytes as number;
    while ((await buffered()) === 0) await new Promise((resolve) => setImmediate(resolve));
    for (let turn = 0; turn < 50; turn += 1) await ok('ping');
    stalled.destroy();
  });

  it('answers what was asked before the other end stopped writing', async () => {
    const { home, ok } = await httpDaemon();
    await ok('session/create', { sessionId: 'ses_1' });
    const body = JSON.stringify(request(1, 'session/search', { query: 'x' }));
    const socket = connect({ path: home.paths.socket });
    socket.end(`POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    expect(await untilClosed(socket)).toContain('"items":[]');
  });

  it('[P18] a wait whose client stopped writing with its request ends, as on the socket', async () => {
    const { home, ok } = await httpDaemon();
    await ok('session/create', { sessionId: 'ses_1' });
    const question = { permission: 'run' };
    await ok('blocker/ask', { sessionId: 'ses_1', blockerId: 'blk_1', kind: 'permission', request: question });
    const body = JSON.stringify(request(1, 'blocker/wait', { blockerId: 'blk_1' }));
    for (let at = 0; at < 10; at += 1) {
      const socket = connect(home.paths.socket);
      socket.end(`POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      await untilClosed(socket);
    }
    while ((await ok('daemon/status')).connections.length > 1) await new Promise((resolve) => setImmediate(resolve));
  });

  it('refuses a body that is encoded', async () => {
    const { socket } = await httpDaemon();
    expect((await socket(post(request(1, 'ping'), { 'content-encoding': 'gzip' }))).status).toBe(415);
  });

  it('[P18] waits as long as its client does, and no longer', async () => {
    const { home, ok, socket } = await httpDaemon();
    await ok('session/create', { sessionId: 'ses_1' });
    const question = { permission: 'run' };
    await ok('blocker/ask', { sessionId: 'ses_1', blockerId: 'blk_1', kind: 'permission', request: question });
    const waiting = socket(post(request(1, 'blocker/wait', { blockerId: 'blk_1', timeoutMs: 60_000 })));
    await ok('blocker/answer', { sessionId: 'ses_1', blockerId: 'blk_1', answer: { decision: 'once' } });
    expect((await waiting).json.result.blocker.state).toBe('answered');
    const gone = connect(home.paths.socket);
    const body = JSON.stringify(request(1, 'events/read', { after: (await ok('daemon/status')).head, waitMs: 60_000 }));
    gone.write(`POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    const connections = async () => (await ok('daemon/status')).connections.length;
    while ((await connections()) < 2) await new Promise((resolve) => setImmediate(resolve));
    gone.destroy();
    while ((await connections()) > 1) await new Promise((resolve) => setImmediate(resolve));
  });

  it('acts with the token that it shows, here too, and not as the owner where that is none', async () => {
    const { socket, grant, ok } = await httpDaemon();
    await ok('session/create', { sessionId: 'ses_1' });
    const token = await grant({ rights: ['read'], sessions: ['ses_1'] });
    const update = request(1, 'session/update', { sessionId: 'ses_1', title: 'x' });
    const { json } = await socket(post(update, { authorization: `Bearer ${token}` }));
    expect(json.error.data).toMatchObject({ kind: 'Forbidden', right: 'append' });
    for (const authorization of ['Bearer x', `Bearer ${token}x`, 'Basic eDp5', `Bearer ${token} ${token}`]) {
      const { status, headers } = await socket(post(update, { authorization }));
      expect([status, headers['www-authenticate']]).toEqual([401, 'Bearer']);
    }
  });

  it('takes one request behind another on a connection, and blank lines before the first', async () => {
    const { home } = await httpDaemon();
    const socket = connect(home.paths.socket);
    const body = JSON.stringify(request(1, 'ping'));
    const text = (last: string) =>
      `POST /rpc HTTP/1.1\r\nHost: x\r\n${last}Content-Length: ${body.length}\r\n\r\n${body}`;
    // Torn behind its first byte.
    socket.write(`\r\n${text('')[0]}`);
    await new Promise((resolve) => setImmediate(resolve));
    socket.write(text('').slice(1) + text('Connection: close\r\n'));
    expect((await untilClosed(socket)).match(/"result":\{\}/g)).toHaveLength(2);
  });
});

describe('GET /health and what is not there', () => {
  it('tells the head', async () => {
    const { socket, ok } = await httpDaemon();
    const { status, json } = await socket({ path: '/health' });
    expect([status, json]).toEqual([200, { ok: true, head: (await ok('daemon/status')).head }]);
  });

  it('says what a path is for, and allows no other origin anything', async () => {
    const { socket } = await httpDaemon();
    const told = async (method: string, path: string) => {
      const { status, headers } = await socket({ method, path });
      return [status, headers.allow, Object.keys(headers).filter((name) => name.startsWith('access-control'))];
    };
    expect(await told('GET', '/rpc')).toEqual([405, 'POST', []]);
    expect(await told('OPTIONS', '/rpc')).toEqual([405, 'POST', []]);
    expect(await told('HEAD', '/events')).toEqual([405, 'GET', []]);
    expect(await told('POST', '/events')).toEqual([405, 'GET', []]);
    expect(await told('GET', '/ws')).toEqual([426, undefined, []]);
    expect(await told('GET', '/rpc/')).toEqual([404, undefined, []]);
  });

  it('[P18] what is open ends with the daemon, and what has said nothing too', async () => {
    const { home, daemon } = await httpDaemon();
    const silent = connect(home.paths.socket);
    const stream = new EventStream(await open({ socketPath: home.paths.socket }, { path: '/events' }));
    const ended = [untilClosed(silent), stream.closed()];
    await daemon.stop();
    await Promise.all(ended);
  });
});

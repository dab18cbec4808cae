// HTTP over TCP: nobody comes in without a token, no page of another origin, under no other name, and by no request that could
// be read in two ways (PROTOCOL.md 10; RFC 9112).
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request as tlsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testHome } from '../../support/daemon.ts';
import { bytes, EventStream, httpDaemon, loopback, open, untilClosed } from '../../support/http.ts';
import { request } from '../../support/wire.ts';

const rpc = (method: string, params: object = {}) => JSON.stringify(request(1, method, params));

async function setUp(options: Parameters<typeof httpDaemon>[0] = {}) {
  const daemon = await httpDaemon(options);
  const authorization = `Bearer ${await daemon.grant()}`;
  return { ...daemon, authorization };
}

/** What came until the daemon let go of the connection: what is written to it then is reset. */
async function untilReset(socket: Socket): Promise<string> {
  const came = untilClosed(socket);
  socket.on('end', () => {
    const push = () => void (socket.destroyed || socket.write('x', () => setImmediate(push)));
    push();
  });
  return came;
}

/** The status line's number; undefined where nothing was answered. */
const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);

describe('without a token', () => {
  it.each([
    ['GET', '/health'],
    ['GET', '/events'],
    ['POST', '/rpc'],
    ['POST', '/login'],
  ])('%s %s is 401, and says how to come in', async (method, path) => {
    const { tcp } = await setUp();
    const { status, headers, json } = await tcp({
      method,
      path,
      ...(path === '/rpc' && { body: rpc('session/list') }),
    });
    expect([status, headers['www-authenticate'], json.error.data]).toEqual([
      401,
      'Bearer',
      { kind: 'Unauthorized', reason: 'unknown' },
    ]);
  });

  it('nothing is done of what was asked, and no other scheme or place of the token is one', async () => {
    const { tcp, ok, grant } = await setUp();
    const token = await grant();
    const body = rpc('session/create');
    for (const headers of [
      {},
      { authorization: token },
      { authorization: `Basic ${token}` },
      { cookie: `token=${token}` },
    ]) {
      expect((await tcp({ path: `/rpc?token=${token}`, body, headers: headers as never })).status).toBe(401);
    }
    expect((await ok('session/list')).items).toEqual([]);
  });
});

describe('with a token', () => {
  it('a request has what it allows', async () => {
    const { tcp, authorization } = await setUp();
    const { status, json } = await tcp({ path: '/rpc', body: rpc('session/create'), headers: { authorization } });
    expect([status, json.result.seq]).toEqual([200, 1]);
    const admin = await tcp({ path: '/rpc', body: rpc('daemon/shutdown'), headers: { authorization } });
    expect(admin.json.error.data).toMatchObject({ kind: 'Forbidden', right: 'admin' });
    expect((await tcp({ path: '/health', headers: { authorization } })).json.ok).toBe(true);
  });

  it('that is over a request is 401 with the reason, and leaves a trail', async () => {
    const { tcp, ok } = await setUp();
    const { capability, token } = await ok('capability/grant', { label: 'x', rights: ['read'], sessions: '*' });
    await ok('capability/revoke', { capabilityId: capability.id, mode: 'revoke' });
    const headers = { authorization: `Bearer ${token}` };
    const { status, json } = await tcp({ path: '/rpc', body: rpc('session/list'), headers });
    expect([status, json.error.data.reason]).toEqual([401, 'revoked']);
    const { items } = await ok('capability/audit', { capabilityId: capability.id });
    expect(items[0]).toMatchObject({ actorId: 'http', method: 'capability/redeem', outcome: 'Unauthorized' });
  });

  it('that reads again and again is in the audit once a minute, though each request is a connection', async () => {
    const { tcp, ok, grant } = await setUp();
    const headers = { authorization: `Bearer ${await grant()}` };
    for (let at = 0; at < 5; at += 1) await tcp({ path: '/rpc', body: rpc('session/list'), headers });
    const { items } = await ok('capability/audit');
    expect(items.filter(({ method }: { method: string }) => method === 'session/list')).toHaveLength(1);
  });

  it('[P20] what it did is in the audit under its own name, and the token in no answer and no log', async () => {
    const { tcp, ok, grant } = await setUp();
    const token = await grant();
    const headers = { authorization: `Bearer ${token}` };
    const answer = await tcp({ path: '/rpc', body: rpc('session/create'), headers });
    expect(JSON.stringify(answer)).not.toContain(token.split('.')[1]);
    const { items } = await ok('capability/audit');
    const done = items.find(({ method }: { method: string }) => method === 'session/create');
    expect(done).toMatchObject({ capabilityId: token.split('.')[0], outcome: 'ok' });
  });
});

describe('the cookie that /login gives', () => {
  const login = async (daemon: Awaited<ReturnType<typeof setUp>>, authorization = daemon.authorization) => {
    const { status, headers } = await daemon.tcp({ method: 'POST', path: '/login', headers: { authorization } });
    expect(status).toBe(204);
    return headers['set-cookie']!;
  };
  const pairOf = (cookie: string) => cookie.split(';')[0]!;

  it('no script reads, no other site sends, and it goes to /events and /ws alone', async () => {
    const daemon = await setUp();
    const cookies = await login(daemon);
    expect(cookies.map((each) => each.replace(/^[^;]*; /, ''))).toEqual([
      'Path=/events; HttpOnly; SameSite=Strict',
      'Path=/ws; HttpOnly; SameSite=Strict',
    ]);
    // Cookies know no ports: the token itself would go to whatever else listens on this host.
    for (const cookie of cookies) expect(cookie).not.toContain(daemon.authorization.split('.')[1]);
  });

  it('goes over TLS alone where a proxy does that', async () => {
    const daemon = await setUp({ http: { ...loopback, behindProxy: true } });
    for (const cookie of await login(daemon)) expect(cookie).toContain('; Secure');
  });

  it('is good there and nowhere else', async () => {
    const daemon = await setUp();
    const cookie = pairOf((await login(daemon))[0]!);
    const incoming = await open({ host: '127.0.0.1', port: daemon.port }, { path: '/events', headers: { cookie } });
    const stream = new EventStream(incoming);
    await stream.until('to be subscribed', () => stream.events.length > 0);
    for (const asking of [
      { path: '/rpc', body: rpc('session/list') },
      { path: '/health' },
      { method: 'POST', path: '/login' },
    ]) {
      expect((await daemon.tcp({ ...asking, headers: { cookie } })).status).toBe(401);
    }
  });

  it('is no token, and another login leaves it good', async () => {
    const daemon = await setUp();
    const [cookie] = (await login(daemon)).map(pairOf);
    await login(daemon);
    const value = cookie!.split('=')[1]!;
    const asBearer = { authorization: `Bearer ${decodeURIComponent(value)}` };
    expect((await daemon.tcp({ path: '/health', headers: asBearer })).status).toBe(401);
    const stream = await open(
      { host: '127.0.0.1', port: daemon.port },
      { path: '/events', headers: { cookie: cookie! } },
    );
    expect(stream.statusCode).toBe(200);
  });

  it.each(['revoke', 'bumpEpoch'] as const)('is over by %s', async (mode) => {
    const daemon = await setUp();
    const { capability, token } = await daemon.ok('capability/grant', { label: 'x', rights: ['read'], sessions: '*' });
    const cookie = pairOf((await login(daemon, `Bearer ${token}`))[0]!);
    await daemon.ok('capability/revoke', { capabilityId: capability.id, mode });
    const answer = await daemon.tcp({ path: '/events', headers: { cookie } });
    expect([answer.status, answer.json.error.data.reason]).toEqual([401, mode === 'revoke' ? 'revoked' : 'staleEpoch']);
    if (mode === 'revoke') return;
    // Nor is it good for the new epoch by saying so.
    const forged = cookie.replace('.1.', '.2.');
    expect(forged).not.toBe(cookie);
    expect((await daemon.tcp({ path: '/events', headers: { cookie: forged } })).status).toBe(401);
  });
});

describe('[DNS rebinding] a request', () => {
  it.each(['localhost', 'LOCALHOST:80', '127.0.0.1', '[::1]:7433'])('for %s is served', async (host) => {
    const { tcp, authorization } = await setUp();
    expect((await tcp({ path: '/health', headers: { authorization, host } })).status).toBe(200);
  });

  it.each(['evil.test', 'localhost.evil.test', 'localhost.', '127.0.0.2', '0.0.0.0', 'evil.test:80'])(
    'for %s is 403, before its token is looked at',
    async (host) => {
      const { tcp, authorization } = await setUp();
      for (const path of ['/health', '/rpc', '/events', '/nope']) {
        const { status, json } = await tcp({ path, headers: { authorization, host } });
        expect([status, json.error]).toEqual([403, expect.stringContaining('[http] hosts')]);
      }
    },
  );

  it('for a name that the config allows is served', async () => {
    const { tcp, authorization } = await setUp({ http: { ...loopback, hosts: ['box.local'] } });
    const statusFor = async (host: string) => (await tcp({ path: '/health', headers: { authorization, host } })).status;
    expect([await statusFor('box.local'), await statusFor('localhost')]).toEqual([200, 403]);
  });
});

describe('a page', () => {
  it.each(['http://evil.test', 'null', 'http://localhost', 'https://127.0.0.1:1', 'file://', 'http://127.0.0.1'])(
    'of the origin %s is refused',
    async (origin) => {
      const { tcp, authorization } = await setUp();
      for (const path of ['/health', '/events']) {
        const { status, headers } = await tcp({ path, headers: { authorization, origin } });
        expect(status).toBe(403);
        expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
      }
    },
  );

  it('of another port, which sends no Origin with what it cannot read, is refused by what its browser says of it', async () => {
    const { tcp, authorization } = await setUp();
    const statusFor = async (site: string) =>
      (await tcp({ path: '/health', headers: { authorization, 'sec-fetch-site': site } })).status;
    expect([await statusFor('same-site'), await statusFor('cross-site')]).toEqual([403, 403]);
    expect([await statusFor('same-origin'), await statusFor('none')]).toEqual([200, 200]);
  });

  it('of the daemon itself is served, also where TLS ends at a proxy', async () => {
    const { tcp, authorization, port } = await setUp();
    const own = { authorization, origin: `http://127.0.0.1:${port}` };
    expect((await tcp({ path: '/health', headers: own })).status).toBe(200);
    const proxied = { authorization, host: 'localhost', origin: 'https://localhost' };
    expect((await tcp({ path: '/health', headers: proxied })).status).toBe(200);
  });
});

describe('[RFC 9112] a request that could be read in two ways', () => {
  const get = (lines: string) => `GET /health HTTP/1.1\r\n${lines}\r\n`;
  const post = (lines: string, body: string) => `POST /rpc HTTP/1.1\r\nHost: localhost\r\n${lines}\r\n${body}`;
  it.each([
    ['two Host lines (3.2)', get('Host: localhost\r\nHost: localhost\r\n')],
    ['two Host lines that differ (3.2)', get('Host: localhost\r\nHost: evil.test\r\n')],
    ['no Host (3.2)', get('')],
    ['a Host that is a list (3.2)', get('Host: localhost, evil.test\r\n')],
    ['a Host with a path (3.2)', get('Host: localhost/x\r\n')],
    ['a Host with a user (3.2)', get('Host: a@localhost\r\n')],
    ['a target of another host (3.2.2)', 'GET http://evil.test/health HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['a Host of another target (3.2.2)', 'GET http://localhost/health HTTP/1.1\r\nHost: evil.test\r\n\r\n'],
    [
      'a length and chunks (6.1)',
      post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\nGET / HTTP/1.1\r\n\r\n'),
    ],
    ['two lengths that differ (6.3)', post('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello!')],
    ['a length that is a list (6.3)', post('Content-Length: 5, 6\r\n', 'hello!')],
    ['a length that is no number (6.3)', post('Content-Length: +5\r\n', 'hello')],
    ['a length in another notation (6.3)', post('Content-Length: 0x5\r\n', 'hello')],
    ['chunks that are not the last coding (6.1)', post('Transfer-Encoding: chunked, gzip\r\n', '0\r\n\r\n')],
    ['an unknown coding (6.1)', post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n')],
    ['two codings (6.1)', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', '0\r\n\r\n')],
    ['a blank before the colon (5.1)', get('Host : localhost\r\n')],
    ['a folded line (5.2)', get('Host: localhost\r\nX: a\r\n b: c\r\n')],
    ['a blank before the first line of the header (2.2)', get(' Host: localhost\r\nHost: localhost\r\n')],
    ['a bare CR in a value (2.2)', get('Host: localhost\r\nX: a\rY: b\r\n')],
    ['a NUL in a value (5.5)', get('Host: localhost\r\nX: a\0b\r\n')],
    ['a name that is no token (5.1)', get('Host: localhost\r\nX(y): a\r\n')],
    ['a chunk of no length (7.1)', post('Transfer-Encoding: chunked\r\n', 'x\r\nhello\r\n0\r\n\r\n')],
    ['a chunk longer than it says (7.1)', post('Transfer-Encoding: chunked\r\n', '2\r\nhello\r\n0\r\n\r\n')],
    ['another version (2.3)', 'GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n'],
  ])('with %s is 400, and the connection is closed', async (_, text) => {
    const { port, authorization, ok } = await setUp();
    const withToken = text.replace('\r\n', `\r\nAuthorization: ${authorization}\r\nConnection: close\r\n`);
    const answer = await bytes(port, withToken);
    expect(statusOf(answer)).toBe(400);
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect((await ok('session/list')).items).toEqual([]);
  });

  it('is not one: what stands behind a body is the next request, and nothing of the body is', async () => {
    const { port, authorization } = await setUp();
    const smuggled = `GET /health HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\n\r\n`;
    const first = `POST /rpc HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`;
    const last = `GET /nope HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    const answer = await bytes(port, first + last);
    expect([...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual(['200', '404']);
    expect(answer).toContain('-32700');
    expect(answer).not.toContain('"ok"');
  });

  it('HTTP/1.0 without a Host is no name that is served', async () => {
    const { port, authorization } = await setUp();
    expect(statusOf(await bytes(port, `GET /health HTTP/1.0\r\nAuthorization: ${authorization}\r\n\r\n`))).toBe(403);
  });

  it('an upgrade that is not to WebSocket is none (RFC 9110, 7.8), also of a request with a body', async () => {
    const { tcp, socket, authorization } = await setUp();
    const headers = {
      authorization,
      connection: 'Upgrade, HTTP2-Settings',
      upgrade: 'h2c',
      'http2-settings': 'AAMAAABk',
    };
    for (const over of [tcp, socket]) {
      expect((await over({ path: '/health', headers })).status).toBe(200);
      expect((await over({ path: '/rpc', body: rpc('ping'), headers })).json.result).toEqual({});
    }
  });

  it('TCP speaks HTTP alone', async () => {
    const { port } = await setUp();
    for (const text of [`${rpc('session/list')}\n`, `Content-Length: 2\r\n\r\n{}`]) {
      expect(statusOf(await bytes(port, text))).toBe(400);
    }
  });
});

describe('limits', () => {
  it('of a header by its size: 431', async () => {
    const { port } = await setUp();
    const answer = await bytes(port, `GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`);
    expect(statusOf(answer)).toBe(431);
  });

  it('of a header by its time, and of a request: 408, and others are served meanwhile', async () => {
    const { port, tcp, authorization } = await setUp({ limits: { headerMs: 50, requestMs: 100 } });
    const begun = [
      `GET /health HTTP/1.1\r\n`,
      `POST /rpc HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\nContent-Length: 5\r\n\r\n`,
    ];
    const slow = begun.map(async (text) => statusOf(await bytes(port, text)));
    expect((await tcp({ path: '/health', headers: { authorization } })).status).toBe(200);
    expect(await Promise.all(slow)).toEqual([408, 408]);
  });

  it('what is refused to become a WebSocket keeps no connection, also where its own side stays open', async () => {
    const { port } = await setUp();
    for (const target of ['/nope', '//', '/ws/../x']) {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
      expect(statusOf(await untilReset(socket))).toBe(404);
    }
  });

  it('of connections: one more is closed', async () => {
    const { port } = await setUp({ limits: { maxTcpConnections: 2 } });
    const stay = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
    for (const socket of stay) await new Promise((resolve) => socket.once('connect', resolve));
    expect(await untilClosed(connect(port, '127.0.0.1'))).toBe('');
    for (const socket of stay) socket.destroy();
  });
});

describe('TLS', () => {
  it('is spoken with the certificate of the config, and the cookie then goes over TLS alone', async () => {
    const folder = testHome().folder;
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-keyout',
        key,
        '-out',
        cert,
        ...subject,
      ],
      { stdio: 'ignore' },
    );
    const tls = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
    const { daemon, authorization } = await setUp({ http: { ...loopback, host: 'localhost', tls } });
    expect(daemon.url).toMatch(/^https:\/\/localhost:\d+$/);
    const cookies = await new Promise<string[]>((resolve, reject) => {
      const sent = tlsRequest(`${daemon.url}/login`, {
        method: 'POST',
        ca: tls.cert,
        headers: { authorization },
        agent: false,
      });
      sent.on('response', (answer) => {
        answer.resume();
        resolve(answer.headers['set-cookie'] ?? []);
      });
      sent.on('error', reject);
      sent.end();
    });
    expect(cookies).toHaveLength(2);
    for (const cookie of cookies) expect(cookie).toContain('; Secure');
  });
});

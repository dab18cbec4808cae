// What pages of others have of a daemon in a real browser, which a login of its own page left a cookie in: nothing. The same
// attempts from its own page show that they would get through (PROTOCOL.md 10).
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeEach, describe, expect, test } from 'vitest';
import { hasChromium, needsChromium, openContext, reboundName } from '../support/browser.ts';
import { afterTest } from '../support/daemon.ts';
import { ask } from '../support/http.ts';
import type { Follower } from './follower.ts';
import { openPage } from './follower.ts';
import { Stage } from './stage.ts';

let stage: Stage;
let token: string;

async function setUp() {
  stage = await Stage.open();
  token = await stage.token();
  await (await stage.client()).call('session/create', { sessionId: 'ses_secret' });
}

/** A page of the daemon's own origin that has logged in. */
async function openOwn(): Promise<Follower> {
  const own = await openPage(await openContext(), `${stage.origin}/nowhere`);
  await own.login(token);
  return own;
}

/** What is served there has no origin, as a page in a file or in a frame for strangers. */
const sandboxed = '/sandboxed';

/** A server of somebody else's; resolves with its port. */
async function openOther(): Promise<number> {
  const server = createServer((incoming, outgoing) => {
    if (incoming.url === sandboxed) outgoing.setHeader('content-security-policy', 'sandbox allow-scripts');
    outgoing.setHeader('content-type', 'text/html').end('<!doctype html>');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterTest(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** By what they are made with: a login's cookie is good for streams alone. */
const ofOwnPage = {
  ...{ health: 'status 401', rpc: 'status 401', rpcSimple: 'status 401', login: 'status 204' },
  ...{ events: 'status 200', eventSource: 'open', webSocket: 'open' },
};
const ofOthers = {
  ...{ health: 'failed', rpc: 'failed', rpcSimple: 'failed', login: 'failed' },
  ...{ events: 'failed', eventSource: 'failed', webSocket: 'failed' },
  // What a page may send without being told anything.
  ...{ healthUnseen: 'opaque', rpcUnseen: 'opaque', eventsUnseen: 'opaque' },
};
const ofRebound = {
  ...{ health: 'status 403', rpc: 'status 403', rpcSimple: 'status 403', login: 'status 403' },
  ...{ events: 'status 403', eventSource: 'failed', webSocket: 'failed' },
};

/** What of these the browser says the origin of, in the words in which it asks: whether it may, before it sends more. */
const judged = [
  ...['GET /health', 'OPTIONS /rpc', 'POST /rpc', 'POST /rpc', 'OPTIONS /login'],
  ...['GET /events', 'GET /events', 'GET /ws'],
];

const attempt = (page: Follower, origin = stage.origin) => page.call('attempts', { origin, token });

describe.skipIf(!hasChromium)(`pages of others in Chromium (${needsChromium})`, () => {
  beforeEach(setUp);

  test('the page of the daemon gets through with its cookie, to the streams and nowhere else', async () => {
    expect(await attempt(await openOwn())).toMatchObject(ofOwnPage);
  });

  test.each([
    ['another port of the same address', true, (port: number) => `http://127.0.0.1:${port}/`],
    ['another name for the same address', false, (port: number) => `http://localhost:${port}/`],
    ['no origin', false, (port: number) => `http://127.0.0.1:${port}${sandboxed}`],
  ])('a page of %s reads nothing and opens no stream: the daemon itself refuses it', async (_, hasCookie, urlOf) => {
    const own = await openOwn();
    const page = await own.beside(urlOf(await openOther()));
    expect(page.status).toBe(200);
    const network = await page.network();
    expect(await attempt(page)).toEqual(ofOthers);
    const told = await network.ofOrigins(judged.length);
    expect(told.map(({ asked, status }) => `${asked} ${status}`)).toEqual(judged.map((asked) => `${asked} 403`));
    // Ports do not keep cookies apart: for the streams the browser sent it along.
    const streams = told.filter(({ asked }) => asked === 'GET /events');
    expect(streams.map((each) => each.hasCookie)).toEqual([hasCookie, hasCookie]);
    expect(await attempt(own)).toMatchObject(ofOwnPage);
  });

  test('under a name that was made to lead here (DNS rebinding) nothing is served', async () => {
    const origin = `http://${reboundName}:${stage.port}`;
    const page = await openPage(await openContext(), `${origin}/health`);
    expect(page.status).toBe(403);
    expect(await page.evaluate('document.body.innerText')).toContain(`the host ${reboundName} is not served here`);
    expect(await attempt(page, origin)).toMatchObject(ofRebound);
    // From there to the address itself it is a page of another origin.
    expect(await attempt(page)).toEqual(ofOthers);
  });

  test('no script reads the cookie, and nothing but streams takes it', async () => {
    const own = await openOwn();
    // Only here would a script see it at all.
    const page = await own.beside(`${stage.origin}/events/nowhere`);
    expect(await page.evaluate("document.cookie = 'mine=1; path=/events'; document.cookie")).toBe('mine=1');
    const cookies = await page.cookies(`${stage.origin}/events/nowhere`);
    const [cookie, ...more] = cookies.filter(({ name }) => name !== 'mine');
    expect(more).toEqual([]);
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/events' });
    // Whoever sends it elsewhere all the same, as no browser does.
    const headers = { cookie: `${cookie!.name}=${cookie!.value}` };
    const where = { host: '127.0.0.1', port: stage.port };
    const call = { body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'session/list', params: {} }) };
    expect((await ask(where, { path: '/health', headers })).status).toBe(401);
    expect((await ask(where, { path: '/rpc', headers, ...call })).status).toBe(401);
  });
});

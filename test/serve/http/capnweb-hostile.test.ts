// /capnweb against clients that are none: whatever they send, they get an error or an end, and the daemon goes on (P7).
import { once } from 'node:events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { CapnwebSession } from '../../../daemon/serve/http/capnweb.ts';
import type { Limits } from '../../../daemon/serve/limits.ts';
import { defaultLimits } from '../../../daemon/serve/limits.ts';
import type { RpcError } from '../../../protocol/errors.ts';
import type { Transport } from '../../../protocol/transport.ts';
import { FrameQueue } from '../../../protocol/transport.ts';
import { afterTest } from '../../support/daemon.ts';
import { within } from '../../support/deadline.ts';
import { httpDaemon } from '../../support/http.ts';
import type { Anything } from '../../support/wire.ts';

async function setUp(limits: Partial<Limits> = {}) {
  const daemon = await httpDaemon({ limits });
  const batch = async (...messages: unknown[]): Promise<Anything[]> => {
    const lines = messages.map((message) => (typeof message === 'string' ? message : JSON.stringify(message)));
    const { status, text } = await daemon.socket({ path: '/capnweb', body: lines.join('\n') });
    expect(status).toBe(200);
    return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line));
  };
  const raw = async () => {
    const webSocket = new WebSocket(`ws+unix:${daemon.home.paths.socket}:/capnweb`);
    afterTest(() => webSocket.terminate());
    const came: Anything[] = [];
    let wake = () => {};
    webSocket.on('message', (data) => {
      came.push(JSON.parse(String(data)));
      wake();
    });
    const closed = once(webSocket, 'close');
    void closed.then(() => wake());
    await within('the WebSocket to open', once(webSocket, 'open'));
    const send = (message: unknown) => webSocket.send(typeof message === 'string' ? message : JSON.stringify(message));
    const until = async (what: string, condition: () => boolean) => {
      const wait = async () => {
        while (!condition()) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      };
      await within(what, wait(), () => came.slice(-3));
    };
    return { webSocket, send, came, until, closed: () => within('the WebSocket to close', closed) };
  };
  const lives = async () => expect(await daemon.ok('ping')).toEqual({});
  return { ...daemon, batch, raw, lives };
}

const call = (method: string, ...args: unknown[]) => ['push', ['pipeline', 0, [method], args]];
const list = call('session/list', {});
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

describe('[P7] what is no capnweb', () => {
  it.each([
    ['no JSON', 'nope'],
    ['an empty line', '\n'],
    ['a number', 1],
    ['an object', {}],
    ['no word', []],
    ['another word', ['nope']],
    ['a stream', ['stream', ['pipeline', 0, ['ping'], []]]],
    ['a pipe', ['pipe']],
    ['a push of nothing', ['push']],
    ['a push of a value', ['push', 'x'.repeat(100)]],
    ['a push of a list', ['push', [[1, 2]]]],
    ['a push of a stub', ['push', ['import', 0]]],
    ['a push on nothing', ['push', ['pipeline', 7, ['ping'], []]]],
    ['a push on what is not there', ['push', ['pipeline', 'x', ['ping'], []]]],
    ['arguments that are no list', ['push', ['pipeline', 0, ['ping'], { length: 1e9 }]]],
    ['a pull of nothing', ['pull', 1]],
    ['a pull of a name', ['pull', '__proto__']],
    ['a release of nothing', ['release', 1, 1]],
    ['a release of less than one', ['release', 0, -1]],
    ['a release of no number', ['release', 0, null]],
    ['brackets without end', '['.repeat(100_000)],
    ['brackets in brackets', nested(100_000)],
  ])('%s ends the session', async (_, message) => {
    const { batch, raw, lives } = await setUp();
    expect((await batch(message)).at(-1)![0]).toBe('abort');
    const { send, came, closed } = await raw();
    send(message);
    await closed();
    expect(came.at(-1)![0]).toBe('abort');
    await lives();
  });

  it.each([
    ['map()', ['push', ['remap', 0, [], [], [['pipeline', 0, ['ping'], []]]]], /map\(\)/],
    ['a blob', call('ping', ['blob', 'x', ['readable', 1]]), /no blob/],
    ['a request', call('ping', ['request', 'http://127.0.0.1', {}]), /no request/],
    ['bytes', call('ping', { a: ['bytes', 'AAAA'] }), /no bytes/],
    ['a large number', call('ping', { a: ['bigint', '9'.repeat(10_000)] }), /no bigint/],
    ['a promise', call('ping', ['promise', 1]), /no promise/],
    ['a call within arguments', call('ping', ['pipeline', 0, ['ping'], []]), /no pipeline/],
    ['a value that nests deep', call('ping', { a: JSON.parse(nested(2_000)) }), /levels deep/],
    ['two arguments', call('ping', {}, {}), /a method takes params/],
    ['a path', ['push', ['pipeline', 0, ['ping', 'call'], [{}]]], /no methods/],
    ['a long path', ['push', ['pipeline', 0, Array(20).fill('x')]], /too long/],
    ['a property of the stub', ['push', ['pipeline', 0, ['ping']]], /methods alone/],
    ['__proto__', `["push",["pipeline",0,["session/create"],[{"metadata":{"__proto__":1}}]]]`, /__proto__/],
    ['a lone surrogate', `["push",["pipeline",0,["session/create"],[{"title":"\\ud800"}]]]`, /surrogate/],
    ['a method of every object', call('toString', {}), /toString|ethod/],
  ])('%s is an error of the call', async (_, message, error) => {
    const { batch, ok } = await setUp();
    const [[word, id, [kind, , text]]] = (await batch(message, ['pull', 1])) as [Anything];
    expect([word, id, kind]).toEqual(['reject', 1, 'error']);
    expect(text).toMatch(error);
    expect((await ok('session/list')).items).toEqual([]);
  });

  it('[P7] is not a result told over and over: of one answer there is so much', async () => {
    const { socket, ok, lives } = await setUp();
    for (let at = 0; at < 4; at += 1) await ok('session/create', { metadata: { text: 'x'.repeat(60_000) } });
    const messages: unknown[] = [list];
    for (let id = 2; id <= 1_000; id += 1) messages.push(['push', ['pipeline', 1, id % 2 ? [] : ['items']]]);
    for (let id = 2; id <= 1_000; id += 1) messages.push(['pull', id]);
    const body = messages.map((message) => JSON.stringify(message)).join('\n');
    const { text } = await socket({ path: '/capnweb', body });
    expect(text.length).toBeLessThan(17 * 1024 * 1024);
    expect(text).toContain('LimitExceeded');
    await lives();
  });

  it('is not many results in one: a part of a result is passed on as text or a number alone', async () => {
    const { batch, ok } = await setUp();
    await ok('session/create', { metadata: { text: 'x'.repeat(10_000) } });
    const laughs = [list];
    for (let id = 1; id <= 30; id += 1)
      laughs.push(call('session/create', { a: ['pipeline', id], b: ['pipeline', id] }));
    const [[word, , [, , text]]] = (await batch(...laughs, ['pull', 31])) as [Anything];
    expect([word, text]).toEqual(['reject', expect.stringMatching(/only text and numbers/)]);
  });
});

describe('[P7] a session over WebSocket', () => {
  it('has so many calls and results at a time, and ends with more', async () => {
    const { raw, lives } = await setUp({ maxInFlight: 10 });
    const polite = await raw();
    for (let id = 1; id <= 100; id += 1) {
      polite.send(call('ping'));
      polite.send(['pull', id]);
      await polite.until('an answer', () => polite.came.length === id);
      polite.send(['release', id, 1]);
    }
    const { send, came, closed } = await raw();
    for (let id = 1; id <= 20; id += 1) send(call('ping'));
    await closed();
    expect(came.at(-1)![1][2]).toMatch(/at most 10 calls/);
    await lives();
  });

  it('has so much text in calls at a time', async () => {
    const { raw, lives } = await setUp({ maxInFlightUnits: 1_000 });
    const { send, came, closed } = await raw();
    for (let id = 1; id <= 20; id += 1) send(call('blocker/wait', { blockerId: 'x'.repeat(200) }));
    await closed();
    expect(came.at(-1)![1][2]).toMatch(/at most 1000 units/);
    await lives();
  });

  it('makes no more results than it may hold, until what it holds is released', async () => {
    const { raw, ok } = await setUp();
    for (let at = 0; at < 4; at += 1) await ok('session/create', { metadata: { text: 'x'.repeat(60_000) } });
    const { send, came, until } = await raw();
    for (let id = 1; id <= 40; id += 1) {
      send(list);
      send(['pull', id]);
    }
    send(call('ping'));
    send(['pull', 41]);
    const held = async () => (await ok('daemon/status')).connections.at(-1).bufferedBytes as number;
    await until('some', () => came.length >= 4);
    expect(await held()).toBeLessThan(2 * 1024 * 1024);
    expect(came.length).toBeLessThan(20);
    for (let released = 0; released < 41; released += 1) {
      await until(`result ${released + 1}`, () => came.length > released);
      send(['release', came[released][1], 1]);
    }
    await ok('ping');
    expect(came.every(([word]) => word === 'resolve')).toBe(true);
    while ((await held()) > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  it('that reads nothing of what was answered is told one thing at a time, made when it can be sent', async () => {
    const inbox = new FrameQueue();
    const sent: string[] = [];
    let goOn = () => {};
    const transport: Transport = {
      isClosed: false,
      bufferedBytes: 0,
      receive: () => inbox.shift(),
      send: (text) => {
        sent.push(text);
        return new Promise((resolve) => {
          goOn = resolve;
        });
      },
      close: () => inbox.end(),
    };
    const main = { call: async () => '[1]', free() {}, close() {} };
    const opener = { main, redeem: async () => main, close() {} };
    const session = new CapnwebSession(transport, opener, {
      ...{ limits: defaultLimits, lasts: true, maxToldUnits: Number.POSITIVE_INFINITY },
      errorOf: (error) => error as RpcError,
    });
    const running = session.run();
    const say = (message: unknown) => inbox.push({ kind: 'text', text: JSON.stringify(message) });
    say(list);
    for (let id = 2; id <= 100; id += 1) say(['push', ['pipeline', 1, []]]);
    for (let id = 1; id <= 100; id += 1) say(['pull', id]);
    for (let count = 1; count <= 3; count += 1) {
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      expect(sent).toHaveLength(count);
      goOn();
    }
    expect(sent.slice(0, 2)).toEqual(['["resolve",1,[[1]]]', '["resolve",2,[[1]]]']);
    inbox.end();
    await within('the session to end', running);
  });

  it('that does not ask what became of its subscription is told of no events before it does', async () => {
    const { raw, ok } = await setUp();
    await ok('session/create', { title: 'x' });
    const { send, came, until } = await raw();
    send(call('events/subscribe', { from: 'start' }, ['export', -1]));
    send(call('ping'));
    send(['pull', 2]);
    await until('the answer', () => came.length > 0);
    for (let at = 0; at < 10; at += 1) await ok('ping');
    expect(came.map(([word, id]) => [word, id])).toEqual([['resolve', 2]]);
    send(['pull', 1]);
    await until('an event', () => came.length >= 3);
    expect(came.slice(1, 3).map(([word]) => word)).toEqual(['resolve', 'push']);
  });

  it('that reads nothing costs at most what may wait for it', async () => {
    const { raw, ok } = await setUp();
    for (let at = 0; at < 60; at += 1) await ok('session/create', { metadata: { text: 'x'.repeat(60_000) } });
    const { webSocket, send } = await raw();
    webSocket.pause();
    for (let at = 1; at <= 5; at += 1) send(call('events/subscribe', { from: 'start' }, ['export', -at]));
    for (let at = 1; at <= 5; at += 1) send(['pull', at]);
    const connection = async () => (await ok('daemon/status')).connections.at(-1);
    while ((await connection()).subscriptions < 5) await new Promise((resolve) => setImmediate(resolve));
    expect((await connection()).bufferedBytes).toBeLessThan(1024 * 1024);
  });

  it('survives any messages in any order', async () => {
    const { batch, lives } = await setUp();
    const id = fc.integer({ min: -2, max: 6 });
    const name = fc.constantFrom(
      'ping',
      'session/list',
      'session/create',
      'redeem',
      'events/subscribe',
      '__proto__',
      '',
    );
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom(null, 1, 'x', ['undefined'], ['inf'], ['export', -1], ['import', 0], {}, [[]], []),
        fc.tuple(fc.constantFrom('pipeline', 'import', 'export', 'error', 'date', 'bytes'), id, fc.array(name)),
        fc.array(tie('value')).map((items) => [items]),
        fc.dictionary(fc.constantFrom('limit', 'title', 'sessionId', '__proto__', 'a'), tie('value')),
      ),
    })).value;
    const message = fc.oneof(
      fc.tuple(
        fc.constant('push'),
        fc.tuple(fc.constantFrom('pipeline', 'remap'), id, fc.array(name), fc.array(value)),
      ),
      fc.tuple(fc.constant('push'), fc.tuple(fc.constant('pipeline'), id, fc.array(name))),
      fc.tuple(fc.constant('push'), fc.tuple(fc.constant('pipeline'), fc.constant(0), fc.tuple(name), fc.array(value))),
      fc.tuple(fc.constantFrom('pull', 'release', 'resolve', 'reject'), id, value),
      fc.tuple(fc.constant('abort'), value),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 12 }), async (messages) => {
        for (const [word] of await batch(...messages))
          expect(['resolve', 'reject', 'release', 'abort']).toContain(word);
      }),
      { numRuns: 150 },
    );
    await lives();
  });
});

// /capnweb over WebSocket: the methods of the table on a stub, as the library's own client calls them (PROTOCOL.md 10).
import { RpcTarget } from 'capnweb';
import { describe, expect, it } from 'vitest';
import type { Limits } from '../../../daemon/serve/limits.ts';
import { within } from '../../support/deadline.ts';
import { httpDaemon } from '../../support/http.ts';
import type { Anything } from '../../support/wire.ts';
import { errorOf, sessionOver } from './capnweb-client.ts';

async function setUp(limits: Partial<Limits> = {}) {
  const daemon = await httpDaemon({ limits });
  const overSocket = () => sessionOver(`ws+unix:${daemon.home.paths.socket}:/capnweb`);
  const overTcp = (token?: string) =>
    sessionOver(`ws://127.0.0.1:${daemon.port}/capnweb`, token ? { authorization: `Bearer ${token}` } : {});
  const connections = async () => (await daemon.ok('daemon/status')).connections;
  const untilConnections = async (count: number) => {
    const wait = async () => {
      while ((await connections()).length !== count) await new Promise((resolve) => setImmediate(resolve));
    };
    await within(`${count} connections`, wait(), connections);
  };
  return { ...daemon, overSocket, overTcp, connections, untilConnections };
}

/** Collects what a subscription gives. */
function collector() {
  const told: { method: string; params: Anything }[] = [];
  let wake = () => {};
  const until = (what: string, condition: () => boolean) => {
    const wait = async () => {
      while (!condition()) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    return within(what, wait(), () => told.slice(-3));
  };
  const callback = async (method: string, params: Anything) => {
    told.push({ method, params });
    wake();
  };
  const seqs = () => told.flatMap(({ params }) => (params.events ?? []).map(({ seq }: { seq: number }) => seq));
  return { told, until, callback, seqs };
}

const titles = (count: number) => Array.from({ length: count }, (_, at) => `t${at}`);

describe('a capnweb session over WebSocket', () => {
  it('has the methods of the table on its stub, and is the owner on the Unix socket', async () => {
    const { overSocket, ok } = await setUp();
    const { api } = await overSocket();
    const { ids, version } = await api['session/create']({ title: 'from capnweb', metadata: { tags: ['a', ['b']] } });
    expect(version).toBe(1);
    const { session } = await ok('session/get', { sessionId: ids.sessionId });
    expect(session.title).toBe('from capnweb');
    expect((await api['session/get']({ sessionId: ids.sessionId })).session).toEqual(session);
    expect((await api['session/list']({})).items[0].metadata).toEqual({ tags: ['a', ['b']] });
    expect(await api.ping()).toEqual({});
  });

  it('[P21] throws errors as everywhere: with the code and the data, and their kind', async () => {
    const { overSocket } = await setUp();
    const { api } = await overSocket();
    const missing = await errorOf(api['session/get']({ sessionId: 'ses_nope' }));
    expect(missing).toBeInstanceOf(Error);
    expect([missing.code, missing.data]).toEqual([-32001, { kind: 'NotFound', what: 'session', id: 'ses_nope' }]);
    expect((await errorOf(api['session/get']({ sessionID: 'x' }))).code).toBe(-32602);
    expect((await errorOf(api['session/get']('ses_1'))).code).toBe(-32600);
    for (const name of ['session/nope', 'notify', '']) {
      expect((await errorOf(api[name]({}))).code).toBe(-32601);
    }
    expect((await errorOf(api['session/list']({}).items[0].title())).code).toBe(-32602);
  });

  it('keeps members that are named as those of every object are, which the library would drop', async () => {
    const { overSocket, ok } = await setUp();
    const { api } = await overSocket();
    const metadata = { constructor: 'c', toString: ['t'], toJSON: 'j' };
    await api['session/create']({ sessionId: 'ses_1', metadata });
    expect((await ok('session/get', { sessionId: 'ses_1' })).session.metadata).toEqual(metadata);
  });

  it('takes a part of what a call gives for another, before it is there', async () => {
    const { overSocket } = await setUp();
    const { api, said } = await overSocket();
    const made = api['session/create']({ title: 'x' });
    const got = await api['session/get']({ sessionId: made.ids.sessionId });
    expect(got.session.title).toBe('x');
    expect(said.map(([word]: [string]) => word)).toEqual(['push', 'push', 'pull', 'release']);
    expect(await api['session/get']({ sessionId: made.ids.sessionId }).session.title).toBe('x');
    expect((await errorOf(api['session/get']({ sessionId: made.ids }))).message).toMatch(/only text and numbers/);
  });

  it('does mutations in the order they were sent, and a read observes them', async () => {
    const { overSocket } = await setUp();
    const { api } = await overSocket();
    const calls = titles(50).map((title) => api['session/create']({ title }));
    const read = api['session/list']({});
    const seqs = (await Promise.all(calls)).map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    expect((await read).items).toHaveLength(50);
  });

  it('asks for a token over TCP: without one it may redeem one, and nothing else', async () => {
    const { overTcp, grant, ok } = await setUp();
    await ok('session/create', { sessionId: 'ses_1' });
    await ok('session/create', { sessionId: 'ses_2' });
    const token = await grant({ rights: ['read'], sessions: ['ses_1'] });
    const stranger = await overTcp();
    expect((await errorOf(stranger.api['session/list']({}))).data.kind).toBe('Unauthorized');
    await stranger.closed();
    const greeted = await overTcp();
    const holder = greeted.api.redeem(token);
    expect((await holder['session/list']({})).items.map(({ id }: Anything) => id)).toEqual(['ses_1']);
    const failed = await overTcp();
    expect((await errorOf(failed.api.redeem('wrong'))).data).toEqual({ kind: 'Unauthorized', reason: 'unknown' });
    await failed.closed();
    const shown = await overTcp(token);
    expect((await shown.api['session/list']({})).items).toHaveLength(1);
    const introduced = await overTcp();
    const client = { name: 'x', version: '1' };
    expect((await introduced.api.initialize({ protocolVersion: 1, client, token })).rights).toEqual(['read']);
  });

  it('[P7] ends a stranger who sends more than a greeting, or none for long', async () => {
    const { overTcp } = await setUp({ maxGreetingBytes: 1_000, greetingMs: 50 });
    const talker = await overTcp();
    talker.webSocket.send(JSON.stringify(['push', ['pipeline', 0, ['redeem'], ['x'.repeat(2_000)]]]));
    expect((await talker.closed())[0]).toBe(1006);
    const silent = await overTcp();
    expect((await silent.closed())[0]).toBe(1001);
  });

  it('[P18] a redeemed stub acts with that capability alone, and is a connection until it is disposed of', async () => {
    const { overSocket, grant, ok, untilConnections } = await setUp();
    await ok('session/create', { sessionId: 'ses_1', title: 'before' });
    const token = await grant({ rights: ['read'], sessions: ['ses_1'] });
    const { api, webSocket } = await overSocket();
    const reader = await api.redeem(token);
    expect((await errorOf(reader['session/update']({ sessionId: 'ses_1', title: 'x' }))).data).toEqual({
      ...{ kind: 'Forbidden', right: 'append', sessionId: 'ses_1' },
    });
    await api['session/update']({ sessionId: 'ses_1', title: 'after' });
    expect((await reader['session/get']({ sessionId: 'ses_1' })).session.title).toBe('after');
    await untilConnections(3);
    reader[Symbol.dispose]();
    await untilConnections(2);
    const again = await api.redeem(token);
    await again.ping();
    await untilConnections(3);
    webSocket.close();
    await untilConnections(1);
  });

  it('a redeemed stub is over when its capability is', async () => {
    const { overSocket, ok } = await setUp();
    const { capability, token } = await ok('capability/grant', { label: 'x', rights: ['read'], sessions: '*' });
    const { api } = await overSocket();
    const reader = await api.redeem(token);
    expect((await reader['session/list']({})).items).toEqual([]);
    await ok('capability/revoke', { capabilityId: capability.id, mode: 'revoke' });
    expect((await errorOf(reader['session/list']({}))).data).toEqual({ kind: 'Unauthorized', reason: 'revoked' });
    expect(await api.ping()).toEqual({});
  });

  it('acts with so many tokens at a time, and no more', async () => {
    const { overSocket, grant } = await setUp();
    const token = await grant();
    const { api } = await overSocket();
    const stubs = await Promise.all(Array.from({ length: 16 }, () => api.redeem(token)));
    expect((await errorOf(api.redeem(token))).data.kind).toBe('LimitExceeded');
    stubs[0][Symbol.dispose]();
    await api.ping();
    expect(await (await api.redeem(token)).ping()).toEqual({});
  });
});

describe('a subscription over capnweb', () => {
  it('[P6] calls its callback with the events in order, none missing, behind the reply', async () => {
    const { overSocket, ok } = await setUp();
    for (const title of titles(3)) await ok('session/create', { title });
    const { api, heard } = await overSocket();
    const { told, until, callback, seqs } = collector();
    const { mode, cursor } = await api['events/subscribe']({ from: 'start', maxBatch: 1 }, callback);
    expect([mode, heard[0][0]]).toEqual(['resumed', 'resolve']);
    for (const title of titles(3)) await ok('session/create', { title });
    await until('six events', () => seqs().length === 6);
    expect(seqs()).toEqual(seqs().toSorted((a, b) => a - b));
    expect(told[0]!.params.prev).toBe(cursor);
    expect(told.map(({ method }) => method)).toContain('events/caughtUp');
    const { ids } = await api['session/create']({ title: 'mine' });
    await until('its own event', () => told.at(-1)?.params.events?.[0]?.sessionId === ids.sessionId);
  });

  it('is told of what its own session did behind the reply to that', async () => {
    const { overSocket } = await setUp();
    const { api, heard } = await overSocket();
    const { until, callback, seqs } = collector();
    await api['events/subscribe']({}, callback);
    await Promise.all(titles(50).map((title) => api['session/create']({ title })));
    await until('all events', () => seqs().length === 50);
    const replied = new Set<number>();
    for (const [word, id, value] of heard) {
      if (word === 'resolve' && value.seq) replied.add(value.seq);
      const events = word === 'push' ? (id[3][1].events?.[0] ?? []) : [];
      for (const { seq } of events) expect(replied).toContain(seq);
    }
    expect(replied.size).toBe(50);
  });

  it('is ended by an event that capnweb does not carry, and says so', async () => {
    const { overSocket, ok } = await setUp();
    const { api, heard, closed } = await overSocket();
    await api['events/subscribe']({}, () => {});
    let deep: Anything = 1;
    for (let at = 0; at < 300; at += 1) deep = [deep];
    const { ids } = await ok('session/create', { metadata: { deep } });
    await closed();
    expect(heard.at(-1)).toEqual(['abort', ['error', 'Error', expect.stringMatching(/250 levels.*\/ws/)]]);
    const other = await overSocket();
    const { message } = await errorOf(other.api['session/get']({ sessionId: ids.sessionId }));
    expect(message).toMatch(/250 levels/);
    expect(await other.api.ping()).toEqual({});
  });

  it('takes an RpcTarget that has notify()', async () => {
    const { overSocket, ok } = await setUp();
    await ok('session/create', { title: 'x' });
    const { told, until, callback } = collector();
    class Listener extends RpcTarget {
      notify(method: string, params: Anything) {
        return callback(method, params);
      }
    }
    const { api } = await overSocket();
    await api['events/subscribe']({ from: 'start' }, new Listener());
    await until('both', () => told.length === 2);
    expect(told.map(({ method }) => method)).toEqual(['events/batch', 'events/caughtUp']);
  });

  it('[P7] a callback that does not return stalls its own cursor alone, and is given the rest when it does', async () => {
    const { overSocket, ok, connections } = await setUp();
    const { api } = await overSocket();
    let goOn = () => {};
    const stalled = collector();
    const other = collector();
    const waiting = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const large = (title: string) => ({ title, metadata: { text: 'x'.repeat(50_000) } });
    await ok('session/create', large('first'));
    // Together they hold more than a connection may.
    for (let at = 0; at < 15; at += 1) {
      await api['events/subscribe']({ from: 'start', maxBatch: 1 }, async (method: string, params: Anything) => {
        if (at === 0) await stalled.callback(method, params);
        await waiting;
      });
    }
    await api['events/subscribe']({ from: 'start', maxBatch: 1 }, other.callback);
    for (const title of titles(59)) await ok('session/create', large(title));
    await other.until('all events', () => other.seqs().length === 60);
    expect(stalled.told.map(({ method }) => method)).toEqual(['events/batch']);
    expect((await api['session/list']({ limit: 1 })).items).toHaveLength(1);
    expect((await connections()).at(-1).bufferedBytes).toBeLessThan(100_000);
    goOn();
    await stalled.until('all events', () => stalled.seqs().length === 60);
    expect(stalled.seqs()).toEqual(other.seqs());
  });

  it('[P18] ends with its callback, and with its session', async () => {
    const { overSocket, ok, connections, untilConnections } = await setUp();
    const { api, webSocket, heard } = await overSocket();
    await ok('session/create', { title: 'x' });
    const { callback } = collector();
    await api['events/subscribe']({ from: 'now' }, callback);
    let calls = 0;
    await api['events/subscribe']({ from: 'start' }, () => {
      calls += 1;
      throw new Error('no more');
    });
    const wait = async () => {
      while ((await connections()).at(-1).subscriptions !== 1) await new Promise((resolve) => setImmediate(resolve));
    };
    await within('one subscription', wait(), connections);
    expect(calls).toBe(1);
    await api.ping();
    expect(heard.filter(([word, id]: Anything) => word === 'release' && id < 0)).toHaveLength(1);
    webSocket.close();
    await untilConnections(1);
  });

  it('is told why it ends, and can be ended and fenced like any', async () => {
    const { overSocket, ok } = await setUp();
    const { api, heard } = await overSocket();
    const { told, until, callback, seqs } = collector();
    const { subscription } = await api['events/subscribe']({ from: 'start' }, callback);
    await ok('session/create', { title: 'x' });
    const { cursor } = await api['events/sync']({ subscription });
    await until('the event', () => seqs().length === 1);
    expect(told.at(-1)!.params.cursor).toBe(cursor);
    await api['events/unsubscribe']({ subscription });
    await until('its end', () => told.at(-1)?.method === 'events/ended');
    expect(told.at(-1)!.params.reason).toBe('unsubscribed');
    await api.ping();
    expect(heard.filter(([word, id]: Anything) => word === 'release' && id < 0)).toHaveLength(1);
  });

  it('is told that the daemon ends, and the session closed', async () => {
    const { overSocket, daemon } = await setUp();
    const { api, closed } = await overSocket();
    const { told, callback } = collector();
    await api['events/subscribe']({}, callback);
    await daemon.stop();
    expect((await closed())[0]).toBe(1001);
    expect(told.at(-1)).toMatchObject({ method: 'events/ended', params: { reason: 'shuttingDown' } });
  });

  it('needs a callback, and nothing else takes one', async () => {
    const { overSocket } = await setUp();
    const { api, heard } = await overSocket();
    expect((await errorOf(api['events/subscribe']({}))).message).toMatch(/takes a callback/);
    const callback = () => {};
    expect((await errorOf(api.ping({}, callback))).message).toMatch(/takes no callback/);
    expect((await errorOf(api.ping({ callback }))).code).toBe(-32602);
    expect((await errorOf(api['events/subscribe']({ from: 'nope' }, callback))).code).toBe(-32602);
    expect(heard.filter(([word, id]: Anything) => word === 'release' && id < 0)).toHaveLength(3);
  });
});

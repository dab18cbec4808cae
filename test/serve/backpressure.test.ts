// A reader that stalls costs a bounded amount, delays nobody and goes on where it was (PROTOCOL.md 5; P7, P8).
import { beforeEach, describe, expect, it } from 'vitest';
import type { Limits } from '../../daemon/serve/limits.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';
import type { Wire } from '../support/wire.ts';
import { request, wireInMemory, wireTo } from '../support/wire.ts';

const mebibyte = 1024 * 1024;

let home: Home;
beforeEach(() => {
  home = testHome();
});

async function setUp(limits: Partial<Limits> = {}) {
  const { daemon } = daemonInProcess(home, { limits });
  await daemon.start();
  return { observer: wireInMemory(daemon), stalled: await wireTo(home.paths.socket), daemon };
}

/** `count` events of `bytes` each. */
async function fill(wire: Wire, count: number, bytes: number): Promise<void> {
  await wire.call('session/create', { sessionId: 'ses_1' });
  await wire.call('message/put', { sessionId: 'ses_1', messageId: 'msg_1', role: 'assistant' });
  const part = { type: 'text', text: 'x'.repeat(bytes) };
  const params = (at: number) => ({ sessionId: 'ses_1', messageId: 'msg_1', partId: `prt_${at}`, part });
  for (let at = 0; at < count; at++) wire.send(request(`fill ${at}`, 'part/put', params(at)));
  await wire.reply(`fill ${count - 1}`);
}

/** What daemon/status says of the connections beside the observer's own. */
async function others(observer: Wire): Promise<{ subscriptions: number; lag: number; bufferedBytes: number }[]> {
  return (await observer.call('daemon/status')).result.connections.filter((each: { id: string }) => each.id !== 'c1');
}

/** Asks until the daemon has written nothing more for a while: the reader has stalled. */
async function stall(observer: Wire): Promise<{ lag: number; bufferedBytes: number }> {
  const ask = async () => {
    let before = { lag: -1, bufferedBytes: -1 };
    for (let same = 0; same < 50; ) {
      await new Promise((resolve) => setImmediate(resolve));
      const [now] = await others(observer);
      same = now!.lag === before.lag && now!.bufferedBytes === before.bufferedBytes ? same + 1 : 0;
      before = now!;
    }
    return before;
  };
  return within('the reader to stall', ask());
}

describe('[P7] a stalled subscriber', () => {
  it('costs at most 1 MiB over many MB of replay, delays nobody, and goes on when it drains', async () => {
    const { observer, stalled } = await setUp();
    await fill(observer, 1_000, 20_000);
    await stalled.call('ping');
    stalled.socket!.pause();
    stalled.send(request('sub', 'events/subscribe', { from: 'start' }));
    const { bufferedBytes, lag } = await stall(observer);
    expect(bufferedBytes).toBeGreaterThan(0);
    expect(bufferedBytes).toBeLessThan(mebibyte);
    expect(lag).toBeGreaterThan(900);
    const live = await wireTo(home.paths.socket);
    await live.call('events/subscribe', {});
    for (let at = 0; at < 20; at++) await observer.call('session/create', {});
    await live.until('what happens meanwhile', () => live.seqs.length === 20);
    stalled.socket!.resume();
    await stalled.until('all of it', () => stalled.seqs.length === 1_022);
    expect(stalled.seqs).toEqual(Array.from({ length: 1_022 }, (_, at) => at + 1));
  });

  it('costs no more with 40 subscriptions on its connection', async () => {
    const { observer, stalled } = await setUp();
    const ids = Array.from({ length: 40 }, (_, at) => at);
    stalled.send(...ids.map((id) => request(id, 'events/subscribe', {})));
    await stalled.until('all to be live', () => stalled.notifications('events/caughtUp').length === 40);
    stalled.socket!.pause();
    await fill(observer, 300, 20_000);
    const { bufferedBytes, lag } = await stall(observer);
    expect(lag).toBeGreaterThan(0);
    expect(bufferedBytes).toBeLessThan(mebibyte);
    stalled.socket!.resume();
    await stalled.until('all of it', () => stalled.seqs.length === 40 * 302);
  });

  it('costs one larger event where an event is larger than 1 MiB', async () => {
    const { observer, stalled } = await setUp();
    await fill(observer, 4, 3 * mebibyte);
    await stalled.call('ping');
    stalled.socket!.pause();
    stalled.send(request('sub', 'events/subscribe', { from: 'start' }));
    expect((await stall(observer)).bufferedBytes).toBeLessThan(4 * mebibyte);
    stalled.socket!.resume();
    await stalled.until('all of it', () => stalled.seqs.length === 6);
  });
});

describe('a client that asks and does not read', () => {
  it('is not read from while its replies wait, so that these stay bounded too', async () => {
    const { observer, stalled } = await setUp();
    await fill(observer, 20, 20_000);
    await stalled.call('ping');
    stalled.socket!.pause();
    for (let at = 0; at < 2_000; at++) stalled.send(request(at, 'message/list', { sessionId: 'ses_1' }));
    // A page of 400 KB at a time; the limit is passed by what was under way.
    expect((await stall(observer)).bufferedBytes).toBeLessThan(8 * mebibyte);
    await observer.call('session/create', {});
    stalled.socket!.destroy();
  });

  it('is not answered all at once either where its reads waited for a mutation', async () => {
    const { observer, stalled } = await setUp();
    await fill(observer, 1, 250_000);
    stalled.socket!.pause();
    const lists = Array.from({ length: 500 }, (_, at) => request(at, 'message/list', { sessionId: 'ses_1' }));
    stalled.send(request('create', 'session/create', {}), ...lists);
    expect((await stall(observer)).bufferedBytes).toBeLessThan(2 * mebibyte);
    stalled.socket!.resume();
    await stalled.until('all of them', () => stalled.received.length === 501);
  });

  it('cannot make one batch of more replies than memory holds: those beyond are refused', async () => {
    const { observer, stalled } = await setUp();
    await fill(observer, 1, 2 * mebibyte);
    const list = (id: number) => request(id, 'message/list', { sessionId: 'ses_1' });
    stalled.send([...Array.from({ length: 400 }, (_, at) => list(at)), request('last', 'session/create', {})]);
    await stalled.until('the batch', () => stalled.received.length === 1);
    const replies = (await stalled.next()) as unknown as { id: unknown; error?: unknown; result?: unknown }[];
    expect(replies.map((reply) => reply.id)).toEqual([...Array.from({ length: 400 }, (_, at) => at), 'last']);
    expect(replies[0]!.result).toBeDefined();
    expect(replies[399]!.error).toMatchObject({ data: { kind: 'LimitExceeded' } });
    expect(replies[400]!.result).toBeDefined();
    await observer.call('ping');
  });
});

describe('[P8] replies', () => {
  it('are not starved by a long replay on the same connection', async () => {
    const { observer, stalled } = await setUp();
    await fill(observer, 2_000, 10_000);
    const wire = stalled;
    await wire.call('events/subscribe', { from: 'start', maxBatch: 10 });
    await wire.until('the replay to be under way', () => wire.seqs.length > 0);
    for (let at = 0; at < 10; at++) await wire.call('ping');
    expect(wire.seqs.length).toBeLessThan(2_002);
    await wire.until('all of it', () => wire.seqs.length === 2_002);
  });

  it('are not starved on other connections by replays in memory, however small their batches', async () => {
    const { observer, daemon } = await setUp();
    await fill(observer, 2_000, 10);
    const replaying = wireInMemory(daemon);
    replaying.send(request('sub', 'events/subscribe', { from: 'start', maxBatch: 1 }));
    await replaying.reply('sub');
    await new Promise((resolve) => setImmediate(resolve));
    expect(replaying.seqs.length).toBeLessThan(2_002);
    await replaying.until('all of it', () => replaying.seqs.length === 2_002);
  });
});

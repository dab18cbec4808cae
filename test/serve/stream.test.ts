// What a subscription is sent beside single events (PROTOCOL.md 5): pieces of large ops, bookmarks, the chain of cursors.
import { beforeEach, describe, expect, it } from 'vitest';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import type { Anything, Wire } from '../support/wire.ts';
import { wireInMemory, wireTo } from '../support/wire.ts';

let home: Home;
beforeEach(() => {
  home = testHome();
});

async function setUp() {
  const { daemon } = daemonInProcess(home);
  await daemon.start();
  return { daemon, wire: wireInMemory(daemon) };
}

const params = (wire: Wire, method?: string) => wire.notifications(method).map((each) => each.params);
const batches = (wire: Wire) => params(wire, 'events/batch');
const caughtUp = (wire: Wire) => params(wire, 'events/caughtUp').length > 0;

/** Each notification begins where the one before it ended; a piece ends nowhere. */
function expectChain(start: string, told: Anything[]): void {
  let cursor = start;
  for (const each of told) {
    expect(each.prev).toBe(cursor);
    if (each.more) expect(each).not.toHaveProperty('cursor');
    else cursor = each.cursor;
  }
}

/** One op of 12 events, of about 1 MB. */
async function largeOp(wire: Wire): Promise<void> {
  const parts = Array.from({ length: 10 }, (_, at) => ({ type: 'text', text: `${at}`.padEnd(50_000, 'é') }));
  const start = { sessionId: 'ses_1', agent: 'x', model: { providerId: 'p', modelId: 'm' }, parts };
  expect((await wire.call('turn/start', start)).error).toBeUndefined();
}

describe('an op over 256 KiB', () => {
  it('comes in pieces, of which only the last has a cursor', async () => {
    const { wire, daemon } = await setUp();
    const live = wireInMemory(daemon);
    const { cursor } = (await live.call('events/subscribe', {})).result;
    await wire.call('session/create', { sessionId: 'ses_1' });
    await largeOp(wire);
    await wire.call('session/create', {});
    const replay = wireInMemory(daemon);
    await replay.call('events/subscribe', { from: cursor });
    for (const reader of [live, replay]) {
      await reader.until('all of it', () => reader.seqs.length === 14);
      await reader.until('to be caught up', () => caughtUp(reader));
      expect(reader.seqs).toEqual(Array.from({ length: 14 }, (_, at) => at + 1));
      expectChain(cursor, params(reader));
      const pieces = batches(reader).filter(({ more }) => more);
      expect(pieces.length).toBeGreaterThan(2);
      const opIds = new Set(pieces.flatMap(({ events }) => events.map((event: Anything) => event.opId)));
      expect(opIds.size).toBe(1);
      for (const batch of batches(reader)) expect(Buffer.byteLength(JSON.stringify(batch))).toBeLessThan(257 * 1024);
    }
  });

  it('ends with a last piece also where the filter leaves its end out', async () => {
    const { wire, daemon } = await setUp();
    await wire.call('session/create', { sessionId: 'ses_1' });
    await largeOp(wire);
    const reader = wireInMemory(daemon);
    const { cursor } = (await reader.call('events/subscribe', { from: 'start', filter: { types: ['part/*'] } })).result;
    await reader.until('to be caught up', () => caughtUp(reader));
    expect(reader.seqs).toEqual(Array.from({ length: 10 }, (_, at) => at + 4));
    expectChain(cursor, params(reader));
    expect(batches(reader).at(-1)).not.toHaveProperty('more');
  });

  it('costs a stalled reader at most 1 MiB too', async () => {
    const { wire } = await setUp();
    await wire.call('session/create', { sessionId: 'ses_1' });
    for (let at = 0; at < 5; at += 1) await largeOp(wire);
    const reader = await wireTo(home.paths.socket);
    await reader.call('ping');
    reader.socket!.pause();
    reader.send({ jsonrpc: '2.0', id: 'sub', method: 'events/subscribe', params: { from: 'start' } });
    const buffered = async () =>
      (await wire.call('daemon/status')).result.connections.find((each: Anything) => each.subscriptions === 1)
        ?.bufferedBytes ?? 0;
    while ((await buffered()) < 100_000) await new Promise((resolve) => setImmediate(resolve));
    for (let at = 0; at < 100; at += 1) expect(await buffered()).toBeLessThan(1024 * 1024);
    reader.socket!.resume();
    await reader.until('to be caught up', () => caughtUp(reader));
    expect(reader.seqs).toEqual(Array.from({ length: 61 }, (_, at) => at + 1));
  });

  it('is read in pages of the size that was asked for', async () => {
    const { wire } = await setUp();
    await wire.call('session/create', { sessionId: 'ses_1' });
    await largeOp(wire);
    let after = (await wire.call('daemon/status')).result.earliest;
    const seqs: number[] = [];
    for (let more = true; more; ) {
      const { result } = await wire.call('events/read', { after, limit: 3 });
      expect(result.events.length).toBeLessThanOrEqual(3);
      seqs.push(...result.events.map(({ seq }: Anything) => seq));
      ({ cursor: after, more } = result);
    }
    expect(seqs).toEqual(Array.from({ length: 13 }, (_, at) => at + 1));
  });
});

describe('[P5] a bookmark', () => {
  it('comes though nothing ever matched, moves on, and can be resumed from', async () => {
    const { wire, daemon } = await setUp();
    const reader = wireInMemory(daemon);
    const filter = { types: ['blocker/*'] };
    const { cursor } = (await reader.call('events/subscribe', { filter, bookmarkMs: 5 })).result;
    for (let at = 0; at < 3; at += 1) await wire.call('session/create', {});
    const { head } = (await wire.call('daemon/status')).result;
    const isAtHead = (each: Anything) => each.cursor === head && each.head === head;
    await reader.until('a bookmark at head', () => params(reader, 'events/bookmark').some(isAtHead));
    expect(reader.seqs).toEqual([]);
    expectChain(cursor, params(reader));
    const again = await wire.call('events/subscribe', { from: head, filter, snapshot: 'never' });
    expect(again.result.mode).toBe('resumed');
  });

  it('never overtakes an event: what is before its cursor was sent', async () => {
    const { wire, daemon } = await setUp();
    const reader = wireInMemory(daemon);
    const { cursor } = (await reader.call('events/subscribe', { bookmarkMs: 1 })).result;
    let made = 0;
    const bookmarks = () => params(reader, 'events/bookmark').length;
    while (bookmarks() < 10) {
      await wire.call('session/create', {});
      made += 1;
      const before = bookmarks();
      if (made % 20 === 0) await reader.until('a quiet time', () => bookmarks() > before);
    }
    await reader.until('all events', () => reader.seqs.length === made);
    expectChain(cursor, params(reader));
    let sent = 0;
    for (const { method, params: told } of reader.notifications()) {
      if (method === 'events/batch') sent = told.events.at(-1).seq;
      if (method === 'events/bookmark') expect(Number(told.cursor.split('.')[1])).toBe(sent);
    }
  });
});

it('deltas: false leaves out the deltas and nothing else; the end of the turn brings the whole text', async () => {
  const { wire, daemon } = await setUp();
  const reader = wireInMemory(daemon);
  await reader.call('events/subscribe', { deltas: false });
  const at = { sessionId: 'ses_1' };
  await wire.call('session/create', at);
  const model = { providerId: 'p', modelId: 'm' };
  await wire.call('turn/start', { ...at, turnId: 'trn_1', agent: 'x', model, parts: [] });
  await wire.call('message/put', { ...at, messageId: 'msg_1', turnId: 'trn_1', role: 'assistant' });
  await wire.call('part/put', { ...at, messageId: 'msg_1', partId: 'prt_1', part: { type: 'text', text: '' } });
  for (const [offset, text] of ['a', 'b', 'c'].entries()) {
    await wire.call('part/delta', { ...at, partId: 'prt_1', field: 'text', offset, text });
  }
  await wire.call('turn/finish', { turnId: 'trn_1', state: 'completed' });
  const { head } = (await wire.call('daemon/status')).result;
  await reader.until('the end', () => batches(reader).at(-1)?.cursor === head);
  const events = batches(reader).flatMap((batch) => batch.events) as Anything[];
  expect(events.filter(({ type }) => type === 'part/delta')).toEqual([]);
  expect(events.length).toBe(Number(head.split('.')[1]) - 3);
  expect(events.findLast(({ type }) => type === 'part/updated').data.text).toBe('abc');
});

it('events/sync of a subscription that ended before it got there is refused', async () => {
  const { wire } = await setUp();
  await wire.call('session/create', { sessionId: 'ses_1' });
  wire.send(
    { jsonrpc: '2.0', id: 1, method: 'events/subscribe', params: { snapshot: 'always' } },
    { jsonrpc: '2.0', id: 2, method: 'events/sync', params: { subscription: 'sub_1' } },
    { jsonrpc: '2.0', id: 3, method: 'events/unsubscribe', params: { subscription: 'sub_1' } },
  );
  expect((await wire.reply(2)).error?.data.kind).toBe('NotFound');
});

it('no cursor is told that lies inside an op whose beginning is gone', async () => {
  const { daemon } = daemonInProcess(home, { retention: { maxEvents: 3, maxAgeMs: 1e12, maxLagEvents: 3 } });
  await daemon.start();
  const wire = wireInMemory(daemon);
  await wire.call('session/create', { sessionId: 'ses_1' });
  await largeOp(wire); // seq 2 to 13
  await wire.call('session/create', {});
  expect((await wire.call('daemon/status')).result.earliest).toMatch(/\.1\./);
  await wire.call('events/subscribe', { from: 'start' });
  await wire.until('all of it', () => wire.seqs.at(-1) === 14);
  expect(wire.seqs[0]).toBe(2);
});

it('[P7] keeps at most so much text of the filters of a connection, and gives it back with the subscription', async () => {
  const { daemon } = await setUp();
  const reader = wireInMemory(daemon);
  const sessions = Array.from({ length: 1_000 }, (_, at) => `ses_${String(at).padEnd(60, 'x')}`);
  const subscribe = () => reader.call('events/subscribe', { filter: { sessions } });
  const first = await subscribe();
  let refused: Anything;
  for (let made = 1; !refused; made += 1) {
    expect(made).toBeLessThan(100);
    refused = (await subscribe()).error;
  }
  expect(refused.data).toMatchObject({ kind: 'LimitExceeded', what: 'text in the filters of a connection' });
  expect((await reader.call('events/subscribe', {})).error).toBeUndefined();
  await reader.call('events/unsubscribe', { subscription: first.result.subscription });
  await reader.until('the end', () => reader.notifications('events/ended').length > 0);
  expect((await subscribe()).error).toBeUndefined();
  const tooLong = await reader.call('events/subscribe', { filter: { directory: `/${'d'.repeat(4_096)}` } });
  expect(tooLong.error!.code).toBe(-32602);
});

// GET /events: the stream of a subscription as Server-Sent Events, which a browser's own EventSource resumes (PROTOCOL.md 10).
import { describe, expect, it } from 'vitest';
import { defaultRetention } from '../../../daemon/config.ts';
import type { RetentionRule } from '../../../daemon/core/retention.ts';
import type { Limits } from '../../../daemon/serve/limits.ts';
import { EventStream, httpDaemon, open } from '../../support/http.ts';
import type { Anything } from '../../support/wire.ts';

const mebibyte = 1024 * 1024;

async function setUp(limits: Partial<Limits> = {}, retention: RetentionRule = defaultRetention) {
  const daemon = await httpDaemon({ limits, retention });
  const { home, ok } = daemon;
  const stream = async (query = '', headers: Record<string, string> = {}) => {
    const incoming = await open({ socketPath: home.paths.socket }, { path: `/events${query}`, headers });
    expect([incoming.statusCode, incoming.headers['content-type']]).toEqual([200, 'text/event-stream']);
    return new EventStream(incoming);
  };
  const create = (sessionId: string) => ok('session/create', { sessionId });
  return { ...daemon, stream, create };
}

describe('GET /events', () => {
  it('sends what is there and what happens, each with the cursor to resume from', async () => {
    const { stream, create } = await setUp();
    await create('ses_1');
    const events = await stream('?from=start');
    await events.until('to be caught up', () => events.of('caughtUp').length === 1);
    await create('ses_2');
    await events.until('the second', () => events.seqs.length === 2);
    expect(events.events.map(({ event }) => event)).toEqual(['subscribed', 'batch', 'caughtUp', 'batch']);
    const [subscribed, ...rest] = events.events;
    expect(subscribed!.data).toMatchObject({ mode: 'resumed' });
    expect(subscribed!.id).toBe(subscribed!.data.cursor);
    let prev = subscribed!.data.cursor;
    for (const { id, data } of rest) {
      expect([id, data.prev, data.subscription]).toEqual([data.cursor, prev, subscribed!.data.subscription]);
      prev = data.cursor;
    }
  });

  it('goes on behind Last-Event-ID, which wins over from', async () => {
    const { stream, create } = await setUp();
    const first = await stream('?from=now');
    await create('ses_1');
    await first.until('the first', () => first.seqs.length === 1);
    first.incoming.destroy();
    await create('ses_2');
    const second = await stream('?from=start', { 'last-event-id': first.lastId! });
    await second.until('the second', () => second.seqs.length > 0);
    expect([second.seqs, second.events[0]!.data.mode]).toEqual([[2], 'resumed']);
  });

  it('can be resumed from before anything has happened', async () => {
    const { stream, create } = await setUp();
    const first = await stream();
    await first.until('to be subscribed', () => first.events.length > 0);
    first.incoming.destroy();
    await create('ses_1');
    const second = await stream('', { 'last-event-id': first.lastId! });
    await second.until('what was missed', () => second.seqs.length === 1);
  });

  it('sends the state where the cursor cannot be resumed from, whose id comes with its last page', async () => {
    const { stream, create } = await setUp();
    await create('ses_1');
    const events = await stream('', { 'last-event-id': 'ffffffffffffffff.1.aaaaa' });
    await events.until('the state', () => events.of('snapshot').some(({ data }) => data.done));
    expect(events.events[0]).toMatchObject({ id: undefined, data: { mode: 'snapshot', reason: 'StoreChanged' } });
    const last = events.of('snapshot').at(-1)!;
    expect([last.id, last.data.items[0].session.id]).toEqual([last.data.cursor, 'ses_1']);
    for (const { id, data } of events.of('snapshot')) expect(id === undefined).toBe(!data.done);
  });

  it('is 410 under never where the cursor cannot be resumed from, so that a browser does not ask for ever', async () => {
    const { socket } = await setUp();
    const { status, json } = await socket({ path: '/events?snapshot=never&from=ffffffffffffffff.1.aaaaa' });
    expect([status, json.error.data.kind]).toEqual([410, 'StoreChanged']);
  });

  it('filters by sessions and types', async () => {
    const { stream, create, ok } = await setUp();
    await create('ses_1');
    await create('ses_2');
    await ok('message/put', { sessionId: 'ses_2', messageId: 'msg_1', role: 'user' });
    const events = await stream('?from=start&sessions=ses_2,ses_3&types=message/*');
    await events.until('to be caught up', () => events.of('caughtUp').length === 1);
    expect(events.seqs).toEqual([3]);
  });

  it.each([
    ['form=start', 'form'],
    ['from=x', 'cursor'],
    ['from=start&from=now', 'from'],
    ['snapshot=sometimes', 'snapshot'],
    ['sessions=x', 'sessions.0'],
    ['deltas=maybe', 'deltas'],
    ['bookmarkMs=soon', 'bookmarkMs'],
    ['__proto__=1', '__proto__'],
  ])('refuses %s by its name', async (query, member) => {
    const { socket } = await setUp();
    const { status, json } = await socket({ path: `/events?${query}` });
    expect([status, json.error.data.member]).toEqual([400, member]);
  });

  it('ends with its capability, and is 401 from then on', async () => {
    const { stream, socket, ok } = await setUp();
    const { capability, token } = await ok('capability/grant', { label: 'x', rights: ['read'], sessions: '*' });
    const authorization = `Bearer ${token}`;
    const events = await stream('', { authorization });
    await ok('capability/revoke', { capabilityId: capability.id, mode: 'revoke' });
    await events.closed();
    expect(events.events.at(-1)).toMatchObject({ event: 'ended', data: { reason: 'revoked' } });
    const { status, json } = await socket({ path: '/events', headers: { authorization } });
    expect([status, json.error.data.reason]).toEqual([401, 'revoked']);
  });

  it('shows a capability its sessions alone', async () => {
    const { stream, create, grant } = await setUp();
    await create('ses_1');
    await create('ses_2');
    const token = await grant({ rights: ['read'], sessions: ['ses_2'] });
    const events = await stream('?from=start&snapshot=always', { authorization: `Bearer ${token}` });
    await events.until('to be caught up', () => events.of('caughtUp').length === 1);
    const told = events.of('snapshot').flatMap(({ data }) => data.items.map((item: Anything) => item.session.id));
    expect([...new Set(told)]).toEqual(['ses_2']);
    expect(JSON.stringify(events.events)).not.toContain('ses_1');
  });

  it('says where it is while nothing matches, as often as asked', async () => {
    const { stream, create } = await setUp();
    const events = await stream('?sessions=ses_9&bookmarkMs=1');
    await create('ses_1');
    await events.until('to be past it', () => events.of('bookmark').some(({ data }) => data.cursor.includes('.1.')));
    expect(events.lastId).toBe(events.of('bookmark').at(-1)!.data.cursor);
  });

  it('comments while nothing happens', async () => {
    const { stream } = await setUp({ commentMs: 1 });
    const events = await stream();
    await events.until('comments', () => events.comments > 3);
  });

  it('tells that the daemon ends', async () => {
    const { stream, daemon } = await setUp();
    const events = await stream();
    await events.until('to be subscribed', () => events.of('caughtUp').length === 1);
    await daemon.stop();
    await events.closed();
    expect(events.events.at(-1)!.data).toMatchObject({ reason: 'shuttingDown' });
  });
});

describe('[P7] readers of /events that stall', () => {
  it('cost at most 1 MiB each, delay nobody, and go on when they drain', async () => {
    const { stream, create, ok } = await setUp();
    await create('ses_1');
    await ok('message/put', { sessionId: 'ses_1', messageId: 'msg_1', role: 'assistant' });
    const part = { type: 'text', text: 'x'.repeat(20_000) };
    const stalled = await Promise.all(Array.from({ length: 8 }, () => stream()));
    for (const each of stalled) await each.until('to be caught up', () => each.of('caughtUp').length === 1);
    for (const { incoming } of stalled) incoming.pause();
    const live = await stream();
    for (let at = 0; at < 500; at += 1) await ok('part/put', { sessionId: 'ses_1', messageId: 'msg_1', part });
    await live.until('all of it', () => live.seqs.length === 500);
    const readers = (await ok('daemon/status')).connections.filter((each: Anything) => each.lag > 0);
    expect(readers).toHaveLength(8);
    for (const { bufferedBytes } of readers) {
      expect(bufferedBytes).toBeGreaterThan(0);
      expect(bufferedBytes).toBeLessThan(mebibyte);
    }
    for (const { incoming } of stalled) incoming.resume();
    const all = Array.from({ length: 500 }, (_, at) => at + 3);
    for (const each of stalled) {
      await each.until('all of it', () => each.seqs.length >= 500);
      expect(each.seqs).toEqual(all);
    }
  });

  it('that retention passes are told so by a reset, and sent the state of now', async () => {
    const { stream, create, ok } = await setUp({}, { ...defaultRetention, maxEvents: 20, maxLagEvents: 1 });
    await create('ses_1');
    await ok('message/put', { sessionId: 'ses_1', messageId: 'msg_1', role: 'assistant' });
    const events = await stream('?snapshot=onGap');
    await events.until('to be caught up', () => events.of('caughtUp').length === 1);
    events.incoming.pause();
    const part = (at: number) => ({ type: 'text', text: `${at} ${'x'.repeat(40_000)}` });
    // As long as it takes until the sweep has cut off what the reader did not take.
    const isPassed = async () => {
      const { connections, events } = await ok('daemon/status');
      return connections.some(({ lag }: Anything) => lag > events);
    };
    let at = 0;
    for (; !(await isPassed()); at += 1) {
      await ok('part/put', { sessionId: 'ses_1', messageId: 'msg_1', partId: 'prt_1', part: part(at) });
    }
    events.incoming.resume();
    await events.until('the state', () => events.of('snapshot').some(({ data }) => data.done));
    const kinds = events.events.map(({ event }) => event);
    expect(kinds.indexOf('reset')).toBeLessThan(kinds.indexOf('snapshot'));
    const reset = events.of('reset')[0]!;
    expect(reset.data.reason).toBe('CursorExpired');
    const last = events.of('snapshot').at(-1)!;
    expect(last.id).toBe(last.data.cursor);
    expect(last.data.items[0].session.id).toBe('ses_1');
    // From there on without a gap.
    await ok('part/put', { sessionId: 'ses_1', messageId: 'msg_1', partId: 'prt_1', part: part(at) });
    await events.until('what comes behind it', () => JSON.stringify(events.events.at(-1)).includes(`"${at} x`));
    const [, ...behind] = events.events.slice(kinds.lastIndexOf('snapshot')).filter(({ data }) => data.cursor);
    let prev = last.data.cursor;
    for (const { data } of behind) {
      expect(data.prev).toBe(prev);
      prev = data.cursor;
    }
  });

  it('are taken for gone when they take nothing for long, and go on where they were when they come back', async () => {
    const { stream, create, ok } = await setUp({ commentMs: 100, maxStalls: 4 });
    await create('ses_1');
    await ok('message/put', { sessionId: 'ses_1', messageId: 'msg_1', role: 'assistant' });
    const events = await stream();
    await events.until('to be caught up', () => events.of('caughtUp').length === 1);
    events.incoming.pause();
    const part = { type: 'text', text: 'x'.repeat(20_000) };
    for (let at = 0; at < 200; at += 1) await ok('part/put', { sessionId: 'ses_1', messageId: 'msg_1', part });
    while ((await ok('daemon/status')).connections.length > 1) await new Promise((resolve) => setImmediate(resolve));
    events.incoming.resume();
    await events.closed();
    expect(events.seqs.length).toBeLessThan(200);
    const again = await stream('', { 'last-event-id': events.lastId! });
    await again.until('the rest', () => events.seqs.length + again.seqs.length >= 200);
    expect([...events.seqs, ...again.seqs]).toEqual(Array.from({ length: 200 }, (_, at) => at + 3));
    expect(again.events[0]!.data.mode).toBe('resumed');
  });
});

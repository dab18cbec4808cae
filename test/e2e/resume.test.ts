// Two subscribers and one producer over the real socket; one is cut off and comes back from its cursor.
import { expect, test } from 'vitest';
import type { Client } from '../../protocol/client.ts';
import type { Event, Message, Part, Session } from '../../protocol/schema.ts';
import { emptyView, reduce } from '../../protocol/view.ts';
import { connectTo, startDaemon, subscribe, testHome } from '../support/daemon.ts';

type Item = { message: Message; parts: Part[] };

async function appendMany(client: Client, from: number, count: number): Promise<void> {
  for (let at = from; at < from + count; at += 100) {
    const ops = Array.from({ length: Math.min(100, from + count - at) }, (_, index) => opNumber(at + index));
    const result = await client.call('ops/append', { ops: ops as never });
    expect(result.rejected).toEqual([]);
  }
}

/** Messages, their parts and text streamed into them, in turn. */
function opNumber(n: number) {
  const messageId = `msg_${Math.floor(n / 5)}`;
  const partId = `prt_${Math.floor(n / 5)}`;
  const sessionId = 'ses_a';
  const opId = `op-${n}`;
  if (n % 5 === 0) return { opId, type: 'message/put', params: { sessionId, messageId, role: 'assistant' } };
  if (n % 5 === 1) {
    return { opId, type: 'part/put', params: { sessionId, messageId, partId, part: { type: 'text', text: 'a😀' } } };
  }
  const offset = 3 + ((n % 5) - 2) * 4;
  return { opId, type: 'part/delta', params: { sessionId, partId, field: 'text', offset, text: `é${n % 10}𝄞` } };
}

async function everything(client: Client): Promise<{ session: Session; items: Item[] }> {
  const { session } = await client.call('session/get', { sessionId: 'ses_a' });
  const items: Item[] = [];
  let pageToken: string | undefined;
  do {
    const page = await client.call('message/list', { sessionId: 'ses_a', ...(pageToken ? { pageToken } : {}) });
    items.push(...(page.items as unknown as Item[]));
    pageToken = page.nextPageToken;
  } while (pageToken);
  return { session: session as Session, items };
}

function fold(events: Event[]): { session: Session; items: Item[] } {
  const view = events.reduce(reduce, emptyView()).get('ses_a')!;
  const items = [...view.messages.values()].map(({ message, parts }) => ({ message, parts: [...parts.values()] }));
  return { session: view.session, items };
}

test('a subscriber that was cut off resumes from its cursor with exactly what it missed, then live [P6, P30, P19]', async () => {
  const home = testHome();
  await startDaemon(home);
  const producer = await connectTo(home, 'producer');
  const steady = await subscribe(await connectTo(home, 'steady'));
  const leaver = await connectTo(home, 'leaver');
  const before = await subscribe(leaver);
  expect([steady.started.mode, before.started.mode]).toEqual(['live', 'live']);

  await producer.call('session/create', { sessionId: 'ses_a', directory: '/work', agent: 'test' });
  await appendMany(producer, 0, 100);
  await before.collector.until('the first 101 events', ({ events }) => events.length === 101);
  const cursor = before.collector.cursor!;
  leaver.close();
  await leaver.closed;

  await appendMany(producer, 100, 500);
  const after = await subscribe(await connectTo(home, 'leaver'), { from: cursor });
  expect(after.started.mode).toBe('resumed');
  expect(after.started.cursor).toBe(cursor);
  await after.collector.until('what it missed', ({ deliveries }) =>
    deliveries.some((delivery) => delivery.type === 'events/caughtUp'),
  );
  expect(after.collector.events.map((event) => event.opId)).toEqual(
    Array.from({ length: 500 }, (_, index) => `op-${100 + index}`),
  );

  await appendMany(producer, 600, 50);
  await after.collector.until('live events', ({ events }) => events.length === 550);
  await steady.collector.until('all events', ({ events }) => events.length === 651);

  const rejoined = [...before.collector.events, ...after.collector.events];
  expect(rejoined).toEqual(steady.collector.events);
  expect(rejoined.map((event) => event.seq)).toEqual(Array.from({ length: 651 }, (_, index) => index + 1));
  const daemonHolds = await everything(producer);
  expect(fold(rejoined)).toEqual(daemonHolds);
  expect(daemonHolds.session.version).toBe(651);

  // Each notification names the cursor of the one before it.
  for (const { started, collector } of [steady, before, after]) {
    let prev = started.cursor;
    for (const { params } of collector.deliveries) {
      expect('prev' in params && params.prev).toBe(prev);
      prev = ('cursor' in params && params.cursor) || prev;
    }
  }
});

test('a cursor that cannot be resumed is told so, never clamped [P2, P28]', async () => {
  const home = testHome();
  const daemon = await startDaemon(home);
  const client = await connectTo(home);
  const { cursor } = await client.call('session/create', {});
  const [storeId, seq, tag] = cursor.split('.');
  const resume = (from: string) => client.subscribe({ from, snapshot: 'never' }, () => {});
  await expect(resume(`${storeId}.${Number(seq) + 1}.${tag}`)).rejects.toMatchObject({ kind: 'CursorInFuture' });
  await expect(resume(`${storeId}.${seq}.nope`)).rejects.toMatchObject({ kind: 'Diverged' });
  await expect(resume(`other.${seq}.${tag}`)).rejects.toMatchObject({ kind: 'StoreChanged' });
  await expect(resume('yesterday')).rejects.toMatchObject({ code: -32602 });

  await daemon.kill('SIGKILL');
  await startDaemon(home);
  const again = await subscribe(await connectTo(home), { from: cursor });
  expect(again.started.mode).toBe('resumed');
});

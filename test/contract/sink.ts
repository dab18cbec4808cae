// What every sink promises (daemon/adapters/adapter.ts), as tests. Ops of a real home go out; what has arrived is told by
// whatever is at the other end.
import { beforeAll, describe, expect, it } from 'vitest';
import type { Delivered, Outgoing, Sink } from '../../daemon/adapters/adapter.ts';
import type { ReplicaItem } from '../../protocol/outbox.ts';
import type { Event } from '../../protocol/schema.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';

/** Where a delivery is cut off: before all of it has arrived, or when it has and nobody was told. */
export type Cut = 'middle' | 'end';

export type SinkEnd = {
  /** A sink to this end, as after a start. */
  open(): Sink;
  /** What is there, in its order; what is there twice is in it twice. */
  held(): Promise<{ opId: string; data: unknown }[]>;
  /** Delivers a batch that is cut off. */
  deliverCut(outgoing: Outgoing, cut: Cut): Promise<void>;
  /** From here on nothing is answered; undefined where nobody is asked. Returns what resolves once something was asked. */
  hang?(): Promise<void>;
};

/** The contract of sinks, for ends that `setUp` makes. */
export function sinkContract(kind: string, setUp: () => Promise<SinkEnd>): void {
  describe(`the contract of sinks: ${kind}`, () => {
    let origin: string;
    let items: ReplicaItem[];
    const never = new AbortController().signal;
    const opIds = (some: ReplicaItem[]) => some.map(({ opId }) => opId);
    const deliver = (sink: Sink, outgoing: Outgoing, signal = never) =>
      within('a delivery', sink.deliver(outgoing, signal));
    const batch = (from: number, to: number): Outgoing => {
      const before = items[from - 1];
      return {
        origin,
        batchId: `bat_${from}_${to}`,
        through: `${origin}.${items[to - 1]!.seq}.0`,
        ...(before && { expectedCursor: `${origin}.${before.seq}.0` }),
        items: JSON.stringify(items.slice(from, to)),
      };
    };
    const acked = (delivered: Delivered) => expect(delivered).toMatchObject({ kind: 'acked', rejected: [] });
    const there = async (end: SinkEnd) => (await end.held()).map(({ opId }) => opId);

    beforeAll(async () => {
      ({ origin, items } = await itemsOfHome());
    });

    it('what was delivered is there once, in its order', async () => {
      const end = await setUp();
      const sink = end.open();
      acked(await deliver(sink, batch(0, 3)));
      acked(await deliver(sink, batch(3, items.length)));
      expect(await there(end)).toEqual(opIds(items));
    });

    it('[P12] what was acknowledged is there as it was sent, whatever its members are called', async () => {
      const end = await setUp();
      acked(await deliver(end.open(), batch(0, items.length)));
      const sent = items.flatMap(({ events }) => events.map(({ data }) => data));
      expect((await end.held()).map(({ data }) => titleAndMetadata(data))).toEqual(sent.map(titleAndMetadata));
      expect(JSON.stringify(sent)).toContain('"constructor"');
    });

    it('[P13] the same batch again changes nothing, also after a restart', async () => {
      const end = await setUp();
      const sink = end.open();
      acked(await deliver(sink, batch(0, 3)));
      acked(await deliver(sink, batch(0, 3)));
      await sink.close();
      acked(await deliver(end.open(), batch(0, 3)));
      expect(await there(end)).toEqual(opIds(items.slice(0, 3)));
    });

    it.each(['middle', 'end'] as const)(
      '[P12] a delivery that is cut off at the %s is made whole by the next',
      async (cut) => {
        const end = await setUp();
        acked(await deliver(end.open(), batch(0, 2)));
        await end.deliverCut(batch(2, 5), cut);
        acked(await deliver(end.open(), batch(2, 5)));
        acked(await deliver(end.open(), batch(5, items.length)));
        expect(await there(end)).toEqual(opIds(items));
      },
    );

    it('begins nothing when its signal has fired', async () => {
      const end = await setUp();
      expect(await deliver(end.open(), batch(0, 3), AbortSignal.abort())).toMatchObject({ kind: 'retry' });
      expect(await there(end)).toEqual([]);
    });

    it('ends soon when its signal fires', async () => {
      const end = await setUp();
      const asked = end.hang?.();
      const over = new AbortController();
      const delivering = end.open().deliver(batch(0, 3), over.signal);
      await within('it to be asked', asked ?? Promise.resolve());
      over.abort();
      const { kind } = await within('it to end', delivering);
      expect(kind).toBe(asked ? 'retry' : 'acked');
    });
  });
}

function titleAndMetadata(data: unknown): unknown {
  const { title, metadata } = data as { title: unknown; metadata: unknown };
  return { title, metadata };
}

/** What a home has to send: one session that is made, and changed a few times. */
async function itemsOfHome(): Promise<{ origin: string; items: ReplicaItem[] }> {
  const { daemon, connect } = daemonInProcess(testHome());
  const client = connect();
  const { storeId } = await client.initialize('home', '0');
  const metadata = { constructor: { toString: ['x'] }, toJSON: 'y', list: [[], [[1]], ['pipeline', 0]] };
  await client.call('session/create', { sessionId: 'ses_1', title: 'it begins', metadata });
  for (let at = 0; at < 6; at += 1) {
    await client.call('session/update', { sessionId: 'ses_1', title: `"${at}" \u2028 – \n`, metadata: { at } });
  }
  const events: Event[] = [];
  const started = await client.subscribe({ from: 'start' }, (delivery) => {
    if (delivery.type === 'events/batch') events.push(...delivery.params.events);
  });
  await client.call('events/sync', { subscription: started.subscription });
  await daemon.stop();
  const items = events.map((event) => {
    const { opId, seq, sessionId, version } = event;
    return { opId, seq, sessionId, version, events: [event] };
  });
  return { origin: storeId, items };
}

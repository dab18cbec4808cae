// A home and a host that are killed at random, and a network between them that loses what it likes: in the end the host holds
// the events of the home's sessions, in order, once. SESSIOND_SOAK_SEEDS=n plays n seeds, SESSIOND_SOAK_FROM=m from there on.
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import type { Event, Op } from '../../protocol/schema.ts';
import { TransportClosedError } from '../../protocol/transport.ts';
import { emptyView, reduce } from '../../protocol/view.ts';
import { within } from '../support/deadline.ts';
import type { Fault } from '../support/faulty-proxy.ts';
import { Dice } from '../support/history-run/dice.ts';
import { OpMaker } from '../support/history-run/ops.ts';
import type { Side } from '../support/share-pair.ts';
import { comparable, eventually, sharePair } from '../support/share-pair.ts';

const from = Number(process.env.SESSIOND_SOAK_FROM ?? 1);
const seeds = Number(process.env.SESSIOND_SOAK_SEEDS ?? 2);
const rounds = 22;
const opsInRound = 12;

/** Each kind of sink is sent the sessions of one agent. */
const sinks = [
  { name: 'http', kind: 'http', agent: 'a0', mask: false },
  { name: 'capnweb', kind: 'capnweb', agent: 'a1', mask: false },
  { name: 'masked', kind: 'http', agent: 'a2', mask: true },
] as const;

const faults: Partial<Record<Fault, number>> = { pass: 4, refuse: 1, cutRequest: 1, dropReply: 2, halfReply: 1 };

/** Sends until it is answered, through restarts, with the same op ids. */
async function send(home: Side, ops: Op[], restart: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await home.client.call('ops/append', { ops });
      return;
    } catch (error) {
      if (!(error instanceof TransportClosedError)) throw error;
      // The connection ends a moment before the exit is told.
      expect(await within('the home to be gone', home.running!.exit)).toBe('SIGKILL');
      await restart();
    }
  }
}

for (let seed = from; seed < from + seeds; seed += 1) {
  test(`seed ${seed}: host and home hold the same events, in order, once`, { timeout: 240_000 }, async () => {
    const dice = new Dice(seed, 'share soak');
    const { home, host, proxy, url, restartHost } = await sharePair();
    for (const { name, kind, agent, mask } of sinks) {
      const { token } = await host.client.call('capability/grant', {
        ...{ label: name, rights: ['read', 'append'], sessions: '*' },
      });
      await home.client.call('sink/add', { name, kind, url, token, mask, filter: { agents: [agent] } });
    }
    proxy.next = () => dice.weighted(faults);
    const makers = [new OpMaker(seed, 1), new OpMaker(seed, 2)];
    const restartHome = async () => {
      home.client.close();
      await home.start();
    };
    let kills = 0;
    for (let round = 0; round < rounds; round += 1) {
      const ops = makers.flatMap((maker) => Array.from({ length: opsInRound }, () => maker.next(dice.chance(0.01))));
      const sent = send(home, ops, restartHome);
      if (dice.chance(0.3)) {
        kills += 1;
        home.running!.process.kill('SIGKILL');
        await home.running!.exit;
      }
      await sent;
      if (dice.chance(0.2)) {
        kills += 1;
        await restartHost();
      }
    }
    proxy.next = () => 'pass';
    await send(
      home,
      [{ opId: 'end', type: 'session/create', params: { sessionId: 'ses_end', agent: 'a0' } }],
      restartHome,
    );
    await eventually(
      'all to arrive',
      () => home.client.call('sink/list', {}),
      ({ items }) => items.every(({ lag, state }) => lag === 0 && state === 'active'),
      120_000,
    );
    const { items: batches } = await home.client.call('outbox/list', { limit: 1000 });
    expect(batches.flatMap(({ rejected }) => rejected)).toEqual([]);
    // Leases go on running out at home: both are read again until nothing came in between.
    const { byAgent } = await eventually(
      'host and home to hold the same',
      () => compared(home, host),
      ({ differing }) => differing === undefined,
      20_000,
    );
    expect([...byAgent.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(100);
    expect(kills).toBeGreaterThan(0);
    expect(new Set(proxy.done).size).toBeGreaterThan(3);
  });
}

/** `differing`: the first session that is not at the host as it is at home, with both; `byAgent`: how many events each sink sent. */
async function compared(home: Side, host: Side) {
  const byAgent = new Map<string, number>();
  const there = await allEvents(host);
  const of = (differing: unknown) => ({ byAgent, differing });
  for (const [sessionId, events] of await allEvents(home)) {
    const created = events[0]!.data as { agent: string | null };
    const sink = sinks.find(({ agent }) => agent === created.agent);
    if (sink) byAgent.set(sink.name, (byAgent.get(sink.name) ?? 0) + events.length);
    const wanted = sink ? (sink.mask ? withoutDeltas(events) : events).map(comparable) : [];
    const held = (there.get(sessionId) ?? []).map(comparable);
    if (!isDeepStrictEqual(held, wanted)) return of({ sessionId, wanted, held });
  }
  // What the host shows of them is what its events say.
  for (const { session } of [...there.values()].flat().reduce(reduce, emptyView()).values()) {
    const shown = (await host.client.call('session/get', { sessionId: session.id })).session;
    if (!isDeepStrictEqual(shown, session)) return of({ session, shown });
  }
  return of(undefined);
}

/** As a host holds them that is not sent deltas: its own versions have no gaps either. */
function withoutDeltas(events: Event[]): Event[] {
  const kept = events.filter(({ type }) => type !== 'part/delta');
  return kept.map((event, at) => {
    const version = at + 1;
    const isSession = event.type === 'session/created' || event.type === 'session/updated';
    return { ...event, version, ...(isSession && { data: { ...event.data, version } }) } as Event;
  });
}

async function allEvents({ client }: Side): Promise<Map<string, Event[]>> {
  const { earliest } = await client.call('daemon/status', {});
  const found = new Map<string, Event[]>();
  for (let after = earliest; ; ) {
    const page = await client.call('events/read', { after, limit: 1000 });
    for (const event of page.events) {
      const events = found.get(event.sessionId) ?? [];
      found.set(event.sessionId, events);
      events.push(event);
    }
    if (!page.more) return found;
    after = page.cursor;
  }
}

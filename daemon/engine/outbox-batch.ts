// What goes out to a sink in one piece (PROTOCOL.md 7): whole ops, in the order of the journal, as the text that is sent each time.
import type { Cursor } from '../../protocol/cursor.ts';
import type { EventFilter, Journal, StoredEvent } from '../store/journal.ts';

export type OutboxLimits = {
  /** Events and bytes of a batch; one larger op is still sent whole. */
  maxEvents: number;
  maxBytes: number;
};

/** `through`: how far the journal was looked at; undefined `items` where nothing of it matched. */
export type Cut = { through: Cursor; items: string | undefined };

/** The next ops behind `after` that match. Looks at a bounded number of events, but for an op that is larger. */
export function cutBatch(journal: Journal, after: Cursor, filter: EventFilter, limits: OutboxLimits): Cut {
  const events: StoredEvent[] = [];
  let through = after;
  for (let whole = false; !whole; ) {
    const page = journal.readAfter(through, filter, { events: limits.maxEvents, bytes: limits.maxBytes });
    events.push(...page.events);
    ({ through, whole } = page);
  }
  return { through, items: events.length === 0 ? undefined : `[${itemsOf(events).join(',')}]` };
}

/** One item an op. All events of an op lie together, and are of one session. */
function itemsOf(events: StoredEvent[]): string[] {
  const items: string[] = [];
  for (let from = 0; from < events.length; ) {
    const { opLast } = events[from]!;
    let to = from;
    while (events[to + 1]?.opLast === opLast) to += 1;
    const { opId, sessionId, seq, version } = events[to]!;
    const texts = events.slice(from, to + 1).map(({ text }) => text);
    const head = JSON.stringify({ opId, seq, sessionId, version });
    items.push(`${head.slice(0, -1)},"events":[${texts.join(',')}]}`);
    from = to + 1;
  }
  return items;
}

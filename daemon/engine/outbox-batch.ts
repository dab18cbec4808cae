// What goes out to a sink in one piece (PROTOCOL.md 7): whole ops, in the order of the journal, as the text that is sent each time.
import type { Cursor } from '../../protocol/cursor.ts';
import type { EventFilter, Journal, StoredEvent } from '../store/journal.ts';
import type { Mark } from '../store/outbox-rows.ts';

export type OutboxLimits = {
  /** Events and bytes of a batch; one larger op is still sent whole. */
  maxEvents: number;
  maxBytes: number;
};

export type CutQuery = {
  filter: EventFilter;
  /** False: part/delta is left out, and what it added comes whole when the part is put anew or its turn ends. */
  deltas: boolean;
  limits: OutboxLimits;
  /** How far a session was sent. */
  markOf(sessionId: string): Mark | undefined;
};

/**
 * `through`: how far the journal was looked at. `items`: each as JSON. `marks`: what changed of them. `whole`: a session that must
 * be sent whole before anything behind `through` is, since the journal has not all of it.
 */
export type Cut = { through: Cursor; items: string[]; marks: Map<string, Mark>; whole: string | undefined };

/** The next ops behind `after` that match. Looks at a bounded number of events, but for an op that is larger. */
export function cutBatch(journal: Journal, after: Cursor, query: CutQuery): Cut {
  const events: StoredEvent[] = [];
  let through = after;
  for (let whole = false; !whole; ) {
    const { maxEvents, maxBytes } = query.limits;
    const page = journal.readAfter(through, query.filter, { events: maxEvents, bytes: maxBytes });
    events.push(...page.events);
    ({ through, whole } = page);
  }
  const items: string[] = [];
  const marks = new Map<string, Mark>();
  let before = after;
  for (const op of opsOf(events)) {
    const { sessionId } = op[0]!;
    const mark = marks.get(sessionId) ?? query.markOf(sessionId) ?? { version: 0, seen: 0, state: 'at' };
    const next = itemOf(op, mark, query.deltas);
    if (next === 'gap') return { through: before, items, marks, whole: sessionId };
    if (next) {
      if (next.item !== undefined) items.push(next.item);
      marks.set(sessionId, next.mark);
    }
    before = journal.cursorAt(op.at(-1)!.opLast);
  }
  return { through, items, marks, whole: undefined };
}

/** All events of an op lie together, and are of one session. */
function* opsOf(events: StoredEvent[]): Generator<StoredEvent[]> {
  for (let from = 0; from < events.length; ) {
    const { opLast } = events[from]!;
    let to = from + 1;
    while (events[to]?.opLast === opLast) to += 1;
    yield events.slice(from, to);
    from = to;
  }
}

/** Nothing where the sink has it already; `gap` where it lacks what is before it. */
function itemOf(
  op: StoredEvent[],
  mark: Mark,
  deltas: boolean,
): { item: string | undefined; mark: Mark } | 'gap' | undefined {
  const { opId, sessionId, seq, version, type } = op.at(-1)!;
  const before = op[0]!.version - 1;
  // What is not known is for the other side to judge: it says where it lacks something.
  const {
    version: sent,
    seen,
    state,
  } = mark.state === 'unknown' ? { version: before, seen: before, state: 'at' } : mark;
  if (state === 'gone' || state === 'large' || (state === 'at' && version <= seen)) return undefined;
  if (state === 'stale' || before > seen) return 'gap';
  if (!deltas && type === 'part/delta') return { item: undefined, mark: { version: sent, seen: version, state: 'at' } };
  const isEnd = type === 'session/deleted';
  const head = { opId, seq, sessionId, version, ...(sent === before ? {} : { prevVersion: sent }) };
  const item = `${JSON.stringify(head).slice(0, -1)},"events":[${op.map(({ text }) => text).join(',')}]}`;
  return { item, mark: { version, seen: version, state: isEnd ? 'gone' : 'at' } };
}

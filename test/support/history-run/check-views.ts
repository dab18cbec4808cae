// Snapshots and views: a snapshot is each session at a version that it had, and what a reader folded equals the tables.
import type { SnapshotItem } from '../../../protocol/methods.ts';
import type { Session } from '../../../protocol/schema.ts';
import type { View } from '../../../protocol/view.ts';
import { addSnapshotItem, emptyView, reduce } from '../../../protocol/view.ts';
import { canonical } from '../history.ts';
import type { Findings } from './findings.ts';
import type { Entry, History, Listed, Stream } from './history.ts';
import { cursorOf } from './history.ts';
import { listedOf, listedOfItems, sorted } from './listed.ts';
import type { Truth } from './truth.ts';

type Snapshot = Extract<Entry, { kind: 'snapshot' }>;

/** Folds what each subscriber was told, checks the snapshots among it, and compares the end with the tables. */
export function checkViews(history: History, truth: Truth, findings: Findings): void {
  const subscribers = grouped(history.streams, ({ who }) => who);
  for (const streams of subscribers.values()) new ViewCheck(streams, history, truth, findings).run();
}

class ViewCheck {
  readonly #streams: Stream[];
  readonly #history: History;
  readonly #truth: Truth;
  readonly #findings: Findings;
  #view: View = emptyView();
  /** Sessions made behind this are in the view. */
  #since = 0;
  /** Sessions whose messages the view does not have. */
  #bare = new Set<string>();

  constructor(streams: Stream[], history: History, truth: Truth, findings: Findings) {
    this.#streams = streams;
    this.#history = history;
    this.#truth = truth;
    this.#findings = findings;
  }

  run(): void {
    for (const stream of this.#streams) {
      if (!stream.answer || 'error' in stream.answer) continue;
      if (!stream.continues) {
        this.#view = emptyView();
        this.#since = this.#seq(stream.answer.result.cursor);
        this.#bare = new Set();
      }
      this.#fold(stream);
    }
    const last = this.#streams.at(-1);
    const { final } = this.#history;
    if (!final || last?.end !== 'open') return;
    // Over SSE there is no fence: what it was told of its place is all that it knows.
    const isAtEnd = last.entries.some((entry) => {
      const cursor = last.dialect === 'sse' || entry.kind === 'sync' ? cursorOf(entry) : undefined;
      return cursor !== undefined && this.#seq(cursor) >= this.#seq(final.bounds.head);
    });
    if (!isAtEnd) this.#wrong(last, `did not come to ${final.bounds.head}`);
    else if (!last.params.filter?.types) this.#compare(last, final.tables);
  }

  #fold(stream: Stream): void {
    let items: Snapshot[] = [];
    for (const entry of stream.entries) {
      if (entry.kind === 'reset') items = [];
      if (entry.kind === 'snapshot') items.push(entry);
      if (entry.kind === 'snapshot' && entry.done) {
        this.#replace(stream, items);
        items = [];
      }
      // An op in pieces is folded as they come; only its end tells a place, and the view is looked at only there.
      if (entry.kind === 'batch') for (const event of entry.events) reduce(this.#view, event);
    }
  }

  #replace(stream: Stream, pages: Snapshot[]): void {
    const at = this.#seq(pages.at(-1)!.cursor!);
    const items = pages.flatMap((page) => page.items);
    const bySession = grouped(items, ({ session }) => session.id);
    const hasMessages = stream.params.filter?.sessions !== undefined;
    this.#checkOrder(stream, items);
    this.#view = emptyView();
    this.#bare = new Set();
    for (const [id, pieces] of bySession) {
      this.#checkItem(stream, at, id, pieces, hasMessages);
      for (const piece of pieces) addSnapshotItem(this.#view, piece);
      if (!hasMessages) this.#bare.add(id);
    }
    this.#since = -1;
    const missing = this.#madeUpTo(at).filter((id) => this.#isMine(stream, id) && !bySession.has(id));
    if (missing.length > 0) this.#wrong(stream, `the snapshot at ${at} has no ${missing}`);
    if (items.length > bySession.size) this.#findings.count('session in several items');
    if (pages.length > 1) this.#findings.count('snapshot in pages');
  }

  /** The pieces of one session stand together, each with the same session. */
  #checkOrder(stream: Stream, items: SnapshotItem[]): void {
    const done = new Set<string>();
    for (const [index, { session }] of items.entries()) {
      const before = items[index - 1]?.session;
      if (before && before.id !== session.id) done.add(before.id);
      if (done.has(session.id)) this.#wrong(stream, `${session.id} comes twice in the snapshot`);
      if (before?.id === session.id && canonical(before) !== canonical(session)) {
        this.#wrong(stream, `the pieces of ${session.id} have different sessions`);
      }
    }
  }

  #checkItem(stream: Stream, at: number, id: string, pieces: SnapshotItem[], hasMessages: boolean): void {
    if (!this.#isMine(stream, id)) this.#wrong(stream, `the snapshot has ${id}, which the filter does not match`);
    if (pieces.some(({ messages }) => (messages !== undefined) !== hasMessages)) {
      this.#wrong(stream, `the snapshot of ${id} has ${hasMessages ? 'no ' : ''}messages`);
    }
    const listed = listedOfItems(pieces);
    const { version } = listed.session;
    const events = this.#truth.ofSession(id);
    const atStart = events.findLast(({ seq }) => seq <= at)?.version ?? 0;
    if (version < atStart)
      this.#wrong(stream, `${id} is at version ${version} in the snapshot at ${at}, where it had ${atStart}`);
    const upTo = events.filter((event) => event.version <= version);
    if (upTo.length !== version) return;
    // All of it is known: it must be what its events make.
    const made = upTo.reduce(reduce, emptyView()).get(id);
    this.#findings.count('session of a snapshot compared');
    this.#same(stream, `${id} at version ${version}`, listed, made && listedOf(made), { hasMessages });
  }

  #compare(stream: Stream, tables: Listed[]): void {
    const isSoft = stream.params.deltas === false;
    const mine = tables.filter(({ session }) => this.#isMine(stream, session.id));
    const held = new Set(mine.map(({ session }) => session.id));
    const extra = [...this.#view.keys()].filter((id) => !held.has(id));
    if (extra.length > 0) this.#wrong(stream, `still sees ${extra}`);
    for (const table of mine) {
      const { id } = table.session;
      const made = this.#madeAt(id);
      const seen = this.#view.get(id);
      if (!seen && made !== undefined && made <= this.#since) continue;
      if (!seen && made === undefined) continue;
      const hasMessages = !this.#bare.has(id);
      const { version } = table.session;
      const known = isSoft ? withoutDeltas(sorted(table), version, this.#truth) : sorted(table);
      const folded = seen && (isSoft ? withoutDeltas(listedOf(seen), version, this.#truth) : listedOf(seen));
      this.#findings.count('session of a view compared');
      this.#same(stream, `${id} in the end`, folded, known, { hasMessages, isSoft });
    }
  }

  #same(
    stream: Stream,
    what: string,
    one: Listed | undefined,
    other: Listed | undefined,
    { hasMessages, isSoft = false }: { hasMessages: boolean; isSoft?: boolean },
  ): void {
    if (!one || !other) {
      this.#wrong(
        stream,
        `${what} is ${one ? 'there' : 'missing'}, and ${other ? 'there' : 'missing'} in what was held`,
      );
      return;
    }
    for (const name of ['session', 'turns', 'blockers', 'artifacts', 'messages'] as const) {
      if (name === 'messages' && !hasMessages) continue;
      const [a, b] = [one, other].map((listed) =>
        canonical(name === 'session' ? sessionOf(listed.session, hasMessages, isSoft) : listed[name]),
      ) as [string, string];
      if (a !== b) this.#wrong(stream, `${what}: ${name} ${differenceOf(a, b)}`);
    }
  }

  #madeUpTo(at: number): string[] {
    const { final } = this.#history;
    return (final?.tables ?? []).flatMap(({ session: { id } }) => {
      const made = this.#madeAt(id);
      return made !== undefined && made <= at ? [id] : [];
    });
  }

  #madeAt(id: string): number | undefined {
    return this.#history.outcomes.find((outcome) => outcome.sessionId === id && outcome.seq !== null)?.seq ?? undefined;
  }

  #isMine({ params }: Stream, sessionId: string): boolean {
    return this.#truth.matches({ sessionId }, { filter: params.filter });
  }

  #seq(cursor: string): number {
    return this.#truth.cursor(cursor, 'a view');
  }

  #wrong({ who, life, n }: Stream, what: string): void {
    this.#findings.wrong(`${who} (life ${life}, #${n}): ${what}`);
  }
}

function grouped<T>(items: T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

/** Without what a reader cannot know: of sessions whose messages it has not, or whose deltas it did not ask for. */
function sessionOf(session: Session, hasMessages: boolean, isSoft: boolean): Partial<Session> {
  const { messageCount, usage, version, updatedAt, ...rest } = session;
  return { ...rest, ...(hasMessages ? { messageCount, usage } : {}), ...(isSoft ? {} : { version, updatedAt }) };
}

/**
 * Without the parts that were streamed into since they were last put whole, or may have been: by events that were pruned
 * before anybody saw them. `through`: the version of the session.
 */
function withoutDeltas(listed: Listed, through: number, truth: Truth): Listed {
  const events = truth.ofSession(listed.session.id);
  const settled = new Set<string>();
  for (const [index, { type, data, version }] of events.entries()) {
    if (type === 'part/delta') settled.delete(data.partId);
    const isAllKnown = events.length - 1 - index === through - version;
    if (type === 'part/updated' && isAllKnown) settled.add(data.id);
  }
  const messages = listed.messages.map(({ message, parts }) => ({
    message,
    parts: parts.filter(({ id }) => settled.has(id)),
  }));
  return { ...listed, messages };
}

function differenceOf(a: string, b: string): string {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  const from = Math.max(0, at - 60);
  return `differ: …${a.slice(from, at + 120)}… is …${b.slice(from, at + 120)}… in what was held`;
}

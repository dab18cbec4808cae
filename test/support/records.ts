// A store of its own for a test of store/ and engine/: real SQLite in a temp folder.
import { Bell } from '../../daemon/engine/bell.ts';
import type { Runtime } from '../../daemon/engine/runtime.ts';
import type { Author } from '../../daemon/engine/writer.ts';
import { Writer } from '../../daemon/engine/writer.ts';
import { Journal } from '../../daemon/store/journal.ts';
import { Lists } from '../../daemon/store/lists.ts';
import { openStore } from '../../daemon/store/open.ts';
import { openReader } from '../../daemon/store/reader.ts';
import { Tables } from '../../daemon/store/tables.ts';
import type { Blocker, Event, Message, Op, OpParams, OpType, Part, Session, Turn } from '../../protocol/schema.ts';
import type { SessionView, View } from '../../protocol/view.ts';
import { emptyView, reduce } from '../../protocol/view.ts';
import { afterTest } from './daemon.ts';

export const owner: Author = { principal: 'owner', actorId: 'test/c1' };

let lastMade = 0;
/** A runtime whose clock the test moves, and whose ids count up. */
export class HandRuntime implements Runtime {
  time = 1_000;
  readonly errors: unknown[] = [];
  readonly log = { info() {}, warn() {}, error: (fields: object) => void this.errors.push(fields) };
  now = () => this.time;
  monotonic = () => this.time;
  sleep: Runtime['sleep'] = () => new Promise<void>(() => {});
  random = () => 0.5;
  newId = (prefix: string) => `${prefix}_made${++lastMade}`;
  releaseMemory = () => {};
}

export type Records = ReturnType<typeof openRecords>;

/** Opens the store in `folder`; closed after the test, or by `close`. */
export function openRecords(folder: string, runtime = new HandRuntime()) {
  const store = openStore(folder);
  const journal = new Journal(store.db);
  const tables = new Tables(store.db, journal);
  const bell = new Bell();
  const fatal: unknown[] = [];
  const writer = new Writer(store, journal, tables, bell, runtime, (error) => fatal.push(error));
  const lists = new Lists(store.db, journal);
  afterTest(() => store.close());
  const shown = () => openReader(store.log.openShown());
  return { db: store.db, journal, tables, bell, writer, lists, runtime, fatal, shown, close: () => store.close() };
}

let lastOp = 0;
/** An op with an opId of its own. */
export function op<T extends OpType>(type: T, params: OpParams[T], envelope: Partial<Op> = {}): Op {
  return { opId: `test-${++lastOp}`, type, params, ...envelope } as Op;
}

/** Everything in the journal. */
export function allEvents({ journal }: Pick<Records, 'journal'>): Event[] {
  const events: Event[] = [];
  for (let from = journal.earliest; from.seq < journal.head.seq; ) {
    const page = journal.readAfter(from, {}, { events: 1_000, bytes: 1 << 24 });
    events.push(...page.events.map((event) => JSON.parse(event.text) as Event));
    from = page.through;
  }
  return events;
}

/** The fold of the whole journal by the one reducer: the oracle. */
export function foldJournal(records: Pick<Records, 'journal'>): View {
  return allEvents(records).reduce(reduce, emptyView());
}

export type Listed = {
  session: Session;
  turns: Turn[];
  blockers: Blocker[];
  messages: { message: Message; parts: Part[] }[];
  artifacts: unknown[];
};

/** What the tables hold, session id -> all of it, through the same pages that clients read. */
export function readTables({ lists }: Pick<Records, 'lists'>): Map<string, Listed> {
  const found = new Map<string, Listed>();
  for (const text of pages((after) => lists.readSessions({}, 1_000, after))) {
    const session = JSON.parse(text) as Session;
    const messages = pages((after) => lists.readMessages(session.id, 'asc', 1_000, after)!);
    const artifacts = pages((after) => lists.readArtifacts(session.id, undefined, 1_000, after)!);
    const rows = <T>(kind: 'turn' | 'blocker') =>
      pages((after) => lists.readRows(kind, { sessionId: session.id }, 1_000, after)!).map(
        (row) => JSON.parse(row) as T,
      );
    found.set(session.id, {
      session,
      turns: rows<Turn>('turn'),
      blockers: rows<Blocker>('blocker'),
      messages: messages.map((item) => JSON.parse(item) as Listed['messages'][number]),
      artifacts: artifacts.map((item) => JSON.parse(item) as unknown),
    });
  }
  return found;
}

/** A view in the form of readTables, to compare the two. */
export function viewTables(view: Map<string, Omit<SessionView, 'openTurns' | 'hasMessages'>>): Map<string, Listed> {
  const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  return new Map(
    [...view].map(([id, { session, turns, blockers, messages, artifacts }]) => [
      id,
      {
        session,
        turns: [...turns.values()],
        blockers: [...blockers.values()],
        messages: [...messages.values()].map(({ message, parts }) => ({ message, parts: [...parts.values()] })),
        artifacts: [...artifacts.values()].sort(byText),
      },
    ]),
  );
}

function pages(read: (after: string | undefined) => { items: string[]; next: string | undefined }): string[] {
  const items: string[] = [];
  let after: string | undefined;
  do {
    const page = read(after);
    items.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return items;
}

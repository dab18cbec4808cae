// A small history in which all is right, made by hand: what the checker is shown to find is put into copies of it.
import type { Event, Session } from '../../../protocol/schema.ts';
import type { View } from '../../../protocol/view.ts';
import { emptyView, reduce } from '../../../protocol/view.ts';
import type { Dialect, Entry, Filter, History, Stream, SubscribeParams } from './history.ts';
import { cursorOf } from './history.ts';
import { listedOf } from './listed.ts';

export const at = (seq: number) => `store.${seq}.t${seq}`;

const written = { actorId: 'local/c1', schemaVersion: 1 };

function sessionOf(id: string, title: string, version: number): Session {
  return {
    ...{ id, parentId: null, title, directory: '/d0', agent: 'a0', model: null, status: 'idle', version, origin: null },
    ...{
      metadata: {},
      messageCount: 0,
      pendingBlockers: 0,
      createdAt: 1,
      updatedAt: version,
      archivedAt: null,
      ...written,
    },
    usage: { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 },
  };
}

function artifact(sessionId: string, key: string, now: number) {
  return { sessionId, kind: 'todo', key, data: now, createdAt: now, updatedAt: now, ...written };
}

/** Eight events of two sessions; the third to the fifth are one op. */
export function journal(): Event[] {
  const of = (seq: number, sessionId: string, version: number, opId: string, rest: object) =>
    ({ seq, sessionId, version, at: seq, actorId: 'local/c1', opId, ...rest }) as Event;
  const put = (seq: number, id: string, version: number, opId: string) =>
    of(seq, id, version, opId, { type: 'artifact/updated', data: artifact(id, `k${seq}`, seq) });
  return [
    of(1, 'ses_a', 1, 'op1', { type: 'session/created', data: sessionOf('ses_a', 'a', 1) }),
    of(2, 'ses_b', 1, 'op2', { type: 'session/created', data: sessionOf('ses_b', 'b', 1) }),
    put(3, 'ses_a', 2, 'op3'),
    put(4, 'ses_a', 3, 'op3'),
    put(5, 'ses_a', 4, 'op3'),
    of(6, 'ses_b', 2, 'op4', { type: 'session/updated', data: sessionOf('ses_b', 'c', 2) }),
    put(7, 'ses_a', 5, 'op5'),
    put(8, 'ses_b', 3, 'op6'),
  ];
}

export function viewAt(seq: number): View {
  return journal()
    .filter((event) => event.seq <= seq)
    .reduce(reduce, emptyView());
}

let n = 0;
const now = () => ({ n: ++n, at: n });

export const batch = (prev: number, through: number, seqs?: number[]): Entry => ({
  ...now(),
  kind: 'batch',
  bytes: 1_000,
  prev: at(prev),
  cursor: at(through),
  events: journal().filter(({ seq }) => (seqs ? seqs.includes(seq) : seq > prev && seq <= through)),
});
export const caughtUp = (prev: number, cursor = prev): Entry => ({
  ...now(),
  kind: 'caughtUp',
  prev: at(prev),
  cursor: at(cursor),
});
export const bookmark = (prev: number, cursor: number): Entry => ({
  ...now(),
  ...{ kind: 'bookmark', prev: at(prev), cursor: at(cursor), head: at(8) },
});
export const sync = (seq: number): Entry => ({ ...now(), kind: 'sync', asked: n, cursor: at(seq), atLeast: seq });
export const reset = (earliest: number): Entry => ({
  ...now(),
  ...{ kind: 'reset', reason: 'CursorExpired', earliest: at(earliest), head: at(8) },
});
export const ended = (reason: string): Entry => ({ ...now(), kind: 'ended', reason });
export const snapshot = (seq: number, ids = ['ses_a', 'ses_b']): Entry => ({
  ...now(),
  kind: 'snapshot',
  bytes: 1_000,
  done: true,
  cursor: at(seq),
  items: ids.map((id) => {
    const { session, turns, blockers, artifacts } = listedOf(viewAt(seq).get(id)!);
    return { session, turns, blockers, artifacts };
  }),
});

type Given = {
  who: string;
  life: number;
  params: SubscribeParams;
  from: number;
  head: number;
  mode?: string;
  reason?: string;
  continues?: boolean;
  dialect?: Dialect;
  lastEventId?: string;
  entries: Entry[];
};

export function stream({
  who,
  life,
  params,
  from,
  head,
  mode = 'resumed',
  reason,
  continues = false,
  dialect = 'line',
  lastEventId,
  entries,
}: Given): Stream {
  const bounds = { earliest: at(0), head: at(head) };
  const result = { subscription: 'sub_1', mode, cursor: at(from), head: at(head), ...(reason ? { reason } : {}) };
  return {
    ...{ who, life, dialect, n: ++n, params, before: bounds, after: bounds, answer: { n: ++n, result } },
    ...{ continues, entries, end: life === 0 ? 'lost' : 'open', ...(lastEventId ? { lastEventId } : {}) },
  };
}

/** As they come over SSE: each place is an id too. */
export function withIds(entries: Entry[]): Entry[] {
  return entries.map((entry) => {
    const id = cursorOf(entry);
    return id === undefined ? entry : { ...entry, id };
  });
}

function page(given: Given): Stream {
  const made = stream({ ...given, dialect: 'sse', entries: withIds(given.entries) });
  if (made.answer && 'result' in made.answer) made.answer.id = made.answer.result.cursor;
  return made;
}

/** Two lives: the first told of five events and was killed, the second of all. */
export function goodHistory(): History {
  const filter: Filter = { sessions: ['ses_b'] };
  const never = { snapshot: 'never' as const };
  return {
    seed: 0,
    plan: { retention: 'keepAll' },
    created: { ses_a: { directory: '/d0', agent: 'a0' }, ses_b: { directory: '/d0', agent: 'a1' } },
    lives: [
      { pid: 1, startedAt: 0, end: 'SIGKILL', bounds: { earliest: at(0), head: at(0) }, audit: [] },
      {
        ...{ pid: 2, startedAt: 0, end: 'SIGTERM', bounds: { earliest: at(0), head: at(5) } },
        audit: journal().slice(0, 5),
      },
    ],
    outcomes: [1, 2, 5, 6, 7, 8].map((seq, index) => ({
      ...{ n: 0, opId: `op${index + 1}`, type: 'x', life: seq > 5 ? 1 : 0, seq, version: journal()[seq - 1]!.version },
      ...(seq < 3 ? { sessionId: journal()[seq - 1]!.sessionId } : {}),
      cursor: at(seq),
    })),
    rejected: [{ opId: 'op9', kind: 'NotFound' }],
    again: [{ opId: 'op1', seq: 1, version: 1, how: 'duplicate' }],
    streams: [
      stream({
        ...{ who: 'all', life: 0, params: { from: 'start', ...never }, from: 0, head: 0 },
        entries: [caughtUp(0), batch(0, 2), batch(2, 5)],
      }),
      stream({
        ...{ who: 'all', life: 1, params: { from: at(5), ...never }, from: 5, head: 5, continues: true },
        entries: [caughtUp(5), batch(5, 6), batch(6, 8), sync(8)],
      }),
      stream({
        ...{ who: 'narrow', life: 1, params: { from: 'start', filter, bookmarkMs: 5 }, from: 0, head: 5 },
        entries: [batch(0, 5, [2]), caughtUp(5), batch(5, 8, [6, 8]), bookmark(8, 8), sync(8)],
      }),
      stream({
        ...{ who: 'state', life: 1, params: { from: 'start', snapshot: 'always' }, from: 5, head: 5, mode: 'snapshot' },
        entries: [snapshot(5), caughtUp(5), batch(5, 8), sync(8)],
      }),
      page({
        ...{ who: 'page', life: 0, params: { from: 'start', ...never }, from: 0, head: 0 },
        entries: [caughtUp(0), batch(0, 2), batch(2, 5)],
      }),
      page({
        ...{ who: 'page', life: 1, params: { from: at(5), ...never }, lastEventId: at(5), from: 5, head: 5 },
        ...{ continues: true, entries: [caughtUp(5), batch(5, 6), batch(6, 8)] },
      }),
    ],
    acks: [],
    reads: [
      {
        ...{ who: 'poller', life: 1, params: { after: at(0), limit: 4 }, before: { earliest: at(0), head: at(5) } },
        answer: { events: journal().slice(0, 2), cursor: at(2), more: true },
      },
    ],
    final: {
      bounds: { earliest: at(0), head: at(8) },
      events: journal(),
      tables: [...viewAt(8).values()].map(listedOf),
    },
  };
}

// The checker finds what it is there for: each thing that must never be, put into a history in which all else is right.
import { expect, test } from 'vitest';
import type { Event } from '../../../protocol/schema.ts';
import { checkHistory } from './check.ts';
import type { Entry, History, Stream } from './history.ts';
import { at, batch, bookmark, caughtUp, ended, goodHistory, journal, reset, snapshot, stream, sync } from './sample.ts';

type Batch = Extract<Entry, { kind: 'batch' }>;
type Snapshot = Extract<Entry, { kind: 'snapshot' }>;

/** The last stream of a subscriber. */
function of(history: History, who: string): Stream {
  return history.streams.findLast((each) => each.who === who)!;
}
const batches = (history: History, who: string) =>
  of(history, who).entries.filter((entry): entry is Batch => entry.kind === 'batch');
const state = (history: History) => of(history, 'state').entries[0] as Snapshot;
const started = (history: History, who: string) =>
  (of(history, who).answer as { result: { mode: string; reason?: string; cursor: string; head: string } }).result;

/** A subscriber of its own, named, in the second life. */
function named(history: History, params: object, given: Partial<Stream> = {}): Stream {
  const name = { name: 'x', ...params };
  const made = stream({
    who: 'named',
    life: 1,
    params: name,
    from: 5,
    head: 5,
    entries: [caughtUp(5), batch(5, 8), sync(8)],
  });
  history.streams.push(Object.assign(made, given));
  return made;
}

function acked(history: History, cursor: number, result: number, isHolder = true): void {
  const n = history.streams.at(-1)!.n;
  history.acks.push({
    n,
    who: 'named',
    name: 'x',
    cursor: at(cursor),
    isHolder,
    answered: n,
    result: { cursor: at(result) },
  });
}

const put = (target: object, members: object) => void Object.assign(target, members);

/** What is put in, and what the checker says of it. */
const wrongs: [name: string, spoil: (history: History) => void, said: RegExp][] = [
  ['an event is lost', (h) => batches(h, 'all')[1]!.events.pop(), /without 1 events: 8/],
  ['an event of a filter is lost', (h) => batches(h, 'narrow')[1]!.events.pop(), /narrow.*without 1 events: 8/],
  ['an event that nobody else saw is lost', loseForAll, /1 came to nobody/],
  ['an event comes twice', (h) => batches(h, 'all')[0]!.events.push(journal()[5]!), /seq 6 behind 6/],
  ['a batch comes twice', (h) => void of(h, 'all').entries.splice(2, 0, batch(5, 6)), /prev is|went back/],
  ['two events are swapped', (h) => batches(h, 'all')[1]!.events.reverse(), /seq 7 behind 8/],
  ['an event that the filter leaves out', (h) => batches(h, 'narrow')[0]!.events.push(journal()[2]!), /does not match/],
  ['a gap is skipped in silence', (h) => void of(h, 'all').entries.splice(1, 2, batch(6, 8)), /prev is/],
  [
    'a gap is skipped with a good prev',
    (h) => void of(h, 'all').entries.splice(1, 2, batch(5, 8, [7, 8])),
    /without 1 events: 6/,
  ],
  ['an event is ahead of its cursor', (h) => put(batches(h, 'all')[1]!, { cursor: at(7) }), /ahead of the cursor 7/],
  ['a batch ends inside an op', splitOp, /in the midst of op3/],
  ['prev is not the cursor before', (h) => put(batches(h, 'all')[1]!, { prev: at(5) }), /prev is store.5.t5/],
  ['a piece has a cursor', (h) => put(batches(h, 'all')[0]!, { more: true }), /with cursor store.6.t6 and more true/],
  ['a piece holds another op', piecesOfTwo, /a piece of op4 holds another op/],
  ['a small op comes in pieces', smallPieces, /op3 came in pieces/],
  ['a bookmark in the midst of an op', bookmarkBetweenPieces, /bookmark in the midst of an op/],
  [
    'a bookmark overtakes an event',
    (h) => void of(h, 'narrow').entries.splice(2, 0, bookmark(5, 8)),
    /from 5 to 8 without 2/,
  ],
  ['a bookmark is ahead of its head', aheadOfHead, /ahead of its head/],
  ['caughtUp comes twice', (h) => void of(h, 'all').entries.splice(1, 0, caughtUp(5)), /caughtUp in state live/],
  [
    'caughtUp comes too early',
    (h) => void of(h, 'narrow').entries.splice(0, 2, caughtUp(0), batch(0, 5, [2])),
    /caught up with 5/,
  ],
  ['caughtUp never comes', (h) => void of(h, 'all').entries.shift(), /passed a fence in state replay/],
  [
    'a fence is passed without its events',
    (h) => void of(h, 'all').entries.splice(2, 1),
    /passed a fence at 8 without 2/,
  ],
  ['a fence is behind what was there', (h) => put(of(h, 'all').entries[3]!, { atLeast: 9 }), /asked for when 9/],
  ['a batch is larger than asked for', (h) => put(of(h, 'all').params, { maxBatch: 1 }), /2 events, where 1/],
  ['a batch has too many bytes', (h) => put(batches(h, 'all')[1]!, { bytes: 300_000 }), /a batch of 300000 bytes/],
  [
    'something comes after the end',
    (h) => void of(h, 'all').entries.splice(1, 0, ended('shuttingDown')),
    /batch after its end/,
  ],
  [
    'an end that nobody asked for',
    (h) => void of(h, 'all').entries.push(ended('unsubscribed')),
    /ended as unsubscribed/,
  ],
  ['a take-over by nobody', (h) => void of(h, 'all').entries.push(ended('takenOver')), /ended as takenOver/],
  [
    'a shutting down of one that was killed',
    (h) => h.streams[0]!.entries.push(ended('shuttingDown')),
    /ended as shuttingDown/,
  ],
  [
    'a reset although all is kept',
    (h) => void of(h, 'state').entries.splice(2, 1, reset(6), snapshot(8)),
    /reset although all is kept/,
  ],
  ['a reset of one that was not passed', (h) => void resetState(h, 5), /which is not before store.5/],
  ['no snapshot behind a reset', (h) => void resetState(h, 6, batch(5, 8)), /batch in state reset/],
  [
    'what nobody subscribed to',
    (h) => void of(h, 'all').entries.push({ ...caughtUp(8), kind: 'unknown', method: 'stray x' }),
    /stray x/,
  ],

  [
    'a killed daemon lost what it had told',
    (h) => void loseAtKill(h),
    /told of seq 5; the daemon came back from SIGKILL with head 4/,
  ],
  ['a seq is given to another event', (h) => void reuse(h), /seq 5 is .*op3.* and .*another.* for life 1/],
  ['a cursor has two tags', (h) => put(h.lives[1]!.bounds, { head: 'store.5.other' }), /two tags/],
  ['a cursor of another store', (h) => put(batches(h, 'all')[1]!, { cursor: 'other.8.t8' }), /another store/],
  ['an acknowledged op is not there', (h) => put(h.outcomes[5]!, { opId: 'op7' }), /op7 was acknowledged at seq 8/],
  [
    'an op was acknowledged beyond the head',
    (h) => put(h.outcomes[5]!, { seq: 9, cursor: at(9) }),
    /at seq 9, and head/,
  ],
  [
    'an op was acknowledged at two places',
    (h) => h.outcomes.push({ ...h.outcomes[0]!, seq: 2 }),
    /answered with seq 1, and then with 2/,
  ],
  ['a refused op has events', (h) => h.rejected.push({ opId: 'op4', kind: 'NotFound' }), /op4 was refused/],
  [
    'an op sent again is applied again',
    (h) => put(h.again[0]!, { how: 'applied' }),
    /op1 was sent again and is applied/,
  ],
  [
    'a version is left out',
    (h) => everywhere(h, 8, (event) => put(event, { version: 4 })),
    /ses_b goes from version 2/,
  ],
  ['an op is in two pieces', (h) => everywhere(h, 7, (event) => put(event, { opId: 'op3' })), /op3 is in two pieces/],
  ['time goes back', (h) => everywhere(h, 7, (event) => put(event, { at: 1 })), /time goes back at seq 7/],

  [
    'resumed is claimed with a hole',
    (h) => put(started(h, 'all'), { cursor: at(6) }),
    /resumed at store.6.t6, asked for store.5/,
  ],
  ['resumed from what was expired', expiredButResumed, /resumed from .*; possible were CursorExpired/],
  ['a snapshot where it could have resumed', snapshotInstead, /because of CursorExpired; possible were resumes/],
  ['live where it should have resumed', (h) => put(started(h, 'all'), { mode: 'live' }), /live from store.5/],
  ['a snapshot under never', (h) => put(started(h, 'all'), { mode: 'snapshot' }), /a snapshot under never/],
  [
    'no snapshot under always',
    (h) => put(started(h, 'state'), { mode: 'resumed' }),
    /asked for a snapshot and got resumed/,
  ],
  ['a reason for what is resumed', (h) => put(started(h, 'all'), { reason: 'CursorExpired' }), /resumed because of/],
  [
    'a refusal of a good cursor',
    (h) => refuse(h, 'CursorExpired', -32010),
    /refused with CursorExpired; possible were resumes/,
  ],
  ['a refusal with a wrong code', (h) => refuse(h, 'CursorExpired', -32011), /CursorExpired has code -32011/],
  ['a start ahead of head', (h) => put(started(h, 'all'), { cursor: at(8) }), /ahead of store.5.t5/],
  ['a name that begins elsewhere', nameElsewhere, /resumed at store.5.t5, asked for store.6/],
  [
    'an acknowledgement of one taken over',
    (h) => {
      named(h, { from: at(5) });
      acked(h, 5, 5, false);
    },
    /taken from one that had been/,
  ],
  [
    'an acknowledgement that goes back',
    (h) => {
      named(h, { from: at(5) });
      acked(h, 8, 8);
      acked(h, 5, 5);
    },
    /is kept as store.5/,
  ],

  ['a snapshot with a wrong version', (h) => void raise(state(h), 5), /ses_a at version 5.*artifacts differ/],
  [
    'a snapshot with an old version',
    (h) => void raise(state(h), 3),
    /at version 3 in the snapshot at 5, where it had 4/,
  ],
  ['a snapshot without a session', (h) => void state(h).items.pop(), /has no ses_b/],
  ['a snapshot without a record', (h) => void state(h).items[0]!.artifacts.pop(), /artifacts differ/],
  ['a snapshot with a session twice', (h) => void state(h).items.push(state(h).items[0]!), /comes twice/],
  [
    'a snapshot that starts elsewhere',
    (h) => put(state(h), { cursor: at(6) }),
    /the snapshot is at store.6.t6, the answer said/,
  ],
  ['a snapshot without its end', (h) => void delete state(h).cursor, /done true and cursor undefined/],
  [
    'a snapshot with messages that were not asked for',
    (h) => put(state(h).items[0]!, { messages: [] }),
    /has messages/,
  ],
  ['a view that is not the tables', (h) => h.final!.tables[0]!.artifacts.pop(), /ses_a in the end: artifacts differ/],
  ['a view with a session that is gone', (h) => void h.final!.tables.shift(), /still sees ses_a/],
  ['a reader that did not come to the end', (h) => void of(h, 'all').entries.pop(), /did not come to store.8/],

  [
    'a page of events/read without an event',
    (h) => void h.reads[0]!.answer!.events.shift(),
    /poller.*without 1 events: 1/,
  ],
  ['a page of events/read with too many', (h) => put(h.reads[0]!.params, { limit: 1 }), /given 2 events, where 1/],
  ['a page that says it is all', (h) => put(h.reads[0]!.answer!, { more: false }), /is all, and head was store.5/],
  ['a run that failed', (h) => put(h, { failure: 'waited for x' }), /waited for x/],
];

test('of a history in which all is right it says nothing', () => {
  expect(checkHistory(goodHistory()).problems).toEqual([]);
});

test('of one with a reset, its snapshot and a name that was taken over it says nothing', () => {
  const history = goodHistory();
  resetState(history, 6, snapshot(8), caughtUp(8));
  const before = named(history, { from: at(5) }, { entries: [caughtUp(5)], end: 'closed' });
  named(history, {}, { entries: [caughtUp(5), batch(5, 8), sync(8)], continues: true });
  before.entries.push(ended('takenOver'));
  expect(checkHistory(history).problems).toEqual([]);
});

test.each(wrongs)('it finds that %s', (_name, spoil, said) => {
  const history = structuredClone(goodHistory());
  spoil(history);
  expect(checkHistory(history).problems.join('\n')).toMatch(said);
});

function loseForAll(history: History): void {
  for (const each of history.streams) {
    for (const entry of each.entries)
      if (entry.kind === 'batch') entry.events = entry.events.filter(({ seq }) => seq !== 7);
  }
  history.final!.events = history.final!.events.filter(({ seq }) => seq !== 7);
}

function splitOp(history: History): void {
  history.streams[0]!.entries.splice(2, 1, batch(2, 4), batch(4, 5));
}

function piecesOfTwo(history: History): void {
  const pieces = [batch(5, 7), batch(5, 8, [8])] as [Batch, Batch];
  delete pieces[0].cursor;
  pieces[0].more = true;
  of(history, 'all').entries.splice(1, 2, ...pieces);
}

function smallPieces(history: History): void {
  const pieces = [batch(2, 4), batch(2, 5, [5])] as [Batch, Batch];
  delete pieces[0].cursor;
  pieces[0].more = true;
  history.streams[0]!.entries.splice(2, 1, ...pieces);
}

function bookmarkBetweenPieces(history: History): void {
  smallPieces(history);
  history.streams[0]!.entries.splice(3, 0, bookmark(2, 2));
}

function aheadOfHead(history: History): void {
  const mark = of(history, 'narrow').entries.find((entry) => entry.kind === 'bookmark')!;
  Object.assign(mark, { head: at(7) });
}

/** The reader of the state is passed behind its first batch. */
function resetState(history: History, earliest: number, ...behind: Entry[]): void {
  history.plan = { retention: 'smallest' };
  of(history, 'state').entries.splice(2, 1, reset(earliest), ...behind);
}

function loseAtKill(history: History): void {
  history.lives[1]!.bounds.head = at(4);
  history.lives[1]!.audit.pop();
}

function reuse(history: History): void {
  const audit = history.lives[1]!.audit;
  audit[4] = { ...audit[4]!, opId: 'another' };
}

function everywhere(history: History, seq: number, change: (event: Event) => void): void {
  const found = [
    ...history.streams.flatMap(({ entries }) =>
      entries.flatMap((entry) => (entry.kind === 'batch' ? entry.events : [])),
    ),
    ...history.lives.flatMap(({ audit }) => audit),
    ...history.final!.events,
  ];
  for (const event of found) if (event.seq === seq) change(event);
}

function expiredButResumed(history: History): void {
  history.plan = { retention: 'smallest' };
  const bounds = { earliest: at(6), head: at(8) };
  Object.assign(of(history, 'all'), { before: bounds, after: bounds });
}

function snapshotInstead(history: History): void {
  Object.assign(of(history, 'state').params, { from: at(5), snapshot: 'onGap' });
  started(history, 'state').reason = 'CursorExpired';
  history.plan = { retention: 'smallest' };
}

function refuse(history: History, kind: string, code: number): void {
  const error = { code, message: '', data: { kind, earliest: at(6), head: at(8) } };
  Object.assign(of(history, 'all'), { answer: { n: 0, error } });
}

function nameElsewhere(history: History): void {
  named(history, { from: at(5) }, { end: 'closed' });
  acked(history, 6, 6);
  named(history, {});
}

function raise(entry: Snapshot, version: number): void {
  for (const item of entry.items) {
    if (item.session.id === 'ses_a') item.session = { ...item.session, version };
  }
}

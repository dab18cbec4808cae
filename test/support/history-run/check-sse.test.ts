// The checker finds what is wrong over SSE: each put into a history in which all else is right, as in check.test.ts.
import { expect, test } from 'vitest';
import { checkHistory } from './check.ts';
import type { Entry, History, Started, Stream } from './history.ts';
import { at, batch, caughtUp, goodHistory, reset, snapshot, withIds } from './sample.ts';

/** The second connection of the page, which the first life's death had cut off at 5. */
const second = (history: History): Stream => history.streams.findLast(({ who }) => who === 'page')!;
const batchesOf = (history: History) => second(history).entries.filter((entry) => entry.kind === 'batch');

function spliced(history: History, from: number, count: number, ...entries: Entry[]): void {
  second(history).entries.splice(from, count, ...withIds(entries));
}

/** What is put in, and what the checker says of it. */
const wrongs: [name: string, spoil: (history: History) => void, said: RegExp][] = [
  ['a reader lost its last id', (h) => goOn(h, 0, [batch(0, 8), caughtUp(8)], 'start'), /from start, and was told 5/],
  ['a reader says an older id', (h) => goOn(h, 2, [batch(2, 8), caughtUp(8)]), /goes on from 2, and was told 5/],
  ['a reader says an id that it was not told', (h) => goOn(h, 6, [caughtUp(6), batch(6, 8)]), /from 6, and was told 5/],
  ['from won over Last-Event-ID', (h) => set(second(h), { lastEventId: at(2) }), /told 2 and was answered for 5/],
  ['a batch comes twice', (h) => spliced(h, 2, 0, batch(5, 6)), /prev is 5, and it was told 6 before/],
  ['a batch comes again behind Last-Event-ID', (h) => spliced(h, 1, 0, batch(2, 5)), /prev is 2, and it was told 5/],
  ['an event is lost', (h) => void batchesOf(h)[1]!.events.pop(), /from 6 to 8 without 1 events: 8/],
  ['a batch is lost', (h) => spliced(h, 1, 1), /prev is 6, and it was told 5/],
  ['an id is ahead of its batch', (h) => set(batchesOf(h)[0]!, { id: at(8) }), /batch at 6 came with the id 8/],
  ['an id is that of the batch before', (h) => set(batchesOf(h)[1]!, { id: at(6) }), /batch at 8 came with the id 6/],
  ['a batch has no id', (h) => void delete batchesOf(h)[1]!.id, /batch at 8 came with the id undefined/],
  ['the start has no id', (h) => void delete (second(h).answer as { id?: string }).id, /resumed at 5 .* id undefined/],
  ['a reset has an id', (h) => set(passed(h)[0]!, { id: at(6) }), /reset at undefined came with the id 6/],
  ['an id comes before the state', (h) => set(tooLate(h).answer!, { id: at(8) }), /snapshot at 8 came with the id 8/],
  ['a gap is no refusal', (h) => refused(h, 200), /refused with CursorExpired and status 200/],
  ['a reader did not come to the end', (h) => void second(h).entries.pop(), /page.*did not come to 8/],
];

test('of pages that were reset, sent the state, or refused, it says nothing', () => {
  for (const change of [passed, tooLate, (history: History) => refused(history, 410)]) {
    const history = goodHistory();
    change(history);
    expect(checkHistory(history).problems).toEqual([]);
  }
});

test.each(wrongs)('it finds that %s', (_name, spoil, said) => {
  const history = structuredClone(goodHistory());
  spoil(history);
  const problems = checkHistory(history).problems.join('\n');
  expect(problems.replace(/store\.(\d+)\.t\d+/g, '$1')).toMatch(said);
});

const set = (target: object, members: object) => void Object.assign(target, members);

const bounds = (earliest: number) => {
  const of = { earliest: at(earliest), head: at(8) };
  return { before: of, after: of };
};

function answer(mode: Started['mode'], cursor: number, reason?: string): { n: number; result: Started } {
  const result = { subscription: 'sub_1', mode, cursor: at(cursor), head: at(8), ...(reason ? { reason } : {}) };
  return { n: 0, result };
}

/** The second connection begins elsewhere, and all that is told it is right for there. */
function goOn(history: History, seq: number, entries: Entry[], from?: string): void {
  const page = second(history);
  set(page, { ...bounds(0), answer: { ...answer('resumed', seq), id: at(seq) }, entries: withIds(entries) });
  set(page, { params: { ...page.params, from: from ?? at(seq) }, lastEventId: from ? undefined : at(seq) });
}

/** The page is passed behind its first batch; returns what it is told from there on. */
function passed(history: History): Entry[] {
  history.plan = { retention: 'smallest' };
  delete second(history).params.snapshot;
  spliced(history, 2, 1, reset(7), snapshot(8), caughtUp(8));
  return second(history).entries.slice(2);
}

/** The page comes back when its place is gone, and is sent the state. */
function tooLate(history: History): Stream {
  history.plan = { retention: 'smallest' };
  const page = second(history);
  delete page.params.snapshot;
  const entries = withIds([snapshot(8), caughtUp(8)]);
  set(page, { ...bounds(6), answer: answer('snapshot', 8, 'CursorExpired'), entries });
  return page;
}

function refused(history: History, status: number): void {
  history.plan = { retention: 'smallest' };
  const { before, after } = bounds(6);
  const error = { code: -32010, message: '', data: { kind: 'CursorExpired', ...before } };
  set(second(history), { before, after, answer: { n: 0, error, status }, end: 'lost', entries: [] });
}

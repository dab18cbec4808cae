import { describe, expect, test } from 'vitest';
import type { ReadLimits } from '../../daemon/store/journal.ts';
import { formatCursor, parseCursor } from '../../protocol/cursor.ts';
import { isRefusal } from '../../protocol/errors.ts';
import { testHome } from '../support/daemon.ts';
import type { Records } from '../support/records.ts';
import { allEvents, op, openRecords, owner } from '../support/records.ts';

async function withEvents(count: number, folder = testHome().paths.data): Promise<Records> {
  const records = openRecords(folder);
  for (let made = 0; made < count; made += 1) {
    await records.writer.appendOne(
      owner,
      op('session/create', { sessionId: `ses_${made}`, directory: `/d${made % 2}` }),
    );
  }
  return records;
}

function verdict({ journal }: Records, cursor: string): string {
  const checked = journal.check(cursor);
  return isRefusal(checked) ? checked.refused : 'resumes';
}

/** Cuts the journal's first events off, as retention will. */
function prune({ db }: Records, through: number): void {
  db.exec(`
    UPDATE store SET floor_seq = ${through}, floor_tag = (SELECT tag FROM event WHERE seq = ${through});
    DELETE FROM event WHERE seq <= ${through};`);
}

describe('a cursor', () => {
  test('resumes from the start, from every event and from head', async () => {
    const records = await withEvents(3);
    const { storeId } = records.journal;
    const tags = records.db.prepare('SELECT seq, tag FROM event').all() as { seq: number; tag: number }[];
    for (const { seq, tag } of tags) expect(verdict(records, `${storeId}.${seq}.${tag.toString(36)}`)).toBe('resumes');
    expect(verdict(records, formatCursor(records.journal.earliest))).toBe('resumes');
    expect(verdict(records, formatCursor(records.journal.head))).toBe('resumes');
  });

  test('[P1] of another store is StoreChanged', async () => {
    const records = await withEvents(1);
    const other = await withEvents(1);
    expect(verdict(records, formatCursor(other.journal.head))).toBe('StoreChanged');
  });

  test('[P1] of a store that was put back by hand is Diverged or CursorInFuture', async () => {
    const records = await withEvents(2);
    const { storeId, head } = records.journal;
    expect(verdict(records, `${storeId}.2.zzzzz`)).toBe('Diverged');
    expect(verdict(records, `${storeId}.0.zzzzz`)).toBe('Diverged');
    expect(verdict(records, `${storeId}.3.${head.tag}`)).toBe('CursorInFuture');
  });

  test('[P2] one ahead of head is CursorInFuture, and head itself is not', async () => {
    const records = await withEvents(2);
    const { storeId, head } = records.journal;
    expect(verdict(records, `${storeId}.${head.seq}.${head.tag}`)).toBe('resumes');
    expect(verdict(records, `${storeId}.${head.seq + 1}.${head.tag}`)).toBe('CursorInFuture');
  });

  test('[P3] before earliest is CursorExpired whatever its tag, at earliest and after it resumes', async () => {
    const folder = testHome().paths.data;
    const before = await withEvents(4, folder);
    const cursors = [1, 2, 3].map((seq) => formatCursor(before.journal.cursorAt(seq)));
    prune(before, 2);
    before.close();
    const records = openRecords(folder);
    expect(cursors.map((cursor) => verdict(records, cursor))).toEqual(['CursorExpired', 'resumes', 'resumes']);
    expect(verdict(records, `${records.journal.storeId}.1.zzzzz`)).toBe('CursorExpired');
  });

  test('that is none is refused as such', async () => {
    const records = await withEvents(1);
    const { storeId } = records.journal;
    for (const text of [
      '',
      'x',
      `${storeId}.1`,
      `${storeId}.-1.a`,
      `${storeId}.1e3.a`,
      `${storeId}.01.a`,
      `${storeId}.1.`,
    ]) {
      expect(parseCursor(text), text).toBeUndefined();
      expect(verdict(records, text)).toBe('InvalidParams');
    }
  });
});

describe('the journal', () => {
  test('[P9] keeps head and goes on from it after everything was pruned and the store was opened again', async () => {
    const folder = testHome().paths.data;
    const before = await withEvents(3, folder);
    const head = formatCursor(before.journal.head);
    prune(before, 3);
    before.close();
    const records = openRecords(folder);
    expect(formatCursor(records.journal.head)).toBe(head);
    expect(formatCursor(records.journal.earliest)).toBe(head);
    expect((await records.writer.appendOne(owner, op('session/create', {}))).seq).toBe(4);
  });

  test('[P28] continues its seq and its cursors over a restart', async () => {
    const folder = testHome().paths.data;
    const before = await withEvents(2, folder);
    const cursor = formatCursor(before.journal.head);
    before.close();
    const records = openRecords(folder);
    expect(verdict(records, cursor)).toBe('resumes');
    expect((await records.writer.appendOne(owner, op('session/create', {}))).seq).toBe(3);
  });

  test('reads in order, at most as much as asked for, and tells how far it looked', async () => {
    const records = await withEvents(5);
    const { journal } = records;
    const page = journal.readAfter(journal.earliest, {}, { events: 2, bytes: 1e6 });
    expect(page.events.map((event) => event.seq)).toEqual([1, 2]);
    expect(page.through.seq).toBe(2);
    const rest = journal.readAfter(page.through, {}, { events: 100, bytes: 1e6 });
    expect(rest.events.map((event) => event.seq)).toEqual([3, 4, 5]);
    expect(rest.through).toEqual(journal.head);
  });

  test('ends a page at its text limit, with at least one event', async () => {
    const { journal } = await withEvents(3);
    expect(journal.readAfter(journal.earliest, {}, { events: 100, bytes: 1 }).events.map((event) => event.seq)).toEqual(
      [1],
    );
  });

  test('leaves an op that does not fit behind others to the next page', async () => {
    const records = await withEvents(1);
    const { journal, writer } = records;
    await writer.appendOne(
      owner,
      op('artifact/put', { sessionId: 'ses_0', kind: 'k', key: 'a', data: 'é'.repeat(5_000) }),
    );
    const small = journal.readAfter(journal.earliest, {}, { events: 100, bytes: 10_000 });
    expect(small.events.map((event) => event.seq)).toEqual([1]);
    expect(small.through.seq).toBe(1);
    expect(
      journal.readAfter(small.through, {}, { events: 100, bytes: 10_000 }).events.map((event) => event.seq),
    ).toEqual([2]);
    // Bytes, not UTF-16 units: the text alone is 10,000 of them.
    expect(journal.readAfter(journal.earliest, {}, { events: 100, bytes: 20_000 }).events).toHaveLength(2);
  });

  test('splits an op only where it alone goes beyond the limits, and says so', async () => {
    const records = await withEvents(1);
    const { journal, writer } = records;
    const parts = Array.from({ length: 5 }, () => ({ type: 'text', text: 'x'.repeat(1_000) }) as const);
    const start = { sessionId: 'ses_0', agent: 'a', model: { providerId: 'p', modelId: 'm' }, parts };
    await writer.appendOne(owner, op('turn/start', start)); // seq 2 to 8
    await writer.appendOne(owner, op('session/create', {}));
    const walk = (limits: ReadLimits, filter = {}) => {
      const pages: [seqs: number[], through: number, whole: boolean][] = [];
      for (let at = journal.earliest; at.seq < journal.head.seq; at = journal.cursorAt(pages.at(-1)![1])) {
        const { events, through, whole } = journal.readAfter(at, filter, limits);
        pages.push([events.map(({ seq }) => seq), through.seq, whole]);
      }
      return pages;
    };
    expect(walk({ events: 1, bytes: 1e6 })).toEqual([
      [[1], 1, true],
      [[2, 3, 4, 5, 6, 7, 8], 8, true],
      [[9], 9, true],
    ]);
    expect(walk({ events: 100, bytes: 4_000 })).toEqual([
      [[1], 1, true],
      [[2, 3, 4, 5], 5, false],
      [[6, 7, 8], 8, true],
      [[9], 9, true],
    ]);
    expect(walk({ events: 2, bytes: 1e6, eventsOfAnyOp: 3 }, { types: ['part/*'] })).toEqual([
      [[4, 5, 6], 6, false],
      [[7, 8], 9, true],
    ]);
  });

  test('moves on also where nothing matches', async () => {
    const { journal } = await withEvents(3);
    const page = journal.readAfter(journal.earliest, { types: ['part/*'] }, { events: 100, bytes: 1e6 });
    expect(page.events).toEqual([]);
    expect(page.through).toEqual(journal.head);
  });

  test('filters by session, directory, agent and type, and still matches after a deletion', async () => {
    const records = await withEvents(3);
    await records.writer.appendOne(owner, op('session/delete', { sessionId: 'ses_1' }));
    const { journal } = records;
    const seqs = (filter: object) =>
      journal.readAfter(journal.earliest, filter, { events: 100, bytes: 1e6 }).events.map((event) => event.seq);
    expect(seqs({ sessions: ['ses_1'] })).toEqual([2, 4]);
    expect(seqs({ directory: '/d1' })).toEqual([2, 4]);
    expect(seqs({ types: ['session/deleted'] })).toEqual([4]);
    expect(seqs({ types: ['session/*'], sessions: ['ses_0', 'ses_1'] })).toEqual([1, 2, 4]);
    expect(seqs({ agents: ['none'] })).toEqual([]);
  });

  test('puts a random tag on the events of each transaction, so that another history is told', async () => {
    const records = await withEvents(50);
    const tags = new Set(records.db.prepare('SELECT tag FROM event').pluck().all());
    expect(tags.size).toBeGreaterThan(45);
    expect(allEvents(records)).toHaveLength(50);
  });
});

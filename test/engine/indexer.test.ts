// The index follows the journal: after any ops it has what the tables have, whatever was pruned, removed or put anew.
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { IndexerLimits } from '../../daemon/engine/indexer.ts';
import { Indexer } from '../../daemon/engine/indexer.ts';
import { Pruner } from '../../daemon/store/pruner.ts';
import { readFound } from '../../daemon/store/search-query.ts';
import { wordsOf } from '../../daemon/store/search-text.ts';
import { formatCursor } from '../../protocol/cursor.ts';
import { afterTest, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Records } from '../support/records.ts';
import { HandRuntime, op, openRecords, owner, readTables } from '../support/records.ts';

/** Its sleeps end when the test says so, or with their signal. */
class PausingRuntime extends HandRuntime {
  readonly told: string[] = [];
  override readonly log = {
    info: (fields = {}) => void ('because' in fields && this.told.push(`made: ${fields.because}`)),
    warn: (fields = {}) => void ('because' in fields && this.told.push(`damaged: ${fields.because}`)),
    error: (_: object, message = '') => void this.told.push(message),
  };
  readonly pauses: { ms: number; end: () => void }[] = [];
  override sleep = (ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      if (signal.aborted) reject(signal.reason);
      this.pauses.push({ ms, end: resolve });
    });
}

function indexing(limits: Partial<IndexerLimits> = {}, folder = testHome().paths.data) {
  const records = openRecords(folder);
  const path = join(folder, 'search.db');
  const runtime = new PausingRuntime();
  const { db, journal, bell } = records;
  const indexer = new Indexer({ path, db, journal, bell, runtime, limits });
  const abort = new AbortController();
  const start = () => {
    const run = indexer.run(abort.signal);
    afterTest(() => stop());
    const stop = () => {
      abort.abort();
      return run;
    };
    return stop;
  };
  const reached = (seq = journal.head.seq) =>
    within(
      'the index to get there',
      new Promise<void>((resolve) => {
        if (indexer.hasReached(seq)) resolve();
        else indexer.onReached(seq, resolve);
      }),
    );
  const search = (query: string) => {
    const time = { searchMs: 1, pageMs: 1, monotonic: () => 0 };
    const paths = { store: join(folder, 'store.db'), index: path };
    const found = readFound(paths, { ...wordsOf(query), limit: 1000 }, time);
    if (!('items' in found)) throw new Error(JSON.stringify(found));
    return found.items.map((item) => (JSON.parse(item) as { partId: string }).partId.slice(4)).sort();
  };
  /** The parts that have rows in the index, found or not. */
  const rows = () => {
    const index = new Database(path, { readonly: true });
    try {
      return index.prepare('SELECT count(*) FROM doc').pluck().get() as number;
    } finally {
      index.close();
    }
  };
  return { ...records, runtime, indexer, start, reached, search, rows, folder, path };
}

async function put(records: Pick<Records, 'writer'>, session: string, part: string, text: string): Promise<void> {
  const at = { sessionId: `ses_${session}`, messageId: `msg_${session}` };
  await records.writer.append(owner, [
    op('session/create', { sessionId: at.sessionId }),
    op('message/put', { ...at, role: 'user' }),
    op('part/put', { ...at, partId: `prt_${part}`, part: { type: 'text', text } }),
  ]);
  // The bell rings behind the replies.
  await nextTurn();
}

const words = ['ash', 'birch', 'cedar'];
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('put' as const), session: fc.nat(2), part: fc.nat(9), word: fc.nat(2) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('removePart' as const), session: fc.nat(2), part: fc.nat(9) }) },
  fc.record({ do: fc.constant('removeMessage' as const), session: fc.nat(2) }),
  fc.record({ do: fc.constant('removeSession' as const), session: fc.nat(2) }),
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reach' as const) }) },
  fc.record({ do: fc.constant('prune' as const), keep: fc.nat(6) }),
  fc.record({ do: fc.constant('remake' as const) }),
);

describe('the indexer', () => {
  test('after any ops, with the journal pruned anywhere, it finds what a look at every part finds', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.constantFrom(1, 300, 1 << 20),
        async (steps, biteBytes) => {
          const records = indexing({ biteBytes, maxRetryMs: 0 });
          const stop = records.start();
          const pruner = new Pruner(records.db, records.journal);
          // A deleted session's id stays taken, and so do those of removed messages and parts.
          const lives = [0, 0, 0];
          for (const each of steps) {
            const session = 'session' in each ? `${each.session}x${lives[each.session]}` : '';
            const part = `${session}p${'part' in each ? each.part : ''}`;
            const sessionId = `ses_${session}`;
            if (each.do === 'put') await put(records, session, part, `${words[each.word]} and more`);
            else if (each.do === 'reach') await records.reached();
            else if (each.do === 'remake') records.indexer.remake('a test', records.indexer.place);
            else if (each.do === 'prune') {
              const target = records.journal.head.seq - each.keep;
              await records.writer.write(() => pruner.cut(target, 1_000));
            } else if (each.do === 'removePart') {
              await records.writer.append(owner, [op('part/remove', { sessionId, partId: `prt_${part}` })]);
            } else if (each.do === 'removeMessage') {
              await records.writer.append(owner, [op('message/remove', { sessionId, messageId: `msg_${session}` })]);
              lives[each.session]! += 1;
            } else {
              await records.writer.append(owner, [op('session/delete', { sessionId })]);
              lives[each.session]! += 1;
            }
          }
          await records.reached();
          const held = [...readTables(records).values()].flatMap(({ messages }) =>
            messages.flatMap(({ parts }) => parts),
          );
          for (const word of words) {
            const expected = held.filter((part) => part.type === 'text' && part.text.startsWith(word));
            expect(records.search(word)).toEqual(expected.map(({ id }) => id.slice(4)).sort());
          }
          expect(records.rows()).toBe(held.length);
          await stop();
          records.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  test('what retention removed behind its back is found complete, and what is gone has no rows', async () => {
    const records = indexing();
    const stop = records.start();
    for (let at = 0; at < 20; at += 1) await put(records, 'a', `a${at}`, 'ash');
    await records.reached();
    const pruner = new Pruner(records.db, records.journal);
    for (let at = 0; at < 10; at += 1) {
      await records.writer.append(owner, [op('part/remove', { sessionId: 'ses_a', partId: `prt_a${at}` })]);
    }
    await put(records, 'a', 'late', 'ash');
    await records.writer.write(() => pruner.cut(records.journal.head.seq, 1_000));
    expect(records.journal.floorSeq).toBe(records.journal.head.seq);
    await records.reached();
    expect(records.search('ash')).toHaveLength(11);
    expect(records.rows()).toBe(11);
    await stop();
  });

  test('started again behind what was pruned it is made anew, and is complete', async () => {
    const first = indexing();
    const stop = first.start();
    await put(first, 'a', 'a0', 'ash');
    await first.reached();
    await stop();
    await put(first, 'a', 'a1', 'ash');
    const pruner = new Pruner(first.db, first.journal);
    await first.writer.write(() => pruner.cut(first.journal.head.seq, 1_000));
    first.close();
    const second = indexing({}, first.folder);
    second.start();
    await second.reached();
    expect(second.search('ash')).toEqual(['a0', 'a1']);
  });

  test('it waits while others write, hurries for who waits, and goes on after a while all the same', async () => {
    const records = indexing({ quietMs: 7, maxDelayMs: 1_000 });
    records.start();
    await put(records, 'a', 'a0', 'ash');
    const { seq } = records.journal.head;
    await untilPausing(records.runtime);
    expect(records.indexer.hasReached(seq)).toBe(false);
    // More is written: the pause is followed by another, until it was long enough.
    await put(records, 'a', 'a1', 'ash');
    records.runtime.pauses.shift()!.end();
    await untilPausing(records.runtime);
    expect(records.indexer.hasReached(seq)).toBe(false);
    await put(records, 'a', 'a2', 'ash');
    records.runtime.time += 1_000;
    records.runtime.pauses.shift()!.end();
    await untilPausing(records.runtime);
    expect(records.indexer.hasReached(seq)).toBe(true);
    // Somebody waits: no pause is waited for.
    await put(records, 'a', 'a3', 'ash');
    await records.reached();
    expect(records.search('ash')).toEqual(['a0', 'a1', 'a2', 'a3']);
  });
});

/** Overwrites the last page of this table. */
function damageStore(folder: string, table: string): void {
  const db = new Database(join(folder, 'store.db'));
  db.pragma('wal_checkpoint(TRUNCATE)');
  const size = db.pragma('page_size', { simple: true }) as number;
  const sql = `SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY pageno`;
  const pages = db.prepare(sql).pluck().all(table) as number[];
  db.close();
  const file = openSync(join(folder, 'store.db'), 'r+');
  writeSync(file, Buffer.alloc(size, 0x5a), 0, size, (pages.at(-1)! - 1) * size);
  closeSync(file);
}

describe('what is wrong with the disk', () => {
  const blocks: Record<string, (path: string) => void> = {
    'a folder in its place': (path) => mkdirSync(path),
    'a folder with a file in its place': (path) => {
      mkdirSync(path);
      writeFileSync(join(path, 'x'), '');
    },
    'a folder in the place of its log': (path) => mkdirSync(`${path}-wal`),
  };

  test.each(Object.keys(blocks))('delays the index and is told once: %s', async (name) => {
    const records = indexing({ retryMs: 5, maxRetryMs: 8 });
    const { indexer, runtime, path } = records;
    blocks[name]!(path);
    const stop = records.start();
    await put(records, 'a', 'a0', 'ash');
    for (const ms of [5, 8, 8, 8]) {
      await untilPausing(runtime, ms);
      expect(indexer.isDelayed).toBe(true);
      expect(indexer.fault).toEqual({ what: 'index', reason: 'readOnly', message: runtime.told[0] });
      runtime.pauses.pop()!.end();
    }
    expect(runtime.told).toEqual([expect.stringMatching(/search\.db.*cannot be written.*move away/)]);
    rmSync(path, { recursive: true, force: true });
    rmSync(`${path}-wal`, { recursive: true, force: true });
    await records.reached();
    expect(records.search('ash')).toEqual(['a0']);
    expect(indexer.fault).toBeUndefined();
    expect(runtime.told).toHaveLength(2);
    await stop();
  });

  const others: Record<string, (path: string) => void> = {
    'a link to a file elsewhere': (path) => symlinkSync(`${path}.precious`, path),
    'a link to nowhere': (path) => symlinkSync(`${path}.nowhere`, path),
    'a link to itself': (path) => symlinkSync(path, path),
    'a pipe': (path) => execFileSync('mkfifo', [path]),
    'another database': (path) => new Database(path).exec('CREATE TABLE t (x)').close(),
  };

  test.each(Object.keys(others))('%s in its place is made anew, and what it leads to is left alone', async (name) => {
    const records = indexing();
    writeFileSync(`${records.path}.precious`, 'precious', { mode: 0o644 });
    others[name]!(records.path);
    const stop = records.start();
    await put(records, 'a', 'a0', 'ash');
    await records.reached();
    expect(records.search('ash')).toEqual(['a0']);
    expect(readFileSync(`${records.path}.precious`, 'utf8')).toBe('precious');
    expect(statSync(`${records.path}.precious`).mode & 0o777).toBe(0o644);
    await stop();
  });

  test('[P24] a page of the store that cannot be read makes no index anew, is told once, and is waited for', async () => {
    const first = indexing();
    for (let at = 0; at < 300; at += 1) await put(first, 'a', `a${at}`, `ash ${'and more '.repeat(100)}`);
    first.close();
    damageStore(first.folder, 'body');
    const records = indexing({ retryMs: 5, maxRetryMs: 8 }, first.folder);
    const stop = records.start();
    for (const ms of [5, 8, 8]) {
      await untilPausing(records.runtime, ms);
      records.runtime.pauses.pop()!.end();
    }
    expect(records.runtime.told).toEqual([
      'made: there is none',
      expect.stringMatching(/the store could not be read.*backup/),
    ]);
    // What stands before it can be searched all the same.
    expect(records.indexer.fault).toBeUndefined();
    expect(records.indexer.place.seq).toBeGreaterThan(0);
    await stop();
  });

  test('[P24] an index that is found damaged again and again is made anew ever more rarely', async () => {
    const records = indexing({ retryMs: 5, maxRetryMs: 15 });
    const { indexer, runtime } = records;
    const stop = records.start();
    await put(records, 'a', 'a0', 'ash');
    await records.reached();
    indexer.remake('one', indexer.place);
    await records.reached();
    for (const ms of [10, 15, 15]) {
      const { place } = indexer;
      indexer.remake('more', place);
      await untilPausing(runtime, ms);
      // Told by many at once, it is made anew once.
      indexer.remake('more', place);
      const told = runtime.told.length;
      runtime.pauses.pop()!.end();
      await records.reached();
      indexer.remake('more', place);
      expect(indexer.hasReached(records.journal.head.seq)).toBe(true);
      expect(runtime.told.slice(told)).toEqual(['damaged: more', 'made: there is none']);
    }
    runtime.time += 15;
    indexer.remake('later', indexer.place);
    await records.reached();
    expect(records.search('ash')).toEqual(['a0']);
    await stop();
  });

  test('who waits for the index is let go when it has to rest', async () => {
    const records = indexing();
    mkdirSync(records.path);
    await put(records, 'a', 'a0', 'ash');
    const woken = new Promise<void>((resolve) => records.indexer.onReached(records.journal.head.seq, resolve));
    const stop = records.start();
    await within('the one who waits to be let go', woken);
    expect(records.indexer.isDelayed).toBe(true);
    await stop();
  });
});

test('an index that is not the one that is written is told from it', async () => {
  const records = indexing({ maxRetryMs: 0 });
  const { indexer, journal } = records;
  const stop = records.start();
  await put(records, 'a', 'a0', 'ash');
  await records.reached();
  const { place } = indexer;
  const { head } = journal;
  await put(records, 'a', 'a1', 'ash');
  await records.reached();
  const at = (change: object) => indexer.strangerAt(formatCursor({ ...head, ...change }), place);
  expect([at({}), at(journal.head)]).toEqual([undefined, undefined]);
  const stranger = 'another index was put in its place';
  expect([at({ seq: head.seq - 1 }), at({ seq: journal.head.seq + 1 })]).toEqual([stranger, stranger]);
  expect(at({ storeId: 'another' })).toBe(stranger);
  indexer.remake('a test', place);
  await records.reached();
  expect(at({})).toBe('it was made anew meanwhile');
  await stop();
});

/** Until it pauses, for so many ms where that matters. */
async function untilPausing(runtime: PausingRuntime, ms?: number): Promise<void> {
  const wait = async () => {
    for (;;) {
      const pause = runtime.pauses.at(-1);
      if (pause && (ms === undefined || pause.ms === ms)) return;
      // Another pause is the one for quiet.
      if (pause && ms !== undefined) runtime.pauses.pop()!.end();
      await nextTurn();
    }
  };
  await within('the indexer to pause', wait(), () => runtime.pauses);
}

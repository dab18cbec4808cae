// The index follows the journal: after any ops it has what the tables have, whatever was pruned, removed or put anew.
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { IndexerLimits } from '../../daemon/engine/indexer.ts';
import { Indexer } from '../../daemon/engine/indexer.ts';
import { Pruner } from '../../daemon/store/pruner.ts';
import { readFound } from '../../daemon/store/search-query.ts';
import { matchOf } from '../../daemon/store/search-text.ts';
import { afterTest, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Records } from '../support/records.ts';
import { HandRuntime, op, openRecords, owner, readTables } from '../support/records.ts';

/** Its sleeps end when the test says so, or with their signal. */
class PausingRuntime extends HandRuntime {
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
    const found = readFound({ store: join(folder, 'store.db'), index: path }, { ...matchOf(query), limit: 1000 });
    if ('damaged' in found) throw new Error(found.damaged);
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
  return { ...records, runtime, indexer, start, reached, search, rows, folder };
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
          const records = indexing({ biteBytes });
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
            else if (each.do === 'remake') records.indexer.remake('a test');
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

async function untilPausing(runtime: PausingRuntime): Promise<void> {
  const wait = async () => {
    while (runtime.pauses.length === 0) await nextTurn();
  };
  await within('the indexer to pause', wait());
}

// The journal is cut from its beginning, in whole ops, and whoever was behind it is told (PROTOCOL.md 5, "Retention").
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { RetentionRule } from '../../daemon/core/retention.ts';
import { floorFor } from '../../daemon/core/retention.ts';
import { Compaction } from '../../daemon/engine/compaction.ts';
import { Retention } from '../../daemon/engine/retention.ts';
import { FreeSpace } from '../../daemon/store/free-space.ts';
import { Pruner } from '../../daemon/store/pruner.ts';
import { formatCursor } from '../../protocol/cursor.ts';
import type { RpcError } from '../../protocol/errors.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Records } from '../support/records.ts';
import { allEvents, HandRuntime, op, openRecords, owner, readTables } from '../support/records.ts';

const keepAll: RetentionRule = { maxEvents: 1e9, maxAgeMs: 1e12, maxLagEvents: 1e9 };

function retentionOf(records: Records, rule: Partial<RetentionRule>): Retention {
  const { journal, writer, runtime, db } = records;
  return new Retention({
    journal,
    pruner: new Pruner(db, journal),
    writer,
    runtime,
    rule: { ...keepAll, ...rule },
    acknowledged: () => [],
  });
}

async function withMessages(count: number, folder = testHome().paths.data): Promise<Records> {
  const records = openRecords(folder);
  await records.writer.appendOne(owner, op('session/create', { sessionId: 'ses_a' }));
  for (let at = 0; at < count; at += 1) {
    records.runtime.time += 10;
    await records.writer.appendOne(
      owner,
      op('message/put', { sessionId: 'ses_a', messageId: `msg_${at}`, role: 'user' }),
    );
  }
  return records;
}

describe('the floor', () => {
  const rule = { maxEvents: 10, maxAgeMs: 1, maxLagEvents: 20 };
  test.each<[string, [floor: number, head: number, aged: number], number[], number]>([
    ['stays where fewer are there than are kept', [0, 9, 0], [], 0],
    ['goes up so that maxEvents are left', [0, 15, 0], [], 5],
    ['goes up to what is too old', [0, 15, 12], [], 12],
    ['never goes down', [7, 15, 0], [], 7],
    ['waits for who has not acknowledged', [0, 15, 0], [3, 9], 3],
    ['waits for them with what is too old too', [0, 15, 12], [4], 4],
    ['waits no longer than for maxLagEvents', [0, 35, 0], [3], 15],
    ['does not wait for who is ahead', [0, 15, 0], [15], 5],
  ])('%s', (_name, [floor, head, aged], acknowledged, expected) => {
    expect(floorFor({ floor, head, aged }, acknowledged, rule)).toBe(expected);
  });
});

describe('retention', () => {
  test('[P3] by count: before earliest is CursorExpired, at it and behind it resumes', async () => {
    const records = await withMessages(9);
    const { journal } = records;
    const cursors = [4, 5, 6].map((seq) => formatCursor(journal.cursorAt(seq)));
    const retention = retentionOf(records, { maxEvents: 5 });
    const verdicts = () =>
      cursors.map((cursor) => journal.check(cursor, retention.floor)).map((each) => 'refused' in each);
    // Judged before it is cut off, and after.
    expect(verdicts()).toEqual([true, false, false]);
    await retention.cut();
    expect(journal.floorSeq).toBe(5);
    expect(verdicts()).toEqual([true, false, false]);
    expect(allEvents(records).map(({ seq }) => seq)).toEqual([6, 7, 8, 9, 10]);
  });

  test('[P4] by age: judged by the clock, after a quiet time too', async () => {
    const records = await withMessages(9);
    const { journal, runtime } = records;
    const retention = retentionOf(records, { maxAgeMs: 50 });
    const sixth = formatCursor(journal.cursorAt(6));
    expect(journal.check(sixth, retention.floor)).not.toHaveProperty('refused');
    runtime.time += 1_000;
    expect(journal.check(sixth, retention.floor)).toMatchObject({ refused: 'CursorExpired' });
    expect(journal.check(formatCursor(journal.head), retention.floor)).not.toHaveProperty('refused');
  });

  test('[P9] head, seq and the tables survive a journal that was emptied', async () => {
    const folder = testHome().paths.data;
    const records = await withMessages(9, folder);
    const before = readTables(records);
    const head = formatCursor(records.journal.head);
    records.runtime.time += 1e6;
    await retentionOf(records, { maxAgeMs: 1 }).cut();
    expect(allEvents(records)).toEqual([]);
    records.close();
    const again = openRecords(folder);
    expect(formatCursor(again.journal.head)).toBe(head);
    expect(formatCursor(again.journal.earliest)).toBe(head);
    expect(readTables(again)).toEqual(before);
    const { seq } = await again.writer.appendOne(owner, op('session/update', { sessionId: 'ses_a', title: 'x' }));
    expect(seq).toBe(11);
    expect(again.journal.check(head)).not.toHaveProperty('refused');
  });

  test('cuts whole ops only', async () => {
    const records = await withMessages(0);
    const parts = Array.from({ length: 8 }, (_, at) => ({ type: 'text' as const, text: `${at}` }));
    const start = { sessionId: 'ses_a', agent: 'x', model: { providerId: 'p', modelId: 'm' }, parts };
    await records.writer.appendOne(owner, op('turn/start', start));
    await records.writer.appendOne(owner, op('turn/start', start));
    // Behind session/created each op has ten events: in the middle of the first, and of the second.
    for (const [maxEvents, floor] of [
      [15, 1],
      [5, 11],
    ] as const) {
      await retentionOf(records, { maxEvents }).cut();
      expect(records.journal.floorSeq).toBe(floor);
    }
  });

  test('frees what nothing needs, in more bites than one', async () => {
    const records = await withMessages(0);
    const put = (at: number) =>
      op('message/put', { sessionId: 'ses_a', messageId: 'msg_a', role: 'user', metadata: { at } });
    for (let from = 0; from < 2_000; from += 500) {
      await records.writer.append(
        owner,
        Array.from({ length: 500 }, (_, at) => put(from + at)),
      );
    }
    await retentionOf(records, { maxEvents: 1 }).cut();
    expect(records.db.prepare('SELECT count(*) FROM event').pluck().get()).toBe(1);
    expect(records.db.prepare('SELECT count(*) FROM body').pluck().get()).toBe(1);
  });
});

/** Whose loops go on when the test says. */
class TickedRuntime extends HandRuntime {
  readonly #asleep: (() => void)[] = [];
  override sleep = (_ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      this.#asleep.push(resolve);
      signal.addEventListener('abort', () => resolve());
    });
  tick(): void {
    for (const wake of this.#asleep.splice(0)) wake();
  }
}

test('[P7] a reader that stalled until retention passed it is told, and is handed nothing behind a hole', async () => {
  const runtime = new TickedRuntime();
  const { daemon, connect } = daemonInProcess(testHome(), { runtime, retention: { ...keepAll, maxAgeMs: 1_000 } });
  await daemon.start();
  const client = connect();
  await client.call('session/create', { sessionId: 'ses_a' });
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const stalled = connect(1);
  const { earliest } = await client.call('daemon/status', {});
  const seen: string[] = [];
  const seqs: number[] = [];
  const ended = new Promise<void>((resolve) => {
    void stalled.subscribe({ from: earliest, maxBatch: 1, snapshot: 'never' }, async ({ type, params }) => {
      seen.push(type);
      if ('events' in params) seqs.push(...params.events.map(({ seq }) => seq));
      if (type === 'events/ended') resolve();
      await held;
    });
  });
  for (let at = 0; at < 50; at += 1) await client.call('message/put', { sessionId: 'ses_a', role: 'user' });
  runtime.time += 2_000;
  const cut = async () => {
    while ((await client.call('daemon/status', {})).events > 0) {
      runtime.tick();
      await nextTurn(); // in memory all is answered in one turn of the loop
    }
  };
  await within('the sweep to cut the journal', cut());
  release();
  await ended;
  expect(seen.slice(-2)).toEqual(['events/reset', 'events/ended']);
  expect(seqs).toEqual(seqs.map((_, at) => at + 1));
  const resumed = stalled.subscribe({ from: earliest, snapshot: 'never' }, () => {});
  expect(await resumed.catch((error: RpcError) => error.kind)).toBe('CursorExpired');
});

test('of what was deleted, pruned and compacted next to nothing can be read in the store file any more', async () => {
  const { data } = testHome().paths;
  const records = openRecords(data);
  const { writer, db } = records;
  const put = (sessionId: string, key: string, text: string) =>
    op('artifact/put', { sessionId, kind: 'k', key, data: text });
  for (const sessionId of ['ses_gone', 'ses_kept']) await writer.appendOne(owner, op('session/create', { sessionId }));
  const message = { messageId: 'msg_1', role: 'user' } as const;
  await writer.appendOne(owner, op('message/put', { sessionId: 'ses_gone', ...message }));
  for (let at = 0; at < 300; at += 1) {
    // Large and small: on pages of their own, and between others.
    const text = `hunter2xyz ${'x'.repeat(at % 10 === 0 ? 9_000 : at)}`;
    await writer.appendOne(owner, put('ses_gone', `gone${at}`, text));
    await writer.appendOne(owner, put('ses_kept', `kept${at}`, `stays ${'y'.repeat(at)}`));
  }
  await writer.appendOne(owner, op('session/delete', { sessionId: 'ses_gone' }));
  const retention = retentionOf(records, { maxEvents: 1, maxLagEvents: 1 });
  await new Compaction({ space: new FreeSpace(db), retention, writer, runtime: records.runtime }).run();
  const held = db.prepare("SELECT count(*) FROM body WHERE json LIKE '%hunter2xyz%'").pluck().get();
  expect(held).toBe(0);
  records.close();
  const file = readFileSync(join(data, 'store.db'));
  expect(file.includes('stays')).toBe(true);
  const left = file.toString('latin1').split('hunter2xyz').length - 1;
  // Of what a page lost when its cells were moved together, SQLite may leave a copy in the gap.
  expect(left).toBeLessThan(10);
});

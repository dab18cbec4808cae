import { describe, expect, test } from 'vitest';
import { formatCursor } from '../../protocol/cursor.ts';
import type { Refusal } from '../../protocol/errors.ts';
import { RefusedError } from '../../protocol/errors.ts';
import { testHome } from '../support/daemon.ts';
import type { Records } from '../support/records.ts';
import { allEvents, foldJournal, op, openRecords, owner, readTables, viewTables } from '../support/records.ts';

async function refusalOf(promise: Promise<unknown>): Promise<Refusal> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof RefusedError) return error.refusal;
  throw new Error(`not refused: ${String(error)}`);
}

function fresh(): Records {
  return openRecords(testHome().paths.data);
}

async function withSession(records: Records, sessionId = 'ses_a'): Promise<void> {
  await records.writer.appendOne(owner, op('session/create', { sessionId, title: 'one' }));
}

describe('an op', () => {
  test('sent twice is applied once and answered with its first result', async () => {
    const records = fresh();
    const create = op('session/create', { title: 'one' });
    const first = await records.writer.appendOne(owner, create);
    const second = await records.writer.appendOne(owner, create);
    expect(first.duplicate).toBe(false);
    expect(second).toEqual({ ...first, duplicate: true });
    expect(allEvents(records)).toHaveLength(1);
  });

  test('sent twice after the store was opened again is still applied once', async () => {
    const home = testHome();
    const records = openRecords(home.paths.data);
    const create = op('session/create', { title: 'one' });
    const first = await records.writer.appendOne(owner, create);
    records.close();
    const again = await openRecords(home.paths.data).writer.appendOne(owner, create);
    expect(again).toEqual({ ...first, duplicate: true });
  });

  test('with its members in another order is the same op', async () => {
    const records = fresh();
    const create = op('session/create', { title: 'one', metadata: { a: 1, b: 2 } });
    await records.writer.appendOne(owner, create);
    const reordered = { ...create, params: { metadata: { b: 2, a: 1 }, title: 'one' } } as typeof create;
    expect((await records.writer.appendOne(owner, reordered)).duplicate).toBe(true);
  });

  test('[P14] with a used opId and other content is refused', async () => {
    const records = fresh();
    const create = op('session/create', { title: 'one' });
    await records.writer.appendOne(owner, create);
    const other = { ...create, params: { title: 'two' } } as typeof create;
    const refusal = await refusalOf(records.writer.appendOne(owner, other));
    expect(refusal).toMatchObject({ refused: 'OpIdReused', data: { opId: create.opId } });
    expect(allEvents(records)).toHaveLength(1);
  });

  test('of another principal may have the same opId', async () => {
    const records = fresh();
    const create = op('session/create', { title: 'one' });
    await records.writer.appendOne(owner, create);
    const other = await records.writer.appendOne({ ...owner, principal: 'guest' }, create);
    expect(other.duplicate).toBe(false);
  });

  test('that was refused leaves no trace: its opId can be used again', async () => {
    const records = fresh();
    const update = op('session/update', { sessionId: 'ses_a', title: 'two' });
    expect(await refusalOf(records.writer.appendOne(owner, update))).toMatchObject({ refused: 'NotFound' });
    await withSession(records);
    expect((await records.writer.appendOne(owner, update)).duplicate).toBe(false);
  });

  test('that changes nothing makes no event and counts as a duplicate', async () => {
    const records = fresh();
    await withSession(records);
    const same = await records.writer.appendOne(owner, op('session/update', { sessionId: 'ses_a', title: 'one' }));
    expect(same).toMatchObject({ duplicate: true, seq: null, version: 1 });
    expect(allEvents(records)).toHaveLength(1);
  });

  test('is checked in this order: ledger, dependsOn, expectedVersion, its own rules', async () => {
    const records = fresh();
    await withSession(records);
    const broken = { dependsOn: ['no-such-op'], expectedVersion: 9 };
    const nothing = { sessionId: 'ses_none', title: 'x' };
    const first = await refusalOf(records.writer.appendOne(owner, op('session/update', nothing, broken)));
    expect(first).toMatchObject({ refused: 'DependencyMissing', data: { missing: ['no-such-op'] } });
    const second = await refusalOf(
      records.writer.appendOne(owner, op('session/update', nothing, { expectedVersion: 9 })),
    );
    expect(second).toMatchObject({ refused: 'VersionConflict', data: { expected: 9, actual: 0 } });
    expect(await refusalOf(records.writer.appendOne(owner, op('session/update', nothing)))).toMatchObject({
      refused: 'NotFound',
    });
    const done = op('session/update', { sessionId: 'ses_a', title: 'two' }, { expectedVersion: 1 });
    await records.writer.appendOne(owner, done);
    expect((await records.writer.appendOne(owner, done)).duplicate).toBe(true);
  });

  test('with expectedVersion 0 must find no session', async () => {
    const records = fresh();
    const create = () => op('session/create', { sessionId: 'ses_a' }, { expectedVersion: 0 });
    await records.writer.appendOne(owner, create());
    const refusal = await refusalOf(records.writer.appendOne(owner, create()));
    expect(refusal).toMatchObject({ refused: 'VersionConflict', data: { expected: 0, actual: 1 } });
  });
});

describe('a batch', () => {
  test('tries its ops in order, each standing alone', async () => {
    const records = fresh();
    const ops = [
      op('session/create', { sessionId: 'ses_a' }),
      op('session/update', { sessionId: 'ses_none' }),
      op('message/put', { sessionId: 'ses_a', messageId: 'msg_a', role: 'user' }),
    ];
    const result = await records.writer.append(owner, [...ops, ops[0]!]);
    expect(result.applied.map((entry) => entry.opId)).toEqual([ops[0]!.opId, ops[2]!.opId]);
    expect(result.duplicates.map((entry) => entry.opId)).toEqual([ops[0]!.opId]);
    expect(result.rejected).toMatchObject([{ opId: ops[1]!.opId, code: -32001, kind: 'NotFound' }]);
    expect(result.cursor).toBe(formatCursor(records.journal.head));
  });

  test('that is atomic applies wholly or not at all, and what came before it in the same turn stays', async () => {
    const records = fresh();
    const before = records.writer.appendOne(owner, op('session/create', { sessionId: 'ses_a' }));
    const failing = op('session/update', { sessionId: 'ses_none' });
    const batch = records.writer.append(owner, [op('session/create', { sessionId: 'ses_b' }), failing], {
      atomic: true,
      batchId: 'b1',
    });
    const after = records.writer.appendOne(owner, op('session/update', { sessionId: 'ses_a', title: 'after' }));
    const refusal = await refusalOf(batch);
    expect(refusal).toMatchObject({ refused: 'BatchAborted', data: { opId: failing.opId, cause: { code: -32001 } } });
    await Promise.all([before, after]);
    expect([...readTables(records).keys()]).toEqual(['ses_a']);
    expect(viewTables(foldJournal(records))).toEqual(readTables(records));
    expect(allEvents(records).map((event) => event.seq)).toEqual([1, 2]);
  });

  test('that is atomic is not aborted by a duplicate', async () => {
    const records = fresh();
    const create = op('session/create', { sessionId: 'ses_a' });
    await records.writer.appendOne(owner, create);
    const result = await records.writer.append(owner, [create, op('session/create', { sessionId: 'ses_b' })], {
      atomic: true,
    });
    expect([result.duplicates.length, result.applied.length]).toEqual([1, 1]);
  });

  test('with a used batchId must hold the same opIds in the same order', async () => {
    const records = fresh();
    const ops = [op('session/create', { sessionId: 'ses_a' }), op('session/create', { sessionId: 'ses_b' })];
    await records.writer.append(owner, ops, { batchId: 'b1' });
    expect((await records.writer.append(owner, ops, { batchId: 'b1' })).duplicates).toHaveLength(2);
    const turned = await refusalOf(records.writer.append(owner, ops.toReversed(), { batchId: 'b1' }));
    expect(turned).toMatchObject({ refused: 'OpIdReused', data: { opId: 'b1' } });
  });

  test('of which nothing was applied leaves its batchId free', async () => {
    const records = fresh();
    const refused = op('session/update', { sessionId: 'ses_none', title: 'x' });
    expect((await records.writer.append(owner, [refused], { batchId: 'b1' })).rejected).toHaveLength(1);
    const other = op('session/create', { sessionId: 'ses_a' });
    expect((await records.writer.append(owner, [other], { batchId: 'b1' })).applied).toHaveLength(1);
  });

  test('with an expectedCursor is refused once the journal went on, but not when it is sent again', async () => {
    const records = fresh();
    const expectedCursor = formatCursor(records.journal.head);
    const ops = [op('session/create', { sessionId: 'ses_a' })];
    await records.writer.append(owner, ops, { expectedCursor });
    expect((await records.writer.append(owner, ops, { expectedCursor })).duplicates).toHaveLength(1);
    const late = records.writer.append(owner, [op('session/create', { sessionId: 'ses_b' })], { expectedCursor });
    expect(await refusalOf(late)).toMatchObject({ refused: 'VersionConflict', data: { expected: 0, actual: 1 } });
  });
});

describe('the writer', () => {
  test('commits all that came in one turn of the loop in one transaction', async () => {
    const records = fresh();
    let commits = 0;
    const exec = records.db.exec.bind(records.db);
    records.db.exec = (sql) => {
      if (sql === 'COMMIT') commits += 1;
      return exec(sql);
    };
    await Promise.all(Array.from({ length: 100 }, () => records.writer.appendOne(owner, op('session/create', {}))));
    expect(commits).toBe(1);
  });

  test('[P10] replies only after the commit, and rings the bell only after the reply', async () => {
    const records = fresh();
    const order: string[] = [];
    const exec = records.db.exec.bind(records.db);
    records.db.exec = (sql) => {
      const done = exec(sql);
      if (sql === 'COMMIT') order.push('commit');
      return done;
    };
    const rung = records.bell.next().then(() => order.push('bell'));
    await records.writer.appendOne(owner, op('session/create', {})).then(() => order.push('reply'));
    await rung;
    expect(order).toEqual(['commit', 'reply', 'bell']);
  });

  test('lets `at` never decrease, whatever the clock does', async () => {
    const records = fresh();
    records.runtime.time = 5_000;
    await records.writer.appendOne(owner, op('session/create', {}));
    records.runtime.time = 1_000;
    await records.writer.appendOne(owner, op('session/create', {}));
    expect(allEvents(records).map((event) => event.at)).toEqual([5_000, 5_000]);
  });

  test('answers the jobs beside one that throws', async () => {
    const records = fresh();
    const broken = op('session/create', { sessionId: 'ses_b' });
    Object.defineProperty(broken, 'params', {
      get: () => {
        throw new Error('a bug');
      },
    });
    const results = await Promise.allSettled([
      records.writer.appendOne(owner, op('session/create', { sessionId: 'ses_a' })),
      records.writer.appendOne(owner, broken),
      records.writer.appendOne(owner, op('session/create', { sessionId: 'ses_c' })),
    ]);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(new Set(readTables(records).keys())).toEqual(new Set(['ses_a', 'ses_c']));
    expect(allEvents(records).map((event) => event.seq)).toEqual([1, 2]);
  });

  test('[P11] an I/O error at commit is answered with StoreUnavailable, ends the writing and the process', async () => {
    const records = fresh();
    await withSession(records);
    const exec = records.db.exec.bind(records.db);
    const { SqliteError } = (await import('better-sqlite3')).default;
    records.db.exec = (sql) => {
      if (sql === 'COMMIT') throw new SqliteError('disk I/O error', 'SQLITE_IOERR_FSYNC');
      return exec(sql);
    };
    const refusal = await refusalOf(records.writer.appendOne(owner, op('session/create', {})));
    expect(refusal).toMatchObject({ refused: 'StoreUnavailable', data: { reason: 'io' } });
    expect(await refusalOf(records.writer.appendOne(owner, op('session/create', {})))).toMatchObject({
      refused: 'StoreUnavailable',
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(records.fatal).toHaveLength(1);
  });

  test('a full disk is answered with StoreUnavailable, applies nothing, and the writer goes on', async () => {
    const records = fresh();
    await withSession(records);
    const exec = records.db.exec.bind(records.db);
    const { SqliteError } = (await import('better-sqlite3')).default;
    records.db.exec = (sql) => {
      if (sql === 'COMMIT') throw new SqliteError('database or disk is full', 'SQLITE_FULL');
      return exec(sql);
    };
    const again = op('session/create', { sessionId: 'ses_b' });
    expect(await refusalOf(records.writer.appendOne(owner, again))).toMatchObject({ data: { reason: 'full' } });
    records.db.exec = exec;
    expect((await records.writer.appendOne(owner, again)).seq).toBe(2);
    expect(records.fatal).toEqual([]);
  });
});

test('[P34] a delta sent again is compared with what lies there, over any number of deltas', async () => {
  const records = openRecords(testHome().paths.data);
  const ids = { sessionId: 'ses_a', messageId: 'msg_a' };
  const own = 'own 😀 text, ';
  await records.writer.append(owner, [
    op('session/create', { sessionId: 'ses_a' }),
    op('message/put', { ...ids, role: 'assistant' }),
    op('part/put', { ...ids, partId: 'prt_a', part: { type: 'text', text: own } }),
  ]);
  let whole = own;
  for (let at = 0; at < 40; at += 1) {
    const text = `${at}é`.repeat(1 + (at % 3));
    const delta = { sessionId: 'ses_a', partId: 'prt_a', field: 'text' as const, offset: whole.length, text };
    await records.writer.appendOne(owner, op('part/delta', delta));
    whole += text;
  }
  for (let offset = 0; offset < whole.length; offset += 1) {
    for (const length of [0, 1, 2, 7, 50, whole.length - offset]) {
      expect(records.tables.findText('prt_a', 'text', offset, length)).toBe(whole.slice(offset, offset + length));
    }
  }
});

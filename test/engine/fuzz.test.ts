// Random ops, retries and reopenings. The oracle: the fold of the journal by the clients' reducer equals the tables.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isAtWork } from '../../daemon/core/turn.ts';
import { Pruner } from '../../daemon/store/pruner.ts';
import { isOpenTurn } from '../../protocol/derive.ts';
import { RefusedError } from '../../protocol/errors.ts';
import type { Event, Op } from '../../protocol/schema.ts';
import { emptyView, reduce } from '../../protocol/view.ts';
import { testHome } from '../support/daemon.ts';
import type { Records } from '../support/records.ts';
import { allEvents, openRecords, owner, readTables, viewTables } from '../support/records.ts';

const sessionId = fc.constantFrom('ses_a', 'ses_b', 'ses_c');
const messageId = fc.constantFrom('msg_a', 'msg_b', 'msg_c', 'msg_d');
const partId = fc.constantFrom('prt_a', 'prt_b', 'prt_c', 'prt_d', 'prt_e');
const turnId = fc.constantFrom('trn_a', 'trn_b', 'trn_c');
const blockerId = fc.constantFrom('blk_a', 'blk_b', 'blk_c');
const text = fc.string({ unit: 'binary', maxLength: 12 });
const usage = fc.record({
  input: fc.nat(9),
  output: fc.nat(9),
  reasoning: fc.nat(9),
  cacheRead: fc.nat(9),
  cacheWrite: fc.nat(9),
  costUsd: fc.option(fc.constantFrom(0.1, 0.2, 0.7), { nil: undefined }),
});
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const part = fc.oneof(
  fc.record({ type: fc.constant('text' as const), text }),
  fc.record({ type: fc.constant('reasoning' as const), text }),
  fc.record({
    type: fc.constant('tool' as const),
    callId: fc.constant('c'),
    tool: fc.constant('t'),
    state: fc.constantFrom('pending' as const, 'completed' as const),
    output: optional(fc.oneof(text, fc.constant(['x']))),
  }),
  fc.record({ type: fc.constant('data' as const), kind: fc.constant('k'), value: fc.constantFrom(1, null, 'x', [1]) }),
);

const body: fc.Arbitrary<Pick<Op, 'type' | 'params'>> = fc.oneof(
  make('session/create', fc.record({ sessionId, title: optional(text), directory: optional(fc.constant('/d')) })),
  make('session/update', fc.record({ sessionId, title: optional(fc.option(text)), archived: optional(fc.boolean()) })),
  { weight: 1, arbitrary: make('session/delete', fc.record({ sessionId })) },
  make(
    'message/put',
    fc.record({
      sessionId,
      messageId,
      role: fc.constantFrom('user', 'assistant'),
      turnId: optional(turnId),
      usage: optional(fc.option(usage)),
    }),
  ),
  {
    weight: 3,
    arbitrary: make(
      'turn/start',
      fc.record({
        sessionId,
        turnId,
        agent: fc.constantFrom('x', 'y'),
        model: fc.constant({ providerId: 'p', modelId: 'm' }),
        parts: fc.array(part, { maxLength: 2 }),
      }),
    ),
  },
  make('turn/heartbeat', fc.record({ turnId })),
  {
    weight: 2,
    arbitrary: make(
      'turn/finish',
      fc.record({
        turnId,
        state: fc.constantFrom('completed', 'failed', 'aborted'),
        usage: optional(usage),
        parts: optional(fc.array(fc.tuple(part, optional(partId)).map(withId), { maxLength: 2 })),
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: make(
      'blocker/ask',
      fc.record({
        sessionId,
        blockerId,
        turnId: optional(turnId),
        kind: fc.constant('permission'),
        request: fc.record({ permission: fc.constantFrom('a', 'b') }),
      }),
    ),
  },
  make(
    'blocker/answer',
    fc.record({ sessionId, blockerId, answer: fc.record({ decision: fc.constantFrom('once', 'deny') }) }),
  ),
  make('blocker/reject', fc.record({ sessionId, blockerId, reason: optional(fc.constant('no')) })),
  make('message/remove', fc.record({ sessionId, messageId })),
  { weight: 4, arbitrary: make('part/put', fc.record({ sessionId, messageId, partId, part })) },
  {
    weight: 6,
    arbitrary: make(
      'part/delta',
      fc.record({ sessionId, partId, field: fc.constantFrom('text', 'output'), offset: fc.nat(14), text }),
    ),
  },
  make('part/remove', fc.record({ sessionId, partId })),
  make(
    'artifact/put',
    fc.record({ sessionId, kind: fc.constant('k'), key: fc.constantFrom('a', 'b'), data: fc.nat(2) }),
  ),
  make('artifact/remove', fc.record({ sessionId, kind: fc.constant('k'), key: fc.constantFrom('a', 'b') })),
);

function withId([content, id]: [object, string | undefined]): object {
  return id === undefined ? content : { ...content, id };
}

function make(type: Op['type'], params: fc.Arbitrary<object>): fc.Arbitrary<Pick<Op, 'type' | 'params'>> {
  return params.map((given) => ({
    type,
    params: Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  })) as fc.Arbitrary<Pick<Op, 'type' | 'params'>>;
}

/** How many ops go in one turn, whether they are one atomic batch, whether some are sent again, whether to reopen after. */
const step = fc.record({
  ops: fc.array(body, { minLength: 1, maxLength: 6 }),
  atomic: fc.boolean(),
  again: fc.boolean(),
  reopen: fc.boolean(),
  /** How much of the journal is cut off after it, of what is there. */
  cut: fc.constantFrom(0, 0, 0, 0.3, 1),
});

test('after any ops the tables equal the fold of the journal, and versions have no gaps', async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const home = testHome();
      let records = openRecords(home.paths.data);
      let ids = 0;
      const gone: Event[] = [];
      for (const { ops, atomic, again, reopen, cut } of steps) {
        const sent = ops.map((each) => ({ ...each, opId: `${++runs}-${++ids}` })) as Op[];
        const send = () => records.writer.append(owner, sent, { atomic }).catch(refusalOnly);
        const [first, second] = await Promise.all([send(), again ? send() : undefined]);
        if (again && first && second) {
          // What was applied is a duplicate now; only what was refused may be applied, since the records have changed.
          const applied = first.applied.map((entry) => entry.opId);
          expect(second.duplicates.map((entry) => entry.opId)).toEqual(expect.arrayContaining(applied));
          expect(second.applied.filter((entry) => applied.includes(entry.opId))).toEqual([]);
        }
        gone.push(...cutOff(records, cut));
        if (reopen) {
          records.close();
          records = openRecords(home.paths.data);
        }
      }
      const events = [...gone, ...allEvents(records)];
      expect(viewTables(events.reduce(reduce, emptyView()))).toEqual(readTables(records));
      expect(strayBodies(records)).toEqual([]);
      checkRules(records);
      checkFinality(events);
      const versions = new Map<string, number>();
      for (const [index, event] of events.entries()) {
        expect(event.seq).toBe(index + 1);
        expect(event.version).toBe((versions.get(event.sessionId) ?? 0) + 1);
        versions.set(event.sessionId, event.version);
      }
      records.close();
      expect(records.runtime.errors).toEqual([]);
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 60) },
  );
}, 120_000);

/** Cuts a share of the journal off; returns the events that went. */
function cutOff(records: Records, share: number): Event[] {
  const { journal, db } = records;
  const events = allEvents(records);
  const target = journal.floorSeq + Math.floor((journal.head.seq - journal.floorSeq) * share);
  const pruner = new Pruner(db, journal);
  while (pruner.cut(target, 3));
  return events.filter(({ seq }) => seq <= journal.floorSeq);
}

/** Bodies that neither the journal nor a table needs. */
function strayBodies({ db, journal }: Records): unknown[] {
  const tables = ['turn', 'message', 'part', 'chunk', 'blocker', 'artifact'];
  const needed = tables.map((table) => `SELECT body FROM ${table}`).join(' UNION ALL ');
  return db.prepare(`SELECT seq FROM body WHERE seq <= ? AND seq NOT IN (${needed})`).all(journal.floorSeq);
}

/** What PROTOCOL.md 3 says of the records as they stand, whatever led there. */
function checkRules(records: Records): void {
  for (const { session, turns, blockers, messages } of readTables(records).values()) {
    const pending = blockers.filter(({ state }) => state === 'pending');
    const open = new Set(turns.filter(isOpenTurn).map(({ id }) => id));
    expect(session.pendingBlockers).toBe(pending.length);
    expect(session.status).toBe(pending.length > 0 ? 'waiting' : open.size > 0 ? 'busy' : 'idle');
    expect(session.messageCount).toBe(messages.length);
    expect(session.usage.input).toBe(messages.reduce((sum, { message }) => sum + (message.usage?.input ?? 0), 0));
    for (const { turnId } of pending) expect(turnId === null || open.has(turnId)).toBe(true);
    for (const turn of turns) expect(turn.endedAt === null).toBe(open.has(turn.id));
    for (const { message, parts } of messages) {
      if (message.turnId === null || open.has(message.turnId)) continue;
      if (message.role === 'assistant') expect(message.completedAt).not.toBeNull();
      expect(parts.filter(isAtWork)).toEqual([]);
    }
  }
}

/** A turn that ended and a blocker that was resolved stay as they ended, in every event that follows. */
function checkFinality(events: Event[]): void {
  const ends = new Map<string, string>();
  for (const { type, data } of events) {
    if (type !== 'turn/updated' && type !== 'blocker/updated') continue;
    const held = ends.get(data.id);
    if (held !== undefined) expect(data.state).toBe(held);
    const isEnd = type === 'turn/updated' ? !isOpenTurn(data) : data.state !== 'pending';
    if (isEnd) ends.set(data.id, data.state);
  }
}

function refusalOnly(error: unknown): undefined {
  if (!(error instanceof RefusedError) || error.refusal.refused !== 'BatchAborted') throw error;
}

// Random ops, retries and reopenings. The oracle: the fold of the journal by the clients' reducer equals the tables.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RefusedError } from '../../protocol/errors.ts';
import type { Op } from '../../protocol/schema.ts';
import { testHome } from '../support/daemon.ts';
import { allEvents, foldJournal, openRecords, owner, readTables, viewTables } from '../support/records.ts';

const sessionId = fc.constantFrom('ses_a', 'ses_b', 'ses_c');
const messageId = fc.constantFrom('msg_a', 'msg_b', 'msg_c', 'msg_d');
const partId = fc.constantFrom('prt_a', 'prt_b', 'prt_c', 'prt_d', 'prt_e');
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
    fc.record({ sessionId, messageId, role: fc.constantFrom('user', 'assistant'), usage: optional(fc.option(usage)) }),
  ),
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
});

test('after any ops the tables equal the fold of the journal, and versions have no gaps', async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const home = testHome();
      let records = openRecords(home.paths.data);
      let ids = 0;
      for (const { ops, atomic, again, reopen } of steps) {
        const sent = ops.map((each) => ({ ...each, opId: `${++runs}-${++ids}` })) as Op[];
        const send = () => records.writer.append(owner, sent, { atomic }).catch(refusalOnly);
        const [first, second] = await Promise.all([send(), again ? send() : undefined]);
        if (again && first && second) {
          // What was applied is a duplicate now; only what was refused may be applied, since the records have changed.
          const applied = first.applied.map((entry) => entry.opId);
          expect(second.duplicates.map((entry) => entry.opId)).toEqual(expect.arrayContaining(applied));
          expect(second.applied.filter((entry) => applied.includes(entry.opId))).toEqual([]);
        }
        if (reopen) {
          records.close();
          records = openRecords(home.paths.data);
        }
      }
      expect(viewTables(foldJournal(records))).toEqual(readTables(records));
      const versions = new Map<string, number>();
      for (const [index, event] of allEvents(records).entries()) {
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

function refusalOnly(error: unknown): undefined {
  if (!(error instanceof RefusedError) || error.refusal.refused !== 'BatchAborted') throw error;
}

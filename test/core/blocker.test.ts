// The life of a blocker: each state it can be found in against each op, without a gap. What is final stays final (P15).
import { describe, expect, test } from 'vitest';
import { blockerTransitions } from '../../daemon/core/blocker.ts';
import { decide } from '../../daemon/core/decide.ts';
import type { Records } from '../../daemon/core/records.ts';
import type { BlockerAnswer, BlockerRequest } from '../../protocol/blocker.ts';
import { isRefusal } from '../../protocol/errors.ts';
import type { Blocker, OpParams, OpType } from '../../protocol/schema.ts';
import { blockerStates } from '../../protocol/schema.ts';
import { blocker, context, outcome, records, session } from './held.ts';

const once = { decision: 'once' as const };
const resolved = { resolvedBy: 'them', resolvedAt: 50 };
const early = { kind: null, request: null, askedAt: null };
const found = {
  'not there': undefined,
  pending: blocker,
  answered: { ...blocker, state: 'answered', resolution: once, ...resolved },
  rejected: { ...blocker, state: 'rejected', resolution: { reason: 'no' }, ...resolved },
  expired: { ...blocker, state: 'expired', ...resolved },
  'answered early': { ...blocker, ...early, state: 'answered', resolution: once, ...resolved },
  'rejected early': { ...blocker, ...early, state: 'rejected', resolution: { reason: 'no' }, ...resolved },
} as const satisfies Record<string, Blocker | undefined>;
type Found = keyof typeof found;

const id = { sessionId: 'ses_a', blockerId: 'blk_a' };
const ops = {
  'the same ask': ['blocker/ask', { ...id, kind: 'permission', request: { permission: 'bash' } }],
  'another ask': ['blocker/ask', { ...id, kind: 'permission', request: { permission: 'edit' } }],
  'answer once': ['blocker/answer', { ...id, answer: once }],
  'answer deny': ['blocker/answer', { ...id, answer: { decision: 'deny' } }],
  'reject: no': ['blocker/reject', { ...id, reason: 'no' }],
  'reject: never': ['blocker/reject', { ...id, reason: 'never' }],
} as const satisfies Record<string, readonly [OpType, object]>;
type Name = keyof typeof ops;

const event = ['blocker/updated'];
const final = {
  'the same ask': [],
  'another ask': 'AlreadyExists',
  'answer once': 'AlreadyResolved',
  'answer deny': 'AlreadyResolved',
  'reject: no': 'AlreadyResolved',
  'reject: never': 'AlreadyResolved',
} satisfies Record<Name, unknown>;
const expected: Record<Found, Record<Name, unknown>> = {
  'not there': {
    'the same ask': event,
    'another ask': event,
    'answer once': event,
    'answer deny': event,
    'reject: no': event,
    'reject: never': event,
  },
  pending: {
    'the same ask': [],
    'another ask': 'AlreadyExists',
    'answer once': event,
    'answer deny': event,
    'reject: no': event,
    'reject: never': event,
  },
  answered: { ...final, 'answer once': [] },
  rejected: { ...final, 'reject: no': [] },
  expired: final,
  'answered early': { ...final, 'the same ask': event, 'another ask': event, 'answer once': [] },
  'rejected early': { ...final, 'the same ask': event, 'another ask': event, 'reject: no': [] },
};

function holding(held: Blocker | undefined): Records {
  return { ...records(), findBlocker: (asked) => (asked === 'blk_a' ? held : undefined) };
}

describe('each state of a blocker against each op', () => {
  for (const state of Object.keys(found) as Found[]) {
    for (const [name, [type, params]] of Object.entries(ops) as [Name, readonly [OpType, object]][]) {
      test(`${state}, ${name}: ${String(expected[state][name]) || 'nothing changes'}`, () => {
        expect(outcome(type, params as never, holding(found[state]))).toEqual(expected[state][name]);
      });
    }
  }

  test('the table of transitions leads from pending only, and never back', () => {
    for (const state of blockerStates) expect(blockerTransitions[state].length > 0).toBe(state === 'pending');
    expect(blockerTransitions.pending).not.toContain('pending');
  });
});

function next<T extends OpType>(type: T, params: OpParams[T], held: Blocker | undefined): Blocker {
  const decision = decide(holding(held), { type, params } as never, context);
  if (isRefusal(decision)) throw new Error(decision.message);
  return decision.events[0]!.data as Blocker;
}

describe('[P15] a resolution', () => {
  const ask = { ...id, kind: 'permission' as const, request: { permission: 'bash' } };

  test.each(['answered early', 'rejected early'] as const)(
    '%s before its ask: the late ask is born resolved',
    (state) => {
      const born = next('blocker/ask', ask, found[state]);
      const { resolution, resolvedBy, resolvedAt } = found[state];
      expect(born).toMatchObject({ request: ask.request, kind: 'permission', askedAt: 100 });
      expect(born).toMatchObject({ state: found[state].state, resolution, resolvedBy, resolvedAt });
    },
  );

  test('that comes before its ask is kept without a request', () => {
    const kept = next('blocker/answer', { ...id, answer: once }, undefined);
    expect(kept).toMatchObject({ request: null, kind: null, askedAt: null, state: 'answered', resolvedBy: 'me' });
  });

  test('the loser of a race is told who won and how', () => {
    const op = { type: 'blocker/answer', params: { ...id, answer: { decision: 'deny' } } } as const;
    expect(decide(holding(found.answered), op, context)).toMatchObject({
      refused: 'AlreadyResolved',
      data: { resolution: once, resolvedBy: 'them', state: 'answered' },
    });
  });

  test('needs its session, also before its ask', () => {
    expect(outcome('blocker/answer', { ...id, sessionId: 'ses_none', answer: once }, holding(undefined))).toBe(
      'NotFound',
    );
    const other: Records = { ...holding(blocker), findSession: (asked) => ({ ...session, id: asked }) };
    expect(outcome('blocker/answer', { ...id, sessionId: 'ses_b', answer: once }, other)).toBe('NotFound');
    expect(outcome('blocker/ask', { ...ask, sessionId: 'ses_b' }, other)).toBe('AlreadyExists');
  });
});

describe('an answer', () => {
  const asks = (questions: { multiple?: boolean }[]): BlockerRequest => ({
    questions: questions.map((each) => ({ question: 'q', header: 'h', options: [{ label: 'a' }], ...each })),
  });
  const one = asks([{}]);
  const two = asks([{}, { multiple: true }]);
  const permission: BlockerRequest = { permission: 'bash' };
  test.each<[string, BlockerRequest, BlockerAnswer, boolean]>([
    ['a label of the question', one, { answers: [['a']] }, true],
    ['text of its own', one, { answers: [['neither']] }, true],
    ['two of a question that takes one', one, { answers: [['a', 'b']] }, false],
    ['none of a question that takes one', one, { answers: [[]] }, false],
    ['none of a question that takes several', two, { answers: [['a'], []] }, true],
    ['several of a question that takes several', two, { answers: [['a'], ['a', 'b']] }, true],
    ['one list for two questions', two, { answers: [['a']] }, false],
    ['two lists for one question', one, { answers: [['a'], ['a']] }, false],
    ['a decision for a question', one, { decision: 'once' }, false],
    ['a decision for a permission', permission, { decision: 'always' }, true],
    ['answers for a permission', permission, { answers: [['a']] }, false],
  ])('%s', (_name, request, answer, fits) => {
    const kind = 'questions' in request ? ('question' as const) : ('permission' as const);
    const held = holding({ ...blocker, kind, request });
    expect(outcome('blocker/answer', { ...id, answer }, held)).toEqual(fits ? event : 'InvalidParams');
  });

  test('an ask whose request is not of its kind is refused', () => {
    expect(outcome('blocker/ask', { ...id, kind: 'question', request: permission }, holding(undefined))).toBe(
      'InvalidParams',
    );
  });
});

// Every op against every state of the records it names, without a gap: a new op type or state must be given its row.
import { describe, expect, test } from 'vitest';
import { decide } from '../../daemon/core/decide.ts';
import { mergePatch } from '../../daemon/core/ops/session.ts';
import type { Records } from '../../daemon/core/records.ts';
import type { OpParams, OpType, PartContent } from '../../protocol/schema.ts';
import { opTypes } from '../../protocol/schema.ts';
import { artifact, context, outcome, records, session } from './held.ts';

const content: PartContent = { type: 'text', text: 'new' };
type State = 'all there' | 'no session' | 'no message' | 'no part';
const states: Record<State, Records> = {
  'all there': records(),
  'no session': records({ session: false, message: false, part: false }),
  'no message': records({ message: false, part: false }),
  'no part': records({ part: false }),
};
const ids = { sessionId: 'ses_a', messageId: 'msg_a', partId: 'prt_a' };

const table: { [T in OpType]: { params: OpParams[T]; expected: Record<State, string | string[]> } } = {
  'session/create': {
    params: { sessionId: 'ses_a' },
    expected: {
      'all there': 'AlreadyExists',
      'no session': ['session/created'],
      'no message': 'AlreadyExists',
      'no part': 'AlreadyExists',
    },
  },
  'session/update': {
    params: { sessionId: 'ses_a', title: 'two' },
    expected: needs('session', 'session/updated'),
  },
  'session/delete': { params: { sessionId: 'ses_a' }, expected: needs('session', 'session/deleted') },
  'turn/start': {
    params: { sessionId: 'ses_a', agent: 'x', model: { providerId: 'p', modelId: 'm' }, parts: [content] },
    expected: {
      'all there': ['turn/updated', 'message/updated', 'part/updated'],
      'no session': 'NotFound',
      'no message': ['turn/updated', 'message/updated', 'part/updated'],
      'no part': ['turn/updated', 'message/updated', 'part/updated'],
    },
  },
  'turn/heartbeat': {
    params: { turnId: 'trn_a' },
    expected: { 'all there': [], 'no session': 'NotFound', 'no message': [], 'no part': [] },
  },
  'turn/finish': { params: { turnId: 'trn_a', state: 'completed' }, expected: needs('session', 'turn/updated') },
  'blocker/ask': {
    params: { sessionId: 'ses_a', kind: 'permission', request: { permission: 'bash' } },
    expected: needs('session', 'blocker/updated'),
  },
  'blocker/answer': {
    params: { sessionId: 'ses_a', blockerId: 'blk_a', answer: { decision: 'once' } },
    expected: needs('session', 'blocker/updated'),
  },
  'blocker/reject': {
    params: { sessionId: 'ses_a', blockerId: 'blk_a' },
    expected: needs('session', 'blocker/updated'),
  },
  'message/put': {
    params: { sessionId: 'ses_a', messageId: 'msg_a', role: 'assistant', agent: 'y' },
    expected: needs('session', 'message/updated'),
  },
  'message/remove': {
    params: { sessionId: 'ses_a', messageId: 'msg_a' },
    expected: needs('message', 'message/removed'),
  },
  'part/put': { params: { ...ids, part: content }, expected: needs('message', 'part/updated') },
  'part/delta': {
    params: { sessionId: 'ses_a', partId: 'prt_a', field: 'text', offset: 4, text: 'c' },
    expected: needs('part', 'part/delta'),
  },
  'part/remove': { params: { sessionId: 'ses_a', partId: 'prt_a' }, expected: needs('part', 'part/removed') },
  'artifact/put': {
    params: { sessionId: 'ses_a', kind: 'k', key: 'a', data: 2 },
    expected: needs('session', 'artifact/updated'),
  },
  'artifact/remove': {
    params: { sessionId: 'ses_a', kind: 'k', key: 'a' },
    expected: needs('session', 'artifact/removed'),
  },
};

function needs(record: 'session' | 'message' | 'part', event: string): Record<State, string | string[]> {
  const missing = 'NotFound';
  return {
    'all there': [event],
    'no session': missing,
    'no message': record === 'session' ? [event] : missing,
    'no part': record === 'part' ? missing : [event],
  };
}

describe('each op in each state of what it names', () => {
  for (const type of opTypes) {
    for (const state of Object.keys(states) as State[]) {
      const { params, expected } = table[type];
      test(`${type}, ${state}: ${String(expected[state])}`, () => {
        expect(outcome(type, params as never, states[state])).toEqual(expected[state]);
      });
    }
  }
});

describe('ids', () => {
  test.each([
    ['session/create', { sessionId: 'ses_gone' }],
    ['message/put', { sessionId: 'ses_a', messageId: 'msg_gone', role: 'user' }],
    ['part/put', { sessionId: 'ses_a', messageId: 'msg_a', partId: 'prt_gone', part: content }],
    [
      'turn/start',
      { sessionId: 'ses_a', turnId: 'trn_gone', agent: 'x', model: { providerId: 'p', modelId: 'm' }, parts: [] },
    ],
    ['blocker/ask', { sessionId: 'ses_a', blockerId: 'blk_gone', kind: 'permission', request: { permission: 'b' } }],
  ] as const)('%s: an id that a removed record had stays taken', (type, params) => {
    const held = records({ taken: ['ses_gone', 'msg_gone', 'prt_gone', 'trn_gone', 'blk_gone'] });
    expect(outcome(type, params as never, held)).toBe('AlreadyExists');
  });

  test('a message or part of another session is not there for this one', () => {
    const two = records();
    const held: Records = { ...two, findSession: (id) => (id === 'ses_b' ? { ...session, id } : session) };
    const other = { ...ids, sessionId: 'ses_b' };
    expect(outcome('message/put', { ...other, role: 'assistant' } as never, held)).toBe('AlreadyExists');
    expect(outcome('part/put', { ...other, part: content }, held)).toBe('NotFound');
    expect(outcome('part/delta', { ...other, field: 'text', offset: 4, text: 'x' } as never, held)).toBe('NotFound');
  });

  test('are made where none is given', () => {
    const decision = decide(
      records(),
      { type: 'part/put', params: { sessionId: 'ses_a', messageId: 'msg_a', part: content } },
      context,
    );
    expect(decision).toMatchObject({ ids: { sessionId: 'ses_a', messageId: 'msg_a', partId: 'prt_new' } });
  });
});

describe('a put', () => {
  test('that changes nothing makes no event, whoever sends it', () => {
    expect(outcome('session/update', { sessionId: 'ses_a', title: 'one' })).toEqual([]);
    expect(outcome('message/put', { sessionId: 'ses_a', messageId: 'msg_a', role: 'assistant' })).toEqual([]);
    expect(outcome('part/put', { ...ids, part: { type: 'text', text: 'ab😀' } })).toEqual([]);
    expect(outcome('artifact/put', { sessionId: 'ses_a', kind: 'k', key: 'a', data: 1 })).toEqual([]);
  });

  test('changes nothing either when only the order of its members is another', () => {
    const held: Records = { ...records(), findArtifact: () => ({ ...artifact, data: { a: 1, b: [{ c: 2, d: 3 }] } }) };
    const data = { b: [{ d: 3, c: 2 }], a: 1 };
    expect(outcome('artifact/put', { sessionId: 'ses_a', kind: 'k', key: 'a', data }, held)).toEqual([]);
  });

  test('keeps an omitted field and clears one that is null', () => {
    const put = (params: object) =>
      decide(
        records(),
        { type: 'message/put', params: { sessionId: 'ses_a', messageId: 'msg_a', role: 'assistant', ...params } },
        context,
      );
    expect(put({ metadata: { a: 1 } })).toMatchObject({ events: [{ data: { agent: 'x', metadata: { a: 1 } } }] });
    expect(put({ agent: null })).toMatchObject({ events: [{ data: { agent: null, metadata: {} } }] });
  });

  test('cannot change a role', () => {
    expect(outcome('message/put', { sessionId: 'ses_a', messageId: 'msg_a', role: 'user' })).toBe('InvalidParams');
  });

  test('of a session merges metadata as RFC 7396 says', () => {
    expect(mergePatch({ a: 1, b: { c: 2, d: 3 } }, { a: null, b: { c: null, e: 4 }, f: [1] })).toEqual({
      b: { d: 3, e: 4 },
      f: [1],
    });
  });

  test('of a child needs its parent, unless a source found it first', () => {
    const child = { sessionId: 'ses_child', parentId: 'ses_none' };
    expect(outcome('session/create', child)).toBe('NotFound');
    expect(outcome('session/create', child, records(), { ...context, fromSource: true })).toEqual(['session/created']);
  });

  test('takes the time at which it happened at its source', () => {
    const late = { ...context, occurredAt: 55 };
    const create = decide(records({ session: false }), { type: 'session/create', params: {} }, late);
    expect(create).toMatchObject({ events: [{ data: { createdAt: 55, updatedAt: 55 } }] });
  });
});

describe('a delta', () => {
  // Held: 'ab😀', 4 UTF-16 units.
  test.each<[string, number, string, string | string[]]>([
    ['at the length held is appended', 4, 'x', ['part/delta']],
    ['of nothing at the length held changes nothing', 4, '', []],
    ['wholly inside what is held and equal to it is a duplicate', 1, 'b', []],
    ['equal to all that is held is a duplicate', 0, 'ab😀', []],
    ['inside what is held but different is a gap', 1, 'c', 'DeltaGap'],
    ['that begins inside and reaches over the end is a gap', 2, '😀x', 'DeltaGap'],
    ['beyond the length held is a gap', 5, 'x', 'DeltaGap'],
  ])('%s', (_name, offset, delta, expected) => {
    const params = { sessionId: 'ses_a', partId: 'prt_a', field: 'text' as const, offset, text: delta };
    expect(outcome('part/delta', params)).toEqual(expected);
  });

  test('to a field that the part does not have is refused', () => {
    const params = { sessionId: 'ses_a', partId: 'prt_a', field: 'output' as const, offset: 0, text: 'x' };
    expect(outcome('part/delta', params)).toBe('InvalidParams');
  });

  test('that leaves a gap tells the length held', () => {
    const params = { sessionId: 'ses_a', partId: 'prt_a', field: 'text' as const, offset: 9, text: 'x' };
    expect(decide(records(), { type: 'part/delta', params }, context)).toMatchObject({
      data: { partId: 'prt_a', expected: 4 },
    });
  });
});

test('the metadata of a session is bounded: its record is written with each op', () => {
  const large = { text: 'x'.repeat(256 * 1024) };
  expect(outcome('session/create', { metadata: large }, records({ session: false }))).toBe('LimitExceeded');
  expect(outcome('session/update', { sessionId: 'ses_a', metadata: large })).toBe('LimitExceeded');
});

test('the text of a part is bounded', () => {
  const full = { ...records(), findPartLengths: () => ({ ...ids, textUnits: 64 * 1024 * 1024, outputUnits: null }) };
  const params = { sessionId: 'ses_a', partId: 'prt_a', field: 'text' as const, offset: 64 * 1024 * 1024, text: 'x' };
  expect(outcome('part/delta', params, full)).toBe('LimitExceeded');
});

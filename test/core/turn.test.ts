// The life of a turn: each state against everything that can be done to it, without a gap.
import { describe, expect, test } from 'vitest';
import type { Decision } from '../../daemon/core/decide.ts';
import { decide } from '../../daemon/core/decide.ts';
import type { Records } from '../../daemon/core/records.ts';
import type { TurnState } from '../../daemon/core/turn.ts';
import { turnTransitions } from '../../daemon/core/turn.ts';
import { isOpenTurn } from '../../protocol/derive.ts';
import { isRefusal } from '../../protocol/errors.ts';
import type { Message, OpParams, OpType, Part, Usage } from '../../protocol/schema.ts';
import { turnStates } from '../../protocol/schema.ts';
import { blocker, context, message, outcome, records, text, turn } from './held.ts';

const inTurn: Message = { ...message, turnId: 'trn_a' };
const tool: Part = {
  ...text,
  id: 'prt_tool',
  index: 1,
  type: 'tool',
  callId: 'c',
  tool: 'bash',
  state: 'running',
  startedAt: 50,
} as Part;

/** A turn in `state` with an assistant message, or before it came. */
function turnIn(state: TurnState, more: Partial<Records> = {}): Records {
  const held = { ...turn, state, assistantMessageId: state === 'created' ? null : 'msg_a' };
  return {
    ...records(),
    findTurn: (id) => (id === 'trn_a' ? held : undefined),
    findMessage: (id) => (id === 'msg_a' ? inTurn : undefined),
    messagesOfTurn: () => (state === 'created' ? [] : [inTurn]),
    ...more,
  };
}

const ids = { sessionId: 'ses_a', messageId: 'msg_a', partId: 'prt_a' };
const actions = {
  'turn/heartbeat': ['turn/heartbeat', { turnId: 'trn_a' }],
  'finish completed': ['turn/finish', { turnId: 'trn_a', state: 'completed' }],
  'finish failed': ['turn/finish', { turnId: 'trn_a', state: 'failed' }],
  'finish aborted': ['turn/finish', { turnId: 'trn_a', state: 'aborted' }],
  'a new assistant message': ['message/put', { sessionId: 'ses_a', role: 'assistant', turnId: 'trn_a' }],
  'a new user message': ['message/put', { sessionId: 'ses_a', role: 'user', turnId: 'trn_a' }],
  'a message changed': ['message/put', { sessionId: 'ses_a', messageId: 'msg_a', role: 'assistant', error: 'x' }],
  'a new part': ['part/put', { ...ids, partId: 'prt_new', part: { type: 'text', text: 'x' } }],
  'a part corrected': ['part/put', { ...ids, part: { type: 'text', text: 'other' } }],
  'a tool at work again': ['part/put', { ...ids, part: { type: 'tool', callId: 'c', tool: 't', state: 'running' } }],
  'a delta': ['part/delta', { sessionId: 'ses_a', partId: 'prt_a', field: 'text', offset: 4, text: 'x' }],
  'a delta again': ['part/delta', { sessionId: 'ses_a', partId: 'prt_a', field: 'text', offset: 0, text: 'ab' }],
  'a part removed': ['part/remove', { sessionId: 'ses_a', partId: 'prt_a' }],
  'a message removed': ['message/remove', { sessionId: 'ses_a', messageId: 'msg_a' }],
  'a question asked': [
    'blocker/ask',
    { sessionId: 'ses_a', turnId: 'trn_a', kind: 'permission', request: { permission: 'bash' } },
  ],
} as const satisfies Record<string, readonly [OpType, object]>;
type Action = keyof typeof actions;

const ended = {
  'turn/heartbeat': 'InvalidTransition',
  'finish completed': 'InvalidTransition',
  'finish failed': 'InvalidTransition',
  'finish aborted': 'InvalidTransition',
  'a new assistant message': 'InvalidTransition',
  'a new user message': 'InvalidTransition',
  'a message changed': ['message/updated'],
  'a new part': 'InvalidTransition',
  'a part corrected': ['part/updated'],
  'a tool at work again': 'InvalidTransition',
  'a delta': 'InvalidTransition',
  'a delta again': [],
  'a part removed': ['part/removed'],
  'a message removed': ['message/removed'],
  'a question asked': 'InvalidTransition',
} satisfies Record<Action, unknown>;
const streaming = {
  ...ended,
  'turn/heartbeat': [],
  'finish completed': ['message/updated', 'turn/updated'],
  'finish failed': ['message/updated', 'turn/updated'],
  'finish aborted': ['message/updated', 'turn/updated'],
  'a new assistant message': ['message/updated'],
  'a new user message': ['message/updated'],
  'a new part': ['part/updated'],
  'a tool at work again': ['part/updated'],
  'a delta': ['part/delta'],
  'a question asked': ['blocker/updated'],
};
const expected: Record<TurnState, Record<Action, unknown>> = {
  created: {
    ...streaming,
    'finish completed': ['turn/updated'],
    'finish failed': ['turn/updated'],
    'finish aborted': ['turn/updated'],
    'a new assistant message': ['message/updated', 'turn/updated'],
  },
  streaming,
  completed: { ...ended, 'finish completed': [] },
  failed: { ...ended, 'finish failed': [] },
  aborted: { ...ended, 'finish aborted': [] },
};

describe('each state of a turn against each thing that can be done to it', () => {
  for (const state of turnStates) {
    for (const [name, [type, params]] of Object.entries(actions) as [Action, readonly [OpType, object]][]) {
      test(`${state}, ${name}: ${String(expected[state][name]) || 'nothing changes'}`, () => {
        expect(outcome(type, params as never, turnIn(state))).toEqual(expected[state][name]);
      });
    }
  }

  test('the table of transitions says for each state whether the session is busy with it', () => {
    for (const state of turnStates) expect(turnTransitions[state].length > 0).toBe(isOpenTurn({ state }));
  });

  test('a refused transition names both states', () => {
    const op = { type: 'turn/finish', params: { turnId: 'trn_a', state: 'failed' } } as const;
    expect(decide(turnIn('completed'), op, context)).toMatchObject({ data: { from: 'completed', to: 'failed' } });
  });
});

function decided<T extends OpType>(type: T, params: OpParams[T], held: Records): Decision {
  const decision = decide(held, { type, params } as never, context);
  if (isRefusal(decision)) throw new Error(decision.message);
  return decision;
}

describe('turn/start', () => {
  const params = {
    sessionId: 'ses_a',
    agent: 'claude',
    model: { providerId: 'p', modelId: 'm' },
    parts: [{ type: 'text' as const, text: 'hello' }],
  };

  test('writes the user message with its agent and model before anything is generated', () => {
    const { events, ids: made } = decided('turn/start', params, records());
    expect(events.map(({ data }) => data)).toMatchObject([
      { id: made.turnId, state: 'created', userMessageId: made.messageId, assistantMessageId: null, leaseMs: 60_000 },
      { id: made.messageId, role: 'user', turnId: made.turnId, agent: 'claude', model: params.model },
      { messageId: made.messageId, type: 'text', text: 'hello', index: 1 },
    ]);
  });

  test('a part with an id that is taken, or given twice, refuses the whole', () => {
    const part = { id: 'prt_a', type: 'text' as const, text: 'x' };
    expect(outcome('turn/start', { ...params, parts: [part] })).toBe('AlreadyExists');
    const twice = { ...part, id: 'prt_new' };
    expect(outcome('turn/start', { ...params, parts: [twice, twice] })).toBe('AlreadyExists');
    expect(outcome('turn/start', { ...params, parts: [twice] })).toHaveLength(3);
  });
});

describe('turn/finish', () => {
  const usage: Usage = { input: 1, output: 2, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
  const finish = { turnId: 'trn_a', state: 'completed' as const };

  test('[P17] ends all that hangs on the turn in one op: parts, tools, blockers, message, turn, in this order', () => {
    const streamed = { ...text, text: 'all of it' };
    const held = turnIn('streaming', {
      unsettledPartsOfTurn: () => [streamed, tool],
      pendingBlockersOfTurn: () => [{ ...blocker, turnId: 'trn_a' }],
    });
    const { events, turn: lease } = decided('turn/finish', { ...finish, finish: 'stop', usage }, held);
    expect(events.map(({ type, data }) => [type, data])).toMatchObject([
      ['part/updated', { id: 'prt_a', text: 'all of it' }],
      ['part/updated', { id: 'prt_tool', state: 'error', endedAt: 100, startedAt: 50 }],
      ['blocker/updated', { id: 'blk_a', state: 'expired', resolvedAt: 100, resolvedBy: 'me', resolution: null }],
      ['message/updated', { id: 'msg_a', completedAt: 100, usage }],
      ['turn/updated', { state: 'completed', endedAt: 100, finish: 'stop', usage, assistantMessageId: 'msg_a' }],
    ]);
    expect(lease).toEqual({ id: 'trn_a', ended: true });
  });

  test('puts parts given anew where the turn has them, and adds the others to the last assistant message', () => {
    const held = turnIn('streaming', { unsettledPartsOfTurn: () => [text] });
    const parts = [
      { id: 'prt_a', type: 'text' as const, text: 'final' },
      { type: 'text' as const, text: 'more' },
    ];
    const { events } = decided('turn/finish', { ...finish, parts }, held);
    expect(events.slice(0, 2).map(({ data }) => data)).toMatchObject([
      { id: 'prt_a', index: 0, text: 'final' },
      { messageId: 'msg_a', index: 1, text: 'more' },
    ]);
    expect(events).toHaveLength(4);
  });

  test('a tool given as still at work is ended too', () => {
    const parts = [{ type: 'tool' as const, callId: 'c', tool: 't', state: 'pending' as const }];
    expect(decided('turn/finish', { ...finish, parts }, turnIn('streaming')).events[0]!.data).toMatchObject({
      state: 'error',
    });
  });

  test('parts without an assistant message to hang on make one, before them', () => {
    const parts = [{ type: 'text' as const, text: 'all at once' }];
    const { events } = decided('turn/finish', { ...finish, parts, usage }, turnIn('created'));
    const [made, part, last] = events.map(({ data }) => data) as [Message, Part, { assistantMessageId: string }];
    expect(made).toMatchObject({ role: 'assistant', turnId: 'trn_a', agent: 'x', completedAt: 100, usage });
    expect(part).toMatchObject({ messageId: made.id });
    expect(last.assistantMessageId).toBe(made.id);
    expect(events.map(({ type }) => type)).toEqual(['message/updated', 'part/updated', 'turn/updated']);
  });

  test('a message that tells its own usage keeps it: nothing is counted twice', () => {
    const told = { ...inTurn, usage: { ...usage, input: 9 } };
    const { events } = decided(
      'turn/finish',
      { ...finish, usage },
      turnIn('streaming', { messagesOfTurn: () => [told] }),
    );
    expect(events[0]!.data).toMatchObject({ usage: { input: 9 }, completedAt: 100 });
  });

  // Found by test/engine/model.test.ts, seed 184664628.
  test('parts given with the id of a part of another turn refuse it, also when its own messages were all removed', () => {
    const parts = [{ id: 'prt_a', type: 'text' as const, text: 'x' }];
    const bare = turnIn('created', { messagesOfTurn: () => [] });
    expect(outcome('turn/finish', { ...finish, parts }, bare)).toBe('AlreadyExists');
  });

  test('a part of the user message that is put anew makes no assistant message', () => {
    const user = { ...inTurn, role: 'user' as const };
    const held = turnIn('created', { messagesOfTurn: () => [user] });
    const parts = [{ id: 'prt_a', type: 'text' as const, text: 'mended' }];
    expect(outcome('turn/finish', { ...finish, parts }, held)).toEqual(['part/updated', 'turn/updated']);
  });

  test('the turn of an assistant message that was removed ends without one', () => {
    const { events } = decided('turn/finish', finish, turnIn('streaming', { messagesOfTurn: () => [] }));
    expect(events.map(({ data }) => data)).toMatchObject([{ state: 'completed', assistantMessageId: null }]);
  });
});

describe('a message', () => {
  const put = { sessionId: 'ses_a', messageId: 'msg_a', role: 'assistant' as const };

  test('joins a turn later, once: then its turn is fixed', () => {
    const free = turnIn('created', { findMessage: () => message });
    expect(outcome('message/put', { ...put, turnId: 'trn_a' }, free)).toEqual(['message/updated', 'turn/updated']);
    expect(outcome('message/put', { ...put, turnId: null }, turnIn('streaming'))).toBe('InvalidParams');
    expect(outcome('message/put', { ...put, turnId: 'trn_b' }, turnIn('streaming'))).toBe('InvalidParams');
  });

  test('cannot join a turn of another session, or one that is not there', () => {
    const other = turnIn('streaming', {
      findTurn: () => ({ ...turn, sessionId: 'ses_b' }),
      findMessage: () => undefined,
    });
    const fresh = { sessionId: 'ses_a', role: 'assistant' as const, turnId: 'trn_a' };
    expect(outcome('message/put', fresh, other)).toBe('NotFound');
    expect(outcome('message/put', { ...fresh, turnId: 'trn_none' }, turnIn('streaming'))).toBe('NotFound');
  });

  test('of the assistant has the agent and model of its turn, unless it says otherwise', () => {
    const fresh = { sessionId: 'ses_a', role: 'assistant' as const, turnId: 'trn_a' };
    expect(decided('message/put', fresh, turnIn('streaming')).events[0]!.data).toMatchObject({ agent: 'x' });
    const own = decided('message/put', { ...fresh, agent: 'y', model: null }, turnIn('streaming'));
    expect(own.events[0]!.data).toMatchObject({ agent: 'y', model: null });
  });
});

test('every op on an open turn renews its lease, and none on an ended one', () => {
  for (const [type, params] of Object.values(actions)) {
    if (type === 'turn/finish') continue;
    const decision = decide(turnIn('streaming'), { type, params } as never, context);
    if (isRefusal(decision)) throw new Error(decision.message);
    if (decision.events.length > 0 || decision.silent) expect(decision.turn).toMatchObject({ id: 'trn_a' });
    const after = decide(turnIn('aborted'), { type, params } as never, context);
    if (!isRefusal(after)) expect(after.turn).toBeUndefined();
  }
});

// What the core's tests decide on: one session with all kinds of records, or less of it.
import type { Context } from '../../daemon/core/decide.ts';
import { decide } from '../../daemon/core/decide.ts';
import type { PartLengths, Records } from '../../daemon/core/records.ts';
import { noUsage } from '../../protocol/derive.ts';
import { isRefusal } from '../../protocol/errors.ts';
import type { Artifact, Blocker, Message, OpParams, OpType, Part, Session, Turn } from '../../protocol/schema.ts';

export const written = { actorId: 'before', schemaVersion: 1 };
export const session: Session = {
  id: 'ses_a',
  parentId: null,
  title: 'one',
  directory: '/d',
  agent: 'x',
  model: null,
  status: 'idle',
  version: 7,
  origin: null,
  metadata: { keep: 1 },
  usage: noUsage,
  messageCount: 1,
  pendingBlockers: 0,
  ...written,
  createdAt: 10,
  updatedAt: 20,
  archivedAt: null,
};
export const message: Message = {
  id: 'msg_a',
  messageIndex: 0,
  sessionId: 'ses_a',
  turnId: null,
  role: 'assistant',
  agent: 'x',
  model: null,
  createdAt: 11,
  completedAt: null,
  usage: null,
  error: null,
  metadata: {},
  ...written,
};
export const text: Part = {
  id: 'prt_a',
  messageId: 'msg_a',
  sessionId: 'ses_a',
  index: 0,
  ...written,
  type: 'text',
  text: 'ab😀',
};
export const artifact: Artifact = {
  sessionId: 'ses_a',
  kind: 'k',
  key: 'a',
  data: 1,
  createdAt: 1,
  updatedAt: 1,
  ...written,
};

export const turn: Turn = {
  id: 'trn_a',
  sessionId: 'ses_a',
  state: 'streaming',
  userMessageId: 'msg_u',
  assistantMessageId: 'msg_a',
  agent: 'x',
  model: { providerId: 'p', modelId: 'm' },
  leaseMs: 500,
  startedAt: 10,
  endedAt: null,
  finish: null,
  error: null,
  usage: null,
  ...written,
};
export const blocker: Blocker = {
  id: 'blk_a',
  sessionId: 'ses_a',
  turnId: null,
  kind: 'permission',
  request: { permission: 'bash' },
  state: 'pending',
  resolution: null,
  resolvedBy: null,
  askedAt: 12,
  resolvedAt: null,
  ...written,
};

type Has = {
  session?: boolean;
  message?: boolean;
  part?: boolean;
  turn?: boolean;
  blocker?: boolean;
  taken?: string[];
};

/** The fake of Records: one session with one record of each kind; or less of it. */
export function records(has: Has = {}): Records {
  const session_ = has.session ?? true;
  const there = {
    session: session_,
    message: session_,
    part: session_,
    turn: session_,
    blocker: session_,
    taken: [],
    ...has,
  };
  const lengths: PartLengths = { sessionId: 'ses_a', messageId: 'msg_a', textUnits: 4, outputUnits: null };
  return {
    findSession: (id) => (there.session && id === 'ses_a' ? session : undefined),
    findMessage: (id) => (there.message && id === 'msg_a' ? message : undefined),
    findPart: (id) => (there.part && id === 'prt_a' ? text : undefined),
    findPartLengths: (id) => (there.part && id === 'prt_a' ? lengths : undefined),
    findText: (_part, _field, offset, length) => (text as Part & { text: string }).text.slice(offset, offset + length),
    findTurn: (id) => (there.turn && id === 'trn_a' ? turn : undefined),
    messagesOfTurn: () => [],
    unsettledPartsOfTurn: () => [],
    pendingBlockersOfTurn: () => [],
    findBlocker: (id) => (there.blocker && id === 'blk_a' ? blocker : undefined),
    findArtifact: (_session, kind, key) => (kind === 'k' && key === 'a' ? artifact : undefined),
    isTaken: (id) => (there.session && id === 'ses_a') || there.taken.includes(id),
    nextMessageIndex: () => 1,
    nextPartIndex: () => 1,
  };
}

export const context: Context = { now: 100, actorId: 'me', newId: (prefix) => `${prefix}_new`, fromSource: false };

/** The refusal, or the types of the events. */
export function outcome<T extends OpType>(type: T, params: OpParams[T], held = records(), given: Context = context) {
  const decision = decide(held, { type, params } as never, given);
  return isRefusal(decision) ? decision.refused : decision.events.map((event) => event.type);
}

// decide(records, op, context) -> what happens, or a refusal. Pure: no clock, no I/O, no SQL. A refusal comes before the
// first write of its op, so that the writer needs no savepoint for it.
import type { Refusal } from '../../protocol/errors.ts';
import type { EventData, EventType, Op, OpType } from '../../protocol/schema.ts';
import { putArtifact, removeArtifact } from './ops/artifact.ts';
import { answerBlocker, askBlocker, rejectBlocker } from './ops/blocker.ts';
import { putMessage, removeMessage } from './ops/message.ts';
import { appendDelta, putPart, removePart } from './ops/part.ts';
import { createSession, deleteSession, updateSession } from './ops/session.ts';
import { finishTurn, renewTurn, startTurn } from './ops/turn.ts';
import type { Records } from './records.ts';

/** What an op is decided with, beside the records. */
export type Context = {
  /** `at` of its events: ms since the epoch, never decreasing. */
  now: number;
  occurredAt?: number | undefined;
  actorId: string;
  newId(prefix: 'ses' | 'msg' | 'prt' | 'trn' | 'blk'): string;
  /** Sources take files in the order they find them, so a child may come before its parent. */
  fromSource: boolean;
};

/** An event before it has its place in the journal. */
export type Draft = { [T in EventType]: { type: T; sessionId: string; data: EventData[T] } }[EventType];

/** What happens. */
export type Decision = {
  events: Draft[];
  /** The records that the op was about. */
  ids: Record<string, string>;
  /** The turn that the op is on, whose lease it renews; `leaseMs`: from now on; `ended`: there is none any more. */
  turn?: { id: string; leaseMs?: number | undefined; ended?: true } | undefined;
  /** Something was done although there is no event of it. Else no events mean a put that changes nothing: a duplicate. */
  silent?: true;
};

export type Decide<T extends OpType> = (
  records: Records,
  params: Extract<Op, { type: T }>['params'],
  context: Context,
) => Decision | Refusal;

const deciders: { [T in OpType]: Decide<T> } = {
  'session/create': createSession,
  'session/update': updateSession,
  'session/delete': deleteSession,
  'turn/start': startTurn,
  'turn/heartbeat': renewTurn,
  'turn/finish': finishTurn,
  'message/put': putMessage,
  'message/remove': removeMessage,
  'part/put': putPart,
  'part/delta': appendDelta,
  'part/remove': removePart,
  'blocker/ask': askBlocker,
  'blocker/answer': answerBlocker,
  'blocker/reject': rejectBlocker,
  'artifact/put': putArtifact,
  'artifact/remove': removeArtifact,
};

/** Decides one op. The ledger, dependsOn and expectedVersion were checked before (PROTOCOL.md 3 fixes that order). */
export function decide(records: Records, op: Pick<Op, 'type' | 'params'>, context: Context): Decision | Refusal {
  const decider = deciders[op.type] as Decide<OpType>;
  return decider(records, op.params, context);
}

/** The session that an op is for; undefined where it names none, or a turn that is not there. */
export function sessionIdOf(records: Records, { params }: Pick<Op, 'type' | 'params'>): string | undefined {
  if ('sessionId' in params) return params.sessionId;
  return 'turnId' in params && params.turnId ? records.findTurn(params.turnId)?.sessionId : undefined;
}

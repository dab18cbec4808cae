// decide(records, op, context) -> what happens, or a refusal. Pure: no clock, no I/O, no SQL. A refusal comes before the
// first write of its op, so that the writer needs no savepoint for it.
import type { Refusal } from '../../protocol/errors.ts';
import type { EventData, EventType, Op, OpType } from '../../protocol/schema.ts';
import { putArtifact, removeArtifact } from './ops/artifact.ts';
import { putMessage, removeMessage } from './ops/message.ts';
import { appendDelta, putPart, removePart } from './ops/part.ts';
import { createSession, deleteSession, updateSession } from './ops/session.ts';
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

/** `ids`: the records that the op was about. No events: a put that changes nothing. */
export type Decision = { events: Draft[]; ids: Record<string, string> };

export type Decide<T extends OpType> = (
  records: Records,
  params: Extract<Op, { type: T }>['params'],
  context: Context,
) => Decision | Refusal;

const deciders: { [T in OpType]: Decide<T> } = {
  'session/create': createSession,
  'session/update': updateSession,
  'session/delete': deleteSession,
  'message/put': putMessage,
  'message/remove': removeMessage,
  'part/put': putPart,
  'part/delta': appendDelta,
  'part/remove': removePart,
  'artifact/put': putArtifact,
  'artifact/remove': removeArtifact,
};

/** Decides one op. The ledger, dependsOn and expectedVersion were checked before (PROTOCOL.md 3 fixes that order). */
export function decide(records: Records, op: Pick<Op, 'type' | 'params'>, context: Context): Decision | Refusal {
  const decider = deciders[op.type] as Decide<OpType>;
  return decider(records, op.params, context);
}

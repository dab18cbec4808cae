// The ops of a series (session/fork, session/import): a record that another session or store had is added as it was, where
// the ops of clients would make a new one. What is still under way there is not under way here.
import { isOpenTurn, noUsage } from '../../../protocol/derive.ts';
import type { Refusal } from '../../../protocol/errors.ts';
import { refuse } from '../../../protocol/errors.ts';
import type { Artifact, Blocker, Message, Part, Session, Turn } from '../../../protocol/schema.ts';
import { schemaVersion } from '../../../protocol/schema.ts';
import type { Context, Decision, Draft } from '../decide.ts';
import type { Records } from '../records.ts';
import { isAtWork } from '../turn.ts';
import { sessionOf } from './session.ts';

/** A record with its ids as they shall be. */
export type AddedRecord =
  | { kind: 'turn'; record: Turn }
  | { kind: 'message'; record: Message }
  | { kind: 'part'; record: Part }
  | { kind: 'blocker'; record: Blocker }
  | { kind: 'artifact'; record: Artifact };

/** Makes the session of a series; what follows from its records starts anew. */
export function addSession(records: Records, session: Session): Decision | Refusal {
  const { id, parentId } = session;
  if (records.isTaken(id)) return taken('session', id);
  const data: Session = {
    ...session,
    parentId: parentId !== null && records.findSession(parentId) ? parentId : null,
    status: 'idle',
    version: 1,
    usage: noUsage,
    messageCount: 0,
    pendingBlockers: 0,
    schemaVersion,
  };
  return { events: [{ type: 'session/created', sessionId: id, data }], ids: { sessionId: id } };
}

/** Adds one record to the session of a series. */
export function addRecord(
  records: Records,
  sessionId: string,
  { kind, record }: AddedRecord,
  context: Context,
): Decision | Refusal {
  const session = sessionOf(records, sessionId);
  if ('refused' in session) return session;
  // A message whose parts need more than one document comes with each of them.
  if (kind === 'message' && records.findMessage(record.id)?.sessionId === sessionId) {
    return { events: [], ids: { sessionId } };
  }
  if (kind !== 'artifact' && !isFree(records, record.id)) return taken(kind, record.id);
  const turnHere = (id: string | null) => (id !== null && records.findTurn(id)?.sessionId === sessionId ? id : null);
  const fixed = { sessionId, schemaVersion };
  const draft = (): Draft | Refusal => {
    switch (kind) {
      case 'turn':
        return { type: 'turn/updated', sessionId, data: { ...closedTurn(record, context), ...fixed } };
      case 'message': {
        const messageIndex = Math.max(record.messageIndex, records.nextMessageIndex(sessionId));
        const turnId = turnHere(record.turnId);
        // Of a turn that was under way there: it ended as it was copied.
        const ended = turnId === null || record.role !== 'assistant' ? null : records.findTurn(turnId)!.endedAt;
        const completedAt = record.completedAt ?? ended;
        const data = { ...record, ...fixed, messageIndex, turnId, completedAt };
        return { type: 'message/updated', sessionId, data };
      }
      case 'part': {
        const message = records.findMessage(record.messageId);
        if (message?.sessionId !== sessionId) {
          const id = record.messageId;
          return refuse('NotFound', `there is no message ${id} in session ${sessionId}`, { what: 'message', id });
        }
        const index = Math.max(record.index, records.nextPartIndex(message.id));
        const data = { ...record, ...fixed, index };
        return { type: 'part/updated', sessionId, data: closedPart(data, context) };
      }
      case 'blocker': {
        const data = { ...closedBlocker(record, context), ...fixed, turnId: turnHere(record.turnId) };
        return { type: 'blocker/updated', sessionId, data };
      }
      case 'artifact':
        return { type: 'artifact/updated', sessionId, data: { ...record, ...fixed } };
    }
  };
  const event = draft();
  return 'refused' in event ? event : { events: [event], ids: { sessionId } };
}

/** Whether no record has the id, or ever had. */
export function isFree(records: Records, id: string): boolean {
  return !holders[id.slice(0, 4)]?.(records, id) && !records.isTaken(id);
}

const holders: Record<string, (records: Records, id: string) => unknown> = {
  trn_: (records, id) => records.findTurn(id),
  msg_: (records, id) => records.findMessage(id),
  prt_: (records, id) => records.findPartLengths(id),
  blk_: (records, id) => records.findBlocker(id),
};

function closedPart(part: Part, { now: endedAt }: Context): Part {
  if (!isAtWork(part)) return part;
  return { ...part, state: 'error', error: 'it had not ended in the session that this is a copy of', endedAt } as Part;
}

function closedTurn(turn: Turn, context: Context): Turn {
  if (!isOpenTurn(turn)) return turn;
  const error = { kind: 'Copied', message: 'it had not ended in the session that this is a copy of' };
  return { ...turn, state: 'aborted', error, endedAt: context.now };
}

function closedBlocker(blocker: Blocker, context: Context): Blocker {
  if (blocker.state !== 'pending') return blocker;
  return { ...blocker, state: 'expired', resolvedBy: context.actorId, resolvedAt: context.now };
}

function taken(what: string, id: string): Refusal {
  return refuse('AlreadyExists', `the ${what} id ${id} is taken`, { what, id });
}

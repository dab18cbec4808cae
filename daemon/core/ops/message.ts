// message/put, message/remove (PROTOCOL.md 3).

import { isOpenTurn } from '../../../protocol/derive.ts';
import type { Refusal } from '../../../protocol/errors.ts';
import { refuse, refuseParams } from '../../../protocol/errors.ts';
import type { Message, Turn } from '../../../protocol/schema.ts';
import type { Context, Decide, Decision, Draft } from '../decide.ts';
import { happenedAt, keep, sameContent, written } from '../put.ts';
import type { Records } from '../records.ts';
import { addTo, turnOfMessage } from '../turn.ts';
import { sessionOf } from './session.ts';

/** The message an op is for, in its session, or the refusal of one that is not there. */
export function messageOf(records: Records, sessionId: string, id: string): Message | Refusal {
  const message = records.findMessage(id);
  if (message?.sessionId === sessionId) return message;
  return refuse('NotFound', `there is no message ${id} in session ${sessionId}`, { what: 'message', id });
}

export const putMessage: Decide<'message/put'> = (records, params, context) => {
  const session = sessionOf(records, params.sessionId);
  if ('refused' in session) return session;
  const id = params.messageId ?? context.newId('msg');
  const ids = { sessionId: session.id, messageId: id };
  const held = params.messageId ? records.findMessage(id) : undefined;
  if (held ? held.sessionId !== session.id : params.messageId && records.isTaken(id)) {
    return refuse('AlreadyExists', `the message id ${id} is taken`, { what: 'message', id });
  }
  if (params.turnId !== undefined && held?.turnId && params.turnId !== held.turnId) {
    return refuseParams(`the turn of message ${id} is fixed`, { member: 'turnId' });
  }
  const turn = params.turnId ? turnInSession(records, session.id, params.turnId) : undefined;
  if (turn && 'refused' in turn) return turn;
  const joins = turn && held?.turnId !== turn.id ? turn : undefined;
  const ended = joins && addTo(joins);
  if (ended) return ended;
  if (held && held.role !== params.role) {
    return refuseParams(`the role of message ${id} is fixed: it is ${held.role}`, { member: 'role' });
  }
  // What answers in a turn is the agent and model of the turn, unless it says otherwise.
  const { agent = null, model = null } = params.role === 'assistant' && turn ? turn : {};
  const fresh = { id, sessionId: session.id, turnId: null, role: params.role, agent, model };
  const base: Message = held ?? newMessage(records, fresh, context);
  const next: Message = {
    ...base,
    turnId: turn?.id ?? base.turnId,
    agent: keep(params.agent, base.agent),
    model: keep(params.model, base.model),
    createdAt: keep(params.createdAt, base.createdAt),
    usage: keep(params.usage, base.usage),
    error: keep(params.error, base.error),
    metadata: keep(params.metadata, base.metadata) ?? {},
  };
  if (held && sameContent(held, next)) return { events: [], ids, turn: onTurn(records, held) };
  const sessionId = session.id;
  const events: Draft[] = [{ type: 'message/updated', sessionId, data: { ...next, ...written(context) } }];
  if (joins?.state === 'created' && next.role === 'assistant') {
    const streaming: Turn = { ...joins, state: 'streaming', assistantMessageId: id, ...written(context) };
    events.push({ type: 'turn/updated', sessionId, data: streaming });
  }
  return { events, ids, turn: onTurn(records, next) };
};

type NewMessage = Pick<Message, 'id' | 'sessionId' | 'turnId' | 'role' | 'agent' | 'model'>;

/** A message at the end of its session. */
export function newMessage(records: Records, given: NewMessage, context: Context): Message {
  const { id, sessionId, turnId, role, agent, model } = given;
  return {
    id, // first: store/pruner.ts finds a record by how its body begins
    sessionId,
    turnId,
    role,
    agent,
    model,
    messageIndex: records.nextMessageIndex(given.sessionId),
    createdAt: happenedAt(context),
    completedAt: null,
    usage: null,
    error: null,
    metadata: {},
    ...written(context),
  };
}

export const removeMessage: Decide<'message/remove'> = (records, params) => {
  const session = sessionOf(records, params.sessionId);
  if ('refused' in session) return session;
  const message = messageOf(records, session.id, params.messageId);
  if ('refused' in message) return message;
  const ids = { sessionId: session.id, messageId: message.id };
  const events: Draft[] = [{ type: 'message/removed', sessionId: session.id, data: ids }];
  return { events, ids, turn: onTurn(records, message) };
};

/** The turn of a message, as an op on it: only while it is open is there a lease to renew. */
export function onTurn(records: Records, message: Pick<Message, 'turnId'>): Decision['turn'] {
  const turn = turnOfMessage(records, message);
  return turn && isOpenTurn(turn) ? { id: turn.id } : undefined;
}

/** The turn an op is for, in its session, or the refusal of one that is not there. */
export function turnInSession(records: Records, sessionId: string, id: string): Turn | Refusal {
  const turn = records.findTurn(id);
  if (turn?.sessionId === sessionId) return turn;
  return refuse('NotFound', `there is no turn ${id} in session ${sessionId}`, { what: 'turn', id });
}

// message/put, message/remove (PROTOCOL.md 3).

import type { Refusal } from '../../../protocol/errors.ts';
import { refuse, refuseParams } from '../../../protocol/errors.ts';
import type { Message } from '../../../protocol/schema.ts';
import type { Decide } from '../decide.ts';
import { happenedAt, keep, sameContent, written } from '../put.ts';
import type { Records } from '../records.ts';
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
  if (params.turnId && params.turnId !== held?.turnId) {
    // Nothing makes turns yet; once a message has its turn it is fixed.
    if (held) return refuseParams(`the turn of message ${id} is fixed`, { member: 'turnId' });
    return refuse('NotFound', `there is no turn ${params.turnId}`, { what: 'turn', id: params.turnId });
  }
  if (held && held.role !== params.role) {
    return refuseParams(`the role of message ${id} is fixed: it is ${held.role}`, { member: 'role' });
  }
  const base: Message = held ?? {
    id,
    messageIndex: records.nextMessageIndex(session.id),
    sessionId: session.id,
    turnId: null,
    role: params.role,
    agent: null,
    model: null,
    createdAt: happenedAt(context),
    completedAt: null,
    usage: null,
    error: null,
    metadata: {},
    ...written(context),
  };
  const next: Message = {
    ...base,
    agent: keep(params.agent, base.agent),
    model: keep(params.model, base.model),
    createdAt: keep(params.createdAt, base.createdAt),
    usage: keep(params.usage, base.usage),
    error: keep(params.error, base.error),
    metadata: keep(params.metadata, base.metadata) ?? {},
  };
  if (held && sameContent(held, next)) return { events: [], ids };
  return {
    events: [{ type: 'message/updated', sessionId: session.id, data: { ...next, ...written(context) } }],
    ids,
  };
};

export const removeMessage: Decide<'message/remove'> = (records, params) => {
  const session = sessionOf(records, params.sessionId);
  if ('refused' in session) return session;
  const message = messageOf(records, session.id, params.messageId);
  if ('refused' in message) return message;
  const ids = { sessionId: session.id, messageId: message.id };
  return { events: [{ type: 'message/removed', sessionId: session.id, data: ids }], ids };
};

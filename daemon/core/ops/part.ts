// part/put, part/delta, part/remove (PROTOCOL.md 3). Offsets and lengths count UTF-16 units.

import type { Refusal } from '../../../protocol/errors.ts';
import { refuse, refuseParams } from '../../../protocol/errors.ts';
import type { Part } from '../../../protocol/schema.ts';
import type { Decide, Draft } from '../decide.ts';
import { sameContent, written } from '../put.ts';
import type { PartLengths, Records } from '../records.ts';
import { addTo, isAtWork, turnOfMessage } from '../turn.ts';
import { messageOf, onTurn } from './message.ts';
import { sessionOf } from './session.ts';

/** A string may have 2^29 units in all that Node runs; records, replies and exports hold it with other text. */
export const maxTextUnits = 64 * 1024 * 1024;

export const putPart: Decide<'part/put'> = (records, params, context) => {
  const session = sessionOf(records, params.sessionId);
  if ('refused' in session) return session;
  const message = messageOf(records, session.id, params.messageId);
  if ('refused' in message) return message;
  const id = params.partId ?? context.newId('prt');
  const ids = { sessionId: session.id, messageId: message.id, partId: id };
  const held = params.partId ? records.findPart(id) : undefined;
  if (held ? held.messageId !== message.id : params.partId && records.isTaken(id)) {
    return refuse('AlreadyExists', `the part id ${id} is taken`, { what: 'part', id });
  }
  const part = {
    id,
    messageId: message.id,
    sessionId: session.id,
    index: held?.index ?? records.nextPartIndex(message.id),
    ...written(context),
    ...params.part,
  } as Part;
  if (held && sameContent(held, part)) return { events: [], ids, turn: onTurn(records, message) };
  const turn = turnOfMessage(records, message);
  // What an ended turn holds can be corrected; nothing is added to it, and nothing in it is at work again (P15, P17).
  const refusal = turn && (!held || isAtWork(part)) ? addTo(turn) : undefined;
  if (refusal) return refusal;
  const events: Draft[] = [{ type: 'part/updated', sessionId: session.id, data: part }];
  return { events, ids, turn: onTurn(records, message) };
};

export const appendDelta: Decide<'part/delta'> = (records, params) => {
  const { partId, field, offset, text } = params;
  const session = sessionOf(records, params.sessionId);
  if ('refused' in session) return session;
  const part = lengthsOf(records, session.id, partId);
  if ('refused' in part) return part;
  const held = field === 'text' ? part.textUnits : part.outputUnits;
  if (held === null) {
    return refuseParams(`part ${partId} is of a type that has no ${field} to append to`, { member: 'field' });
  }
  const ids = { sessionId: session.id, messageId: part.messageId, partId };
  const message = records.findMessage(part.messageId)!;
  if (offset === held) {
    if (text === '') return { events: [], ids, turn: onTurn(records, message) };
    const turn = turnOfMessage(records, message);
    const refusal = turn && addTo(turn);
    if (refusal) return refusal;
    if (held + text.length > maxTextUnits) {
      const limit = { limit: maxTextUnits, what: 'UTF-16 units of text in a part' };
      return refuse('LimitExceeded', `part ${partId} is full: go on in a new one`, limit);
    }
    const data = { sessionId: session.id, messageId: part.messageId, partId, field, offset, text };
    const events: Draft[] = [{ type: 'part/delta', sessionId: session.id, data }];
    return { events, ids, turn: turn && { id: turn.id } };
  }
  // Only a delta that lies wholly inside what is held needs the text itself, and of that no more than its own length.
  if (offset + text.length <= held && records.findText(partId, field, offset, text.length) === text) {
    return { events: [], ids, turn: onTurn(records, message) };
  }
  return refuse('DeltaGap', `part ${partId} holds ${held} units of ${field}; send the text from there`, {
    partId,
    expected: held,
  });
};

export const removePart: Decide<'part/remove'> = (records, params) => {
  const session = sessionOf(records, params.sessionId);
  if ('refused' in session) return session;
  const part = lengthsOf(records, session.id, params.partId);
  if ('refused' in part) return part;
  const ids = { sessionId: session.id, messageId: part.messageId, partId: params.partId };
  const events: Draft[] = [{ type: 'part/removed', sessionId: session.id, data: ids }];
  return { events, ids, turn: onTurn(records, records.findMessage(part.messageId)!) };
};

function lengthsOf(records: Records, sessionId: string, id: string): PartLengths | Refusal {
  const part = records.findPartLengths(id);
  if (part?.sessionId === sessionId) return part;
  return refuse('NotFound', `there is no part ${id} in session ${sessionId}`, { what: 'part', id });
}

/** The UTF-16 lengths that a part's own body gives, before any delta. Null where no text can be appended. */
export function ownLengths(part: Part): Pick<PartLengths, 'textUnits' | 'outputUnits'> {
  const units = (held: unknown) => (typeof held === 'string' ? held.length : held === undefined ? 0 : null);
  return {
    textUnits: part.type === 'text' || part.type === 'reasoning' ? part.text.length : null,
    outputUnits: part.type === 'tool' ? units(part.output) : null,
  };
}

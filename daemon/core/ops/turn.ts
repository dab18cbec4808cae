// turn/start, turn/heartbeat, turn/finish (PROTOCOL.md 3). Each end of a turn is one op, so that no crash leaves half of
// it (P17).
import type { Refusal } from '../../../protocol/errors.ts';
import { isRefusal, refuse } from '../../../protocol/errors.ts';
import type { Blocker, Message, OpParams, Part, Turn } from '../../../protocol/schema.ts';
import type { Context, Decide, Draft } from '../decide.ts';
import { happenedAt, sameContent, written } from '../put.ts';
import type { Records } from '../records.ts';
import { addTo, isAtWork, moveTo, turnOf } from '../turn.ts';
import { newMessage } from './message.ts';
import { sessionOf } from './session.ts';

/** How long a turn may be silent when its client names no other time, ms (PROTOCOL.md 3). */
export const defaultLeaseMs = 60_000;

export const startTurn: Decide<'turn/start'> = (records, params, context) => {
  const session = sessionOf(records, params.sessionId);
  if ('refused' in session) return session;
  const id = params.turnId ?? context.newId('trn');
  if (params.turnId && (records.findTurn(id) || records.isTaken(id))) {
    return refuse('AlreadyExists', `the turn id ${id} is taken`, { what: 'turn', id });
  }
  const { agent, model, leaseMs = defaultLeaseMs } = params;
  const message = newMessage(
    records,
    { id: context.newId('msg'), sessionId: session.id, turnId: id, role: 'user', agent, model },
    context,
  );
  const turn: Turn = {
    id,
    sessionId: session.id,
    state: 'created',
    userMessageId: message.id,
    assistantMessageId: null,
    agent,
    model,
    leaseMs,
    startedAt: happenedAt(context),
    endedAt: null,
    finish: null,
    error: null,
    usage: null,
    ...written(context),
  };
  const parts = givenParts(records, params.parts, [message], message, context);
  if (isRefusal(parts)) return parts;
  const events: Draft[] = [
    { type: 'turn/updated', sessionId: session.id, data: turn },
    { type: 'message/updated', sessionId: session.id, data: message },
    ...parts.map((part) => ({ type: 'part/updated' as const, sessionId: session.id, data: part })),
  ];
  return { events, ids: { sessionId: session.id, turnId: id, messageId: message.id }, turn: { id, leaseMs } };
};

export const renewTurn: Decide<'turn/heartbeat'> = (records, { turnId, leaseMs }) => {
  const turn = turnOf(records, turnId);
  if ('refused' in turn) return turn;
  const refusal = addTo(turn);
  if (refusal) return refusal;
  return { events: [], ids: { sessionId: turn.sessionId, turnId }, turn: { id: turn.id, leaseMs }, silent: true };
};

export const finishTurn: Decide<'turn/finish'> = (records, params, context) => {
  const turn = turnOf(records, params.turnId);
  if ('refused' in turn) return turn;
  const { id, sessionId } = turn;
  const ids = { sessionId, turnId: id };
  if (turn.state === params.state) return { events: [], ids };
  const refusal = moveTo(turn, params.state);
  if (refusal) return refusal;

  const held = records.messagesOfTurn(id);
  const answers = held.filter(({ role }) => role === 'assistant');
  // Parts that came without an assistant message to hang on make one: what was generated is not lost.
  const made =
    answers.length === 0 && params.parts?.some(({ id }) => !isPartOf(records, held, id))
      ? newMessage(
          records,
          { id: context.newId('msg'), sessionId, turnId: id, role: 'assistant', agent: turn.agent, model: turn.model },
          context,
        )
      : undefined;
  const last = made ?? answers.at(-1);
  const target = last ?? held[0];
  const parts = target ? givenParts(records, params.parts ?? [], [...held, target], target, context) : [];
  if (isRefusal(parts)) return parts;

  const at = happenedAt(context);
  const ended = (part: Part) => (isAtWork(part) ? endedTool(part, params.state, at) : part);
  const given = new Set(parts.map((part) => part.id));
  const unsettled = new Map(records.unsettledPartsOfTurn(id).map((part) => [part.id, part]));
  const changes = (part: Part) => {
    const before = records.findPart(part.id);
    return unsettled.has(part.id) || !before || !sameContent(before, part);
  };
  const nextParts = [
    ...[...unsettled.values()].filter((part) => !given.has(part.id)).map((part) => ({ ...part, ...written(context) })),
    ...parts.filter(changes),
  ].map(ended);
  const noUsageYet = answers.every((message) => message.usage === null);
  const nextMessages = (made ? [made] : answers)
    .filter((message) => message.completedAt === null)
    .map((message) => ({
      ...message,
      completedAt: at,
      // The session's sum is over its messages: a turn's usage that none of them tells would be lost to it.
      usage: noUsageYet && message === last ? (params.usage ?? null) : message.usage,
      ...written(context),
    }));
  const nextTurn: Turn = {
    ...turn,
    state: params.state,
    assistantMessageId: (answers[0] ?? made)?.id ?? null,
    endedAt: at,
    finish: params.finish ?? null,
    error: params.error ?? null,
    usage: params.usage ?? null,
    ...written(context),
  };
  const messages = nextMessages.map((data): Draft => ({ type: 'message/updated', sessionId, data }));
  const events: Draft[] = [
    ...(made ? messages : []),
    ...nextParts.map((data): Draft => ({ type: 'part/updated', sessionId, data })),
    ...records.pendingBlockersOfTurn(id).map((blocker): Draft => {
      return { type: 'blocker/updated', sessionId, data: expired(blocker, at, context) };
    }),
    ...(made ? [] : messages),
    { type: 'turn/updated', sessionId, data: nextTurn },
  ];
  return { events, ids, turn: { id, ended: true } };
};

/** The parts given with a turn: those with the id of one of its parts are put anew, the others go behind `target`'s. */
function givenParts(
  records: Records,
  given: OpParams['turn/start']['parts'],
  messages: Message[],
  target: Message,
  context: Context,
): Part[] | Refusal {
  const parts = new Map<string, Part>();
  let next = records.nextPartIndex(target.id);
  for (const { id = context.newId('prt'), ...content } of given) {
    const held = records.findPart(id);
    const isOurs = held && isPartOf(records, messages, id);
    if (parts.has(id) || (!isOurs && (held || records.isTaken(id)))) {
      return refuse('AlreadyExists', `the part id ${id} is taken`, { what: 'part', id });
    }
    const messageId = held?.messageId ?? target.id;
    const index = held?.index ?? next++;
    parts.set(id, { id, messageId, sessionId: target.sessionId, index, ...written(context), ...content } as Part);
  }
  return [...parts.values()];
}

function isPartOf(records: Records, messages: Message[], partId: string | undefined): boolean {
  const part = partId === undefined ? undefined : records.findPartLengths(partId);
  return messages.some((message) => message.id === part?.messageId);
}

function endedTool(part: Part, state: string, at: number): Part {
  const tool = part as Part & { type: 'tool' };
  return { ...tool, state: 'error', error: tool.error ?? `the turn was ${state} before this tool ended`, endedAt: at };
}

function expired(blocker: Blocker, at: number, context: Context): Blocker {
  return { ...blocker, state: 'expired', resolvedBy: context.actorId, resolvedAt: at, ...written(context) };
}

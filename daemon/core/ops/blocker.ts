// blocker/ask, blocker/answer, blocker/reject (PROTOCOL.md 3). The first resolution stands, whatever comes before or
// behind it: also one that arrives before its ask, and also a stale ask that arrives behind it (P15).
import type { BlockerAnswer, BlockerRequest } from '../../../protocol/blocker.ts';
import type { Refusal } from '../../../protocol/errors.ts';
import { refuse, refuseParams } from '../../../protocol/errors.ts';
import type { Blocker } from '../../../protocol/schema.ts';
import { blockerTransitions } from '../blocker.ts';
import type { Context, Decide, Decision } from '../decide.ts';
import { happenedAt, sameContent, written } from '../put.ts';
import type { Records } from '../records.ts';
import { addTo } from '../turn.ts';
import { onTurn, turnInSession } from './message.ts';
import { sessionOf } from './session.ts';

export const askBlocker: Decide<'blocker/ask'> = (records, params, context) => {
  const session = sessionOf(records, params.sessionId);
  if ('refused' in session) return session;
  const { kind, request, turnId = null } = params;
  if (kindOf(request) !== kind) {
    return refuseParams(`request: it asks a ${kindOf(request)}, but kind says ${kind}`, { member: 'request' });
  }
  const id = params.blockerId ?? context.newId('blk');
  const held = params.blockerId ? records.findBlocker(id) : undefined;
  const isOurs = held?.sessionId === session.id;
  if (isOurs && held.request !== null && sameContent({ turnId, kind, request }, asked(held))) {
    return { events: [], ids: { sessionId: session.id, blockerId: id } };
  }
  if (held ? !isOurs || held.request !== null : params.blockerId && records.isTaken(id)) {
    return refuse('AlreadyExists', `the blocker id ${id} is taken`, { what: 'blocker', id });
  }
  const turn = turnId === null ? undefined : turnInSession(records, session.id, turnId);
  if (turn && 'refused' in turn) return turn;
  const ended = turn && addTo(turn);
  if (ended) return ended;
  const base = held ?? unresolved(id, session.id);
  return changed(records, { ...base, turnId, kind, request, askedAt: happenedAt(context) }, context);
};

export const answerBlocker: Decide<'blocker/answer'> = (records, { sessionId, blockerId, answer }, context) =>
  resolve(records, sessionId, blockerId, { state: 'answered', resolution: answer }, context);

export const rejectBlocker: Decide<'blocker/reject'> = (records, { sessionId, blockerId, reason }, context) =>
  resolve(records, sessionId, blockerId, { state: 'rejected', resolution: { reason: reason ?? null } }, context);

type Resolution =
  | { state: 'answered'; resolution: BlockerAnswer }
  | { state: 'rejected'; resolution: { reason: string | null } };

function resolve(
  records: Records,
  sessionId: string,
  id: string,
  resolution: Resolution,
  context: Context,
): Decision | Refusal {
  const session = sessionOf(records, sessionId);
  if ('refused' in session) return session;
  const held = records.findBlocker(id);
  if (held ? held.sessionId !== session.id : records.isTaken(id)) {
    return refuse('NotFound', `there is no blocker ${id} in session ${session.id}`, { what: 'blocker', id });
  }
  if (held && !blockerTransitions[held.state].includes(resolution.state)) {
    const { state, resolution: first, resolvedBy } = held;
    const same = state === resolution.state && sameContent(resolution.resolution, first!);
    if (same) return { events: [], ids: { sessionId: session.id, blockerId: id } };
    const message = `blocker ${id} was ${state} before, by ${resolvedBy}`;
    return refuse('AlreadyResolved', message, { resolution: first, resolvedBy, state });
  }
  const unfit =
    held?.request && resolution.state === 'answered' ? misfit(held.request, resolution.resolution) : undefined;
  if (unfit) return refuseParams(`answer: ${unfit}`, { member: 'answer' });
  // Before its ask: kept without a request, and the late ask is born resolved.
  const base = held ?? { ...unresolved(id, session.id), askedAt: null };
  const resolved = { ...base, ...resolution, resolvedBy: context.actorId, resolvedAt: happenedAt(context) };
  return changed(records, resolved, context);
}

/** What does not fit, for a person; undefined when the answer fits its request. */
export function misfit(request: BlockerRequest, answer: BlockerAnswer): string | undefined {
  if (!('questions' in request)) {
    return 'decision' in answer ? undefined : 'this is a permission: answer with a decision of once, always or deny';
  }
  if (!('answers' in answer)) return 'these are questions: answer with answers, one list for each';
  const { questions } = request;
  if (answer.answers.length !== questions.length) {
    return `${questions.length} questions were asked and ${answer.answers.length} lists given: give one for each`;
  }
  const wrong = questions.findIndex(({ multiple }, at) => !multiple && answer.answers[at]!.length !== 1);
  return wrong < 0 ? undefined : `question ${wrong + 1} takes one answer, not ${answer.answers[wrong]!.length}`;
}

export function kindOf(request: BlockerRequest): 'question' | 'permission' {
  return 'questions' in request ? 'question' : 'permission';
}

function asked({ turnId, kind, request }: Blocker) {
  return { turnId, kind, request };
}

function unresolved(id: string, sessionId: string): Omit<Blocker, 'actorId' | 'schemaVersion'> {
  return {
    id,
    sessionId,
    turnId: null,
    kind: null,
    request: null,
    state: 'pending',
    resolution: null,
    resolvedBy: null,
    askedAt: null,
    resolvedAt: null,
  };
}

function changed(records: Records, blocker: Omit<Blocker, 'actorId' | 'schemaVersion'>, context: Context): Decision {
  const { sessionId, id } = blocker;
  return {
    events: [{ type: 'blocker/updated', sessionId, data: { ...blocker, ...written(context) } }],
    ids: { sessionId, blockerId: id },
    turn: onTurn(records, blocker),
  };
}

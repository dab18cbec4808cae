// The model of everything that changes a session: PROTOCOL.md 3 read as plainly as can be, in memory, with no code of the
// daemon. What the page leaves open (made ids, the words of an error) is learned from the events that the daemon wrote.
import { isDeepStrictEqual } from 'node:util';
import type { Blocker, Event, Message, Op, OpParams, OpType, Part, PartContent } from '../../protocol/schema.ts';
import type { Around, Held, Kind, Outcome } from './model-draft.ts';
import { Draft, hasEnded, isAtWork, Refused, refuse, State, sumOf, textOf } from './model-draft.ts';

type ToolPart = Extract<PartContent, { type: 'tool' }>;

/** All ops that were answered, whoever sent them, and the state that they led to. */
export class Model {
  state = new State();
  /** principal and opId -> the content. */
  #ledger = new Map<string, string>();
  #batches = new Map<string, string>();

  /** What comes of a batch: of each op, or the one refusal of the whole. `written` are the events it left. */
  append(ops: Op[], options: { atomic: boolean; batchId: string | undefined }, around: Around): Outcome[] | Kind {
    const before = { state: this.state, ledger: new Map(this.#ledger) };
    const batch = `${around.principal} ${options.batchId}`;
    const opIds = JSON.stringify(ops.map(({ opId }) => opId));
    if (options.batchId && (this.#batches.get(batch) ?? opIds) !== opIds) return 'OpIdReused';
    let { written } = around;
    const outcomes: Outcome[] = [];
    for (const op of ops) {
      const outcome = this.#apply(op, { ...around, written });
      outcomes.push(outcome);
      if (outcome.outcome === 'applied') written = written.slice(outcome.events.length);
      if (outcome.outcome !== 'refused' || !options.atomic) continue;
      this.state = before.state;
      this.#ledger = before.ledger;
      return 'BatchAborted';
    }
    const isTraced = outcomes.some(({ outcome }) => outcome !== 'refused');
    if (options.batchId && isTraced) this.#batches.set(batch, opIds);
    return outcomes;
  }

  #apply(op: Op, around: Around): Outcome {
    const known = (opId: string) => this.#ledger.get(`${around.principal} ${opId}`);
    const content = sorted({ type: op.type, params: op.params });
    const draft = new Draft(this.state, op, around);
    try {
      if (known(op.opId) === content) return { outcome: 'duplicate', first: true };
      if (known(op.opId) !== undefined) refuse('OpIdReused');
      if (op.dependsOn?.some((opId) => known(opId) === undefined)) refuse('DependencyMissing');
      const expected = op.expectedVersion;
      if (expected !== undefined && expected !== draft.versionBefore()) refuse('VersionConflict');
      (rules[op.type] as (draft: Draft, params: Op['params']) => void)(draft, op.params);
    } catch (thrown) {
      if (thrown instanceof Refused) return { outcome: 'refused', kind: thrown.kind };
      throw thrown;
    }
    this.state = draft.state;
    this.#ledger.set(`${around.principal} ${op.opId}`, content);
    const { events, version } = draft;
    if (events.length > 0 || op.type === 'turn/heartbeat') return { outcome: 'applied', events, version };
    return { outcome: 'duplicate', first: false, version };
  }
}

const rules: { [T in OpType]: (draft: Draft, params: OpParams[T]) => void } = {
  'session/create'(draft, params) {
    const id = draft.claim('ses_', params.sessionId);
    const { parentId = null, title = null, directory = null, agent = null, model = null, origin = null } = params;
    if (parentId && !draft.state.sessions.has(parentId)) refuse('NotFound');
    const session = {
      ...{ id, parentId, title, directory, agent, model, origin, metadata: params.metadata ?? {} },
      ...{ status: 'idle' as const, version: 0, usage: sumOf([], false), messageCount: 0, pendingBlockers: 0 },
      ...{ actorId: draft.actorId, createdAt: draft.when, updatedAt: draft.when, archivedAt: null, schemaVersion: 1 },
    };
    const lists = { turns: new Map(), messages: new Map(), blockers: new Map(), artifacts: new Map() };
    const held: Held = { session, ...lists, streamed: new Set<string>(), hasCost: false };
    draft.state.sessions.set(id, held);
    draft.emit(held, 'session/created', session);
  },
  'session/update'(draft, params) {
    const held = draft.session(params.sessionId);
    const { session } = held;
    const metadata = params.metadata === undefined ? session.metadata : (params.metadata ?? {});
    const merged = params.metadata ? mergePatch(session.metadata, metadata) : metadata;
    const archivedAt = params.archived ? (session.archivedAt ?? draft.now) : null;
    draft.put(held, 'session/updated', session, {
      ...session,
      ...given(params, ['title', 'agent', 'model']),
      metadata: merged as typeof metadata,
      archivedAt: params.archived === undefined ? session.archivedAt : archivedAt,
    });
  },
  'session/delete'(draft, { sessionId }) {
    const held = draft.session(sessionId);
    draft.emit(held, 'session/deleted', { sessionId });
    draft.state.sessions.delete(sessionId);
  },
  'turn/start'(draft, params) {
    const held = draft.session(params.sessionId);
    refuseTwice(params.parts);
    const { agent, model, leaseMs = 60_000, sessionId } = params;
    const id = draft.claim('trn_', params.turnId);
    const userMessageId = draft.claim('msg_', undefined);
    draft.emit(held, 'turn/updated', {
      ...{ id, sessionId, state: 'created', userMessageId, assistantMessageId: null, agent, model, leaseMs },
      ...{ startedAt: draft.when, endedAt: null, finish: null, error: null, usage: null },
      ...{ actorId: draft.actorId, schemaVersion: 1 },
    });
    const message = { ...newMessage(draft, held, userMessageId, 'user'), turnId: id, agent, model };
    draft.emit(held, 'message/updated', message);
    for (const { id: partId, ...content } of params.parts) newPart(draft, held, userMessageId, partId, content);
  },
  'turn/heartbeat'(draft, { turnId }) {
    if (hasEnded(draft.turn(turnId).turn)) refuse('InvalidTransition');
  },
  'turn/finish'(draft, params) {
    const { held, turn } = draft.turn(params.turnId);
    if (hasEnded(turn)) return turn.state === params.state ? undefined : refuse('InvalidTransition');
    const all = () => [...held.messages.values()].filter(({ message }) => message.turnId === turn.id);
    const replies = () => all().filter(({ message }) => message.role === 'assistant');
    const isThere = (id: string | undefined) => all().some(({ parts }) => id !== undefined && parts.has(id));
    if (params.parts?.some(({ id }) => !isThere(id)) && replies().length === 0) {
      const message = newMessage(draft, held, draft.claim('msg_', undefined), 'assistant');
      const { agent, model } = turn;
      const whole = { turnId: turn.id, agent, model, completedAt: draft.when, usage: params.usage ?? null };
      draft.emit(held, 'message/updated', { ...message, ...whole });
    }
    // Why a tool was ended is for the daemon to say.
    const isWhy = ({ data }: Event) => 'callId' in data && String(data.error).startsWith('the turn was');
    const why = (draft.written(isWhy)?.data as ToolPart | undefined)?.error ?? 'not told';
    const ended = <P extends object>(part: P): P =>
      isAtWork(part) ? { ...part, state: 'error', error: why, endedAt: draft.when } : part;
    refuseTwice(params.parts);
    const anew = new Set(params.parts?.map(({ id }) => id));
    const parts = () => all().flatMap((each) => [...each.parts.values()]);
    for (const part of parts().filter(({ id }) => !anew.has(id))) {
      draft.put(held, 'part/updated', held.streamed.has(part.id) ? undefined : part, ended(part));
    }
    for (const { id, ...content } of params.parts ?? []) {
      const part = parts().find((each) => each.id === id);
      const before = part && !held.streamed.has(part.id) ? part : undefined;
      if (part) draft.put(held, 'part/updated', before, { ...identityOf(part), ...ended(content) } as Part);
      else newPart(draft, held, replies().at(-1)!.message.id, id, ended(content));
    }
    for (const blocker of held.blockers.values()) {
      if (blocker.turnId !== turn.id || blocker.state !== 'pending') continue;
      draft.emit(held, 'blocker/updated', { ...blocker, state: 'expired', ...resolvedNow(draft) });
    }
    const needsUsage = replies().every(({ message }) => message.usage === null);
    for (const [index, { message }] of replies().entries()) {
      const isLast = index === replies().length - 1;
      const usage = isLast && needsUsage ? (params.usage ?? null) : message.usage;
      const completedAt = message.completedAt ?? draft.when;
      draft.put(held, 'message/updated', message, { ...message, completedAt, usage });
    }
    const assistantMessageId = replies()[0]?.message.id ?? null;
    const { state, finish = null, usage = null } = params;
    const end = { state, finish, error: params.error ?? null, usage, assistantMessageId, endedAt: draft.when };
    draft.emit(held, 'turn/updated', { ...turn, ...end });
  },
  'message/put'(draft, params) {
    const held = draft.session(params.sessionId);
    const old = held.messages.get(params.messageId ?? '')?.message;
    const id = old?.id ?? draft.claim('msg_', params.messageId);
    if (old?.turnId && params.turnId !== undefined && params.turnId !== old.turnId) refuse('InvalidParams');
    const joins = params.turnId && !old?.turnId ? (held.turns.get(params.turnId) ?? refuse('NotFound')) : undefined;
    if (joins && hasEnded(joins)) refuse('InvalidTransition');
    if (old && old.role !== params.role) refuse('InvalidParams');
    const isReply = params.role === 'assistant';
    const { agent, model } = (isReply && joins) || { agent: null, model: null };
    const message = old ?? { ...newMessage(draft, held, id, params.role), agent, model };
    draft.put(held, 'message/updated', old, {
      ...message,
      ...given(params, ['turnId', 'agent', 'model', 'createdAt', 'usage', 'error']),
      metadata: params.metadata === undefined ? message.metadata : (params.metadata ?? {}),
    });
    if (isReply && joins?.state === 'created') {
      draft.emit(held, 'turn/updated', { ...joins, state: 'streaming', assistantMessageId: id });
    }
  },
  'message/remove'(draft, { sessionId, messageId }) {
    const held = draft.session(sessionId);
    if (!held.messages.has(messageId)) refuse('NotFound');
    draft.emit(held, 'message/removed', { sessionId, messageId });
  },
  'part/put'(draft, { sessionId, messageId, partId, part: content }) {
    const held = draft.session(sessionId);
    const { message, parts } = held.messages.get(messageId) ?? refuse('NotFound');
    const old = parts.get(partId ?? '');
    const isEnded = inEndedTurn(held, message);
    if (!old) {
      if (partId && draft.state.taken.has(partId)) refuse('AlreadyExists');
      if (isEnded) refuse('InvalidTransition');
      return newPart(draft, held, messageId, partId, content);
    }
    const next = { ...identityOf(old), ...content } as Part;
    if (isEnded && isAtWork(next)) refuse('InvalidTransition');
    draft.put(held, 'part/updated', old, next);
  },
  'part/delta'(draft, { sessionId, partId, field, offset, text }) {
    const held = draft.session(sessionId);
    const { message, part } = partOf(held, partId);
    const before = textOf(part, field) ?? refuse('InvalidParams');
    if (offset + text.length <= before.length && before.startsWith(text, offset)) return;
    if (offset !== before.length) refuse('DeltaGap');
    if (inEndedTurn(held, message)) refuse('InvalidTransition');
    draft.emit(held, 'part/delta', { sessionId, messageId: message.id, partId, field, offset, text });
  },
  'part/remove'(draft, { sessionId, partId }) {
    const held = draft.session(sessionId);
    draft.emit(held, 'part/removed', { sessionId, messageId: partOf(held, partId).message.id, partId });
  },
  'blocker/ask'(draft, params) {
    const held = draft.session(params.sessionId);
    const { sessionId, kind, request, turnId = null } = params;
    const old = held.blockers.get(params.blockerId ?? '');
    if (old?.request) {
      const isSame = isDeepStrictEqual([old.kind, old.request, old.turnId], [kind, request, turnId]);
      return isSame ? undefined : refuse('AlreadyExists');
    }
    const id = old?.id ?? draft.claim('blk_', params.blockerId);
    if (turnId && hasEnded(held.turns.get(turnId) ?? refuse('NotFound'))) refuse('InvalidTransition');
    const blocker = old ?? newBlocker(draft, sessionId, id);
    draft.emit(held, 'blocker/updated', { ...blocker, turnId, kind, request, askedAt: draft.when });
  },
  'blocker/answer'(draft, { sessionId, blockerId, answer }) {
    resolve(draft, sessionId, blockerId, 'answered', answer);
  },
  'blocker/reject'(draft, { sessionId, blockerId, reason = null }) {
    resolve(draft, sessionId, blockerId, 'rejected', { reason });
  },
  'artifact/put'(draft, { sessionId, kind, key, data }) {
    const held = draft.session(sessionId);
    const old = held.artifacts.get(`${kind} ${key}`);
    if (old && isDeepStrictEqual(old.data, data)) return;
    const { actorId, when } = draft;
    const fixed = { actorId, schemaVersion: 1, createdAt: old?.createdAt ?? when, updatedAt: when };
    draft.emit(held, 'artifact/updated', { sessionId, kind, key, data, ...fixed });
  },
  'artifact/remove'(draft, { sessionId, kind, key }) {
    const held = draft.session(sessionId);
    if (!held.artifacts.has(`${kind} ${key}`)) refuse('NotFound');
    draft.emit(held, 'artifact/removed', { sessionId, kind, key });
  },
};

function resolve(
  draft: Draft,
  sessionId: string,
  id: string,
  state: 'answered' | 'rejected',
  resolution: NonNullable<Blocker['resolution']>,
): void {
  const held = draft.session(sessionId);
  const old = held.blockers.get(id);
  if (!old && draft.state.taken.has(id)) refuse('NotFound');
  if (old && old.state !== 'pending') {
    if (old.state === state && isDeepStrictEqual(old.resolution, resolution)) return;
    refuse('AlreadyResolved');
  }
  if (old?.request && state === 'answered' && !fits(old.request, resolution)) refuse('InvalidParams');
  const blocker = old ?? newBlocker(draft, sessionId, draft.claim('blk_', id));
  draft.emit(held, 'blocker/updated', { ...blocker, state, resolution, ...resolvedNow(draft) });
}

function resolvedNow({ actorId, when }: Draft) {
  return { resolvedBy: actorId, resolvedAt: when };
}

function fits(request: NonNullable<Blocker['request']>, answer: NonNullable<Blocker['resolution']>): boolean {
  if (!('questions' in request)) return 'decision' in answer;
  if (!('answers' in answer) || answer.answers.length !== request.questions.length) return false;
  return request.questions.every(({ multiple }, index) => multiple || answer.answers[index]!.length === 1);
}

function newBlocker({ actorId }: Draft, sessionId: string, id: string): Blocker {
  return {
    ...{ id, sessionId, turnId: null, kind: null, request: null, state: 'pending' },
    ...{ resolution: null, resolvedBy: null, askedAt: null, resolvedAt: null, actorId, schemaVersion: 1 },
  };
}

function newMessage(draft: Draft, held: Held, id: string, role: Message['role']): Message {
  const written = draft.written(({ data }) => 'id' in data && data.id === id)?.data as Message | undefined;
  const indexes = [...held.messages.values()].map(({ message }) => message.messageIndex);
  const messageIndex = behind(indexes, written?.messageIndex);
  return {
    ...{ id, messageIndex, sessionId: held.session.id, turnId: null, role, agent: null, model: null },
    ...{ createdAt: draft.when, completedAt: null, usage: null, error: null, metadata: {} },
    ...{ actorId: draft.actorId, schemaVersion: 1 },
  };
}

function newPart(draft: Draft, held: Held, messageId: string, partId: string | undefined, content: PartContent): void {
  const id = draft.claim('prt_', partId);
  const { parts } = held.messages.get(messageId)!;
  const written = draft.written(({ data }) => 'id' in data && data.id === id)?.data as Part | undefined;
  const index = behind(
    [...parts.values()].map((part) => part.index),
    written?.index,
  );
  const identity = { id, messageId, sessionId: held.session.id, index, actorId: draft.actorId, schemaVersion: 1 };
  draft.emit(held, 'part/updated', { ...identity, ...content } as Part);
}

/** The index of a new record: any behind those there are, since whether a removed one's is given again is left open. */
function behind(indexes: number[], written: number | undefined): number {
  const next = Math.max(-1, ...indexes) + 1;
  return written !== undefined && written > next ? written : next;
}

function identityOf({ id, messageId, sessionId, index, actorId, schemaVersion }: Part) {
  return { id, messageId, sessionId, index, actorId, schemaVersion };
}

function refuseTwice(parts: { id?: string | undefined }[] = []): void {
  const ids = parts.flatMap(({ id }) => id ?? []);
  if (new Set(ids).size < ids.length) refuse('AlreadyExists');
}

function partOf(held: Held, partId: string): { message: Message; part: Part } {
  for (const { message, parts } of held.messages.values()) {
    const part = parts.get(partId);
    if (part) return { message, part };
  }
  return refuse('NotFound');
}

function inEndedTurn(held: Held, { turnId }: Message): boolean {
  const turn = held.turns.get(turnId ?? '');
  return turn !== undefined && hasEnded(turn);
}

/** RFC 7386. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === 'object' && target !== null && !Array.isArray(target);
  const merged: Record<string, unknown> = isObject ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = mergePatch(merged[name], value);
  }
  return merged;
}

function given<T extends object, K extends keyof T>(params: T, names: K[]): { [N in K]: Exclude<T[N], undefined> } {
  const entries = names.filter((name) => params[name] !== undefined).map((name) => [name, params[name]]);
  return Object.fromEntries(entries) as { [N in K]: Exclude<T[N], undefined> };
}

/** The content of an op, whatever the order of its members. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}

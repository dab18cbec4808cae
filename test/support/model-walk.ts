// What the model test sends: random ops of a few actors on few ids, so that they meet. A walk is drawn without knowing the
// records; most of its ops are then aimed at what there is when they are first sent. What is sent again is sent unchanged.
import fc from 'fast-check';
import type { Author } from '../../daemon/engine/writer.ts';
import type { Op, OpType, Part } from '../../protocol/schema.ts';
import type { Model } from './model.ts';

/** One call of ops/append. */
export type Delivery = { author: Author; ops: Op[]; atomic: boolean; batchId: string | undefined };

/** An op to be: `aim` chooses which of the records there are; undefined: the ids drawn are used as they are. */
type Draw = { type: OpType; params: Record<string, unknown>; aim: number | undefined; envelope: Envelope };
type Envelope = {
  reuse: boolean;
  depends: 'last' | 'any' | 'unknown' | undefined;
  expects: number | undefined;
  occurredAt: number | undefined;
};
type Send = { actor: number; draws: Draw[]; atomic: boolean; batch: number | undefined };
type Again = { actor: number; which: number; cut: boolean };
/** What is sent at once, the least `place` first; then how the clock moves, and whether the store is opened again. */
export type Step = { sends: { send: Send | Again; place: number }[]; clock: number; restart: boolean };

const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const rarely = <T>(value: fc.Arbitrary<T>, weight = 9) =>
  fc.oneof({ weight, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const ids = (prefix: string) => fc.constantFrom(...['a', 'b', 'c'].map((name) => `${prefix}_${name}`));
const sessionId = ids('ses');
const turnId = ids('trn');
const messageId = ids('msg');
const partId = ids('prt');
const blockerId = ids('blk');
const text = fc.constantFrom('', 'a', 'b', 'ab', 'ba', '\u{1f600}');
const title = optional(fc.constantFrom(null, 'one', 'two'));
const agent = fc.constantFrom('x', 'y');
const model = fc.constantFrom({ providerId: 'p', modelId: 'm' }, { providerId: 'p', modelId: 'n', variant: 'v' });
const metadata = optional(fc.constantFrom(null, {}, { a: 1 }, { a: null, b: { c: 1 } }, { b: { c: null, d: [2] } }));
const tokens = fc.nat(3);
const usage = fc.record(
  {
    input: tokens,
    output: tokens,
    reasoning: tokens,
    cacheRead: tokens,
    cacheWrite: tokens,
    costUsd: fc.constantFrom(0.25, 0.5),
  },
  { requiredKeys: ['input', 'output', 'reasoning', 'cacheRead', 'cacheWrite'] },
);
const error = optional(fc.constantFrom(null, 'bad', { code: 1 }));
const part = fc.oneof(
  fc.record({ type: fc.constantFrom('text', 'reasoning'), text }),
  fc.record({
    type: fc.constant('tool'),
    callId: fc.constant('c'),
    tool: fc.constant('t'),
    state: fc.constantFrom('pending', 'running', 'completed', 'error'),
    output: optional(fc.constantFrom('', 'a', 'ab', ['a'])),
  }),
  fc.record({ type: fc.constant('data'), kind: fc.constant('k'), value: fc.constantFrom(1, null) }),
);
const partWithId = fc.tuple(part, optional(partId)).map(([content, id]) => ({ ...content, id }));
const partsWithIds = fc.array(partWithId, { maxLength: 3 });
const question = (multiple?: boolean) => ({ question: 'q', header: 'h', options: [{ label: 'a' }], multiple });
const asked = fc.constantFrom(
  { kind: 'permission', request: { permission: 'p' } },
  { kind: 'permission', request: { permission: 'q' } },
  { kind: 'question', request: { questions: [question()] } },
  { kind: 'question', request: { questions: [question(), question(true)] } },
);
const answer = fc.oneof(
  fc.record({ decision: fc.constantFrom('once', 'deny') }),
  fc.record({
    answers: fc.constantFrom([['a']], [['own']], [[]], [['a', 'b']], [['a'], []], [['a'], ['a', 'b']], [[], ['a']]),
  }),
);
const artifact = { sessionId, kind: fc.constantFrom('k', 'l'), key: fc.constantFrom('a', 'b') };

const table: { [T in OpType]: [weight: number, params: Record<string, fc.Arbitrary<unknown>>] } = {
  'session/create': [
    1,
    { sessionId: optional(sessionId), title, metadata, agent: optional(agent), parentId: rarely(sessionId) },
  ],
  'session/update': [2, { sessionId, title, metadata, archived: optional(fc.boolean()), agent: optional(agent) }],
  'session/delete': [1, { sessionId }],
  'turn/start': [
    5,
    { sessionId, turnId: optional(turnId), agent, model, parts: partsWithIds, leaseMs: rarely(fc.constant(9)) },
  ],
  'turn/heartbeat': [1, { turnId }],
  'turn/finish': [
    6,
    {
      turnId,
      state: fc.constantFrom('completed', 'failed', 'aborted'),
      finish: optional(fc.constantFrom(null, 'stop')),
      error,
      usage: optional(fc.option(usage)),
      parts: optional(partsWithIds),
    },
  ],
  'message/put': [
    8,
    {
      sessionId,
      messageId: optional(messageId),
      turnId: fc.option(fc.option(turnId, { freq: 9 }), { nil: undefined, freq: 5 }),
      role: fc.constantFrom('assistant', 'assistant', 'user', 'system'),
      agent: optional(fc.constantFrom(null, 'x')),
      model: rarely(model),
      metadata,
      createdAt: rarely(fc.nat(9)),
      usage: optional(fc.option(usage)),
      error,
    },
  ],
  'message/remove': [1, { sessionId, messageId }],
  'part/put': [12, { sessionId, messageId, partId: optional(partId), part }],
  'part/delta': [
    16,
    {
      sessionId,
      partId,
      field: fc.constantFrom('text', 'text', 'output'),
      offset: fc.constantFrom('end', 'end', 'inside', 'gap'),
      text,
    },
  ],
  'part/remove': [1, { sessionId, partId }],
  'blocker/ask': [6, { sessionId, blockerId: optional(blockerId), turnId: optional(turnId), asked }],
  'blocker/answer': [5, { sessionId, blockerId, answer }],
  'blocker/reject': [3, { sessionId, blockerId, reason: optional(fc.constantFrom(null, 'no')) }],
  'artifact/put': [2, { ...artifact, data: fc.nat(2) }],
  'artifact/remove': [1, artifact],
};

const envelope: fc.Arbitrary<Envelope> = fc.record({
  reuse: fc.nat(29).map((drawn) => drawn === 29),
  depends: fc.constantFrom<Envelope['depends'][]>(...Array(40).fill(undefined), 'last', 'any', 'unknown'),
  expects: rarely(fc.constantFrom(0, 0, 0, -1, 1), 19),
  occurredAt: rarely(fc.nat(3_000), 3),
});
const draw: fc.Arbitrary<Draw> = fc.oneof(
  ...Object.entries(table).map(([type, [weight, params]]) => ({
    weight,
    arbitrary: fc.record({
      type: fc.constant(type as OpType),
      params: fc.record(params),
      aim: fc.option(fc.nat(0xffff), { nil: undefined, freq: 8 }),
      envelope,
    }),
  })),
);
const actor = fc.nat(3);
const send: fc.Arbitrary<Send> = fc.record({
  actor,
  draws: fc.array(draw, { minLength: 1, maxLength: 5 }),
  atomic: fc.nat(5).map((drawn) => drawn === 5),
  batch: rarely(fc.nat(3)),
});
const again: fc.Arbitrary<Again> = fc.record({ actor, which: fc.nat(99), cut: fc.boolean() });
const step: fc.Arbitrary<Step> = fc.record({
  sends: fc.array(
    fc.record({
      send: fc.oneof<fc.MaybeWeightedArbitrary<Send | Again>[]>(
        { weight: 3, arbitrary: send },
        { weight: 1, arbitrary: again },
      ),
      place: fc.nat(4),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  clock: fc.integer({ min: -50, max: 500 }),
  restart: fc.nat(7).map((drawn) => drawn === 7),
});
export const walk = fc.array(step, { maxLength: 30, size: 'max' });

/** Two of each principal. */
const actors: Author[] = ['owner', 'owner', 'cap_1', 'cap_1'].map((principal, index) => ({
  principal,
  actorId: `test/c${index + 1}`,
}));

/** Makes of what was drawn what is sent, and remembers it. */
export class Deck {
  readonly #sent: Delivery[] = [];
  /** principal -> the op ids that it used. Both count from 1, since the same opId of two principals is two ops. */
  readonly #opIds = new Map<string, string[]>();

  deliveries(model: Model, { sends }: Step): Delivery[] {
    const drawn = sends.map(({ send, place }) => ({ place, delivery: this.#delivery(model, send) }));
    return drawn.sort((a, b) => a.place - b.place).flatMap(({ delivery }) => delivery ?? []);
  }

  #delivery(model: Model, drawn: Send | Again): Delivery | undefined {
    const author = actors[drawn.actor]!;
    if ('which' in drawn) {
      const sent = this.#sent[drawn.which % this.#sent.length];
      // By itself or by whoever; a part of a batch, under the id of the whole, is another batch.
      return sent && { ...sent, author, ops: drawn.cut ? sent.ops.slice(0, -1) : sent.ops };
    }
    const ops = drawn.draws.map((each) => this.#op(model, author.principal, each));
    const batchId = drawn.batch === undefined ? undefined : `batch${drawn.batch}`;
    const delivery = { author, ops, atomic: drawn.atomic, batchId };
    this.#sent.push(delivery);
    return delivery;
  }

  #op(model: Model, principal: string, { type, params, aim, envelope }: Draw): Op {
    const used = this.#opIds.get(principal) ?? [];
    this.#opIds.set(principal, used);
    const { depends, reuse, expects, occurredAt } = envelope;
    const dependsOn = { last: used.at(-1), any: used[(aim ?? 0) % used.length], unknown: 'never' }[
      depends ?? 'unknown'
    ];
    const opId = (reuse && used.at(-2)) || `op${used.length + 1}`;
    used.push(opId);
    const missing = aim === undefined ? undefined : neededFirst(model, type);
    if (missing) return { opId, ...missing } as Op;
    const aimed = aim === undefined ? atRandom(params) : aimAt(model, type, params, aim);
    const version = model.state.sessions.get(String(aimed.sessionId))?.session.version ?? 0;
    const op = {
      ...{ opId, type, params: aimed, occurredAt },
      dependsOn: depends && dependsOn ? [dependsOn] : undefined,
      expectedVersion: expects === undefined ? undefined : Math.max(0, version + expects),
    };
    return JSON.parse(JSON.stringify(op)) as Op;
  }
}

/** What must be there before an op of that type can be aimed. */
function neededFirst(model: Model, type: OpType): Pick<Op, 'type' | 'params'> | undefined {
  const [held] = [...model.state.sessions.values()].slice(-1);
  if (!held) return { type: 'session/create', params: model.state.taken.has('ses_a') ? {} : { sessionId: 'ses_a' } };
  const sessionId = held.session.id;
  const start = { sessionId, agent: 'x', model: { providerId: 'p', modelId: 'm' }, parts: [] };
  if (/^(turn|part)/.test(type) && held.turns.size === 0) return { type: 'turn/start', params: start };
  if (!type.startsWith('part/') || held.messages.size > 2) return undefined;
  return {
    type: 'message/put',
    params: {
      sessionId,
      role: 'assistant',
      turnId: [...held.turns.values()].find(({ endedAt }) => endedAt === null)?.id,
    },
  };
}

function atRandom({ asked, ...params }: Draw['params']): Draw['params'] {
  const offset = 'offset' in params ? { offset: params.offset === 'gap' ? 1 : 0 } : {};
  return { ...params, ...(asked as object), ...offset };
}

/** The params with the ids of records that there are, so that most ops find theirs. */
function aimAt(model: Model, type: OpType, params: Draw['params'], aim: number): Draw['params'] {
  const pick = <T>(list: Iterable<T>, shift: number): T | undefined => {
    const all = [...list];
    return all[(aim >> shift) % all.length];
  };
  const aimed = atRandom(params);
  if (type === 'session/create') return aimed;
  const held = pick([...model.state.sessions.values()].slice(-2), 0);
  if (!held) return aimed;
  if ('sessionId' in aimed) aimed.sessionId = held.session.id;
  const isNew = aim % 5 > 1;
  const artifact = pick(held.artifacts.values(), 2);
  if (type === 'artifact/remove' && artifact)
    return { sessionId: held.session.id, kind: artifact.kind, key: artifact.key };
  if (aimed.turnId && type !== 'turn/start') {
    const turns = [...held.turns.values()];
    const open = turns.filter(({ endedAt }) => endedAt === null);
    aimed.turnId =
      pick(aim % 3 > 0 && open.length > 0 ? open : turns, 3)?.id ??
      (type.startsWith('turn/') ? aimed.turnId : undefined);
  }
  const messages = [...held.messages.values()];
  const found = pick(messages, 4);
  if ('messageId' in aimed && (type !== 'message/put' || !isNew)) {
    aimed.messageId = found?.message.id ?? aimed.messageId;
    if (type === 'message/put' && found) {
      aimed.role = found.message.role;
      if (aim % 7 > 0 && found.message.turnId) aimed.turnId = found.message.turnId;
    }
  }
  const parts: Part[] = (type === 'part/put' && found ? [found] : messages).flatMap((each) => [...each.parts.values()]);
  const texts = type === 'part/delta' ? parts.filter((each) => 'text' in each || each.type === 'tool') : [];
  const part = pick(texts.length > 0 && aim % 8 > 0 ? texts : parts, 5);
  if ('partId' in aimed && (type !== 'part/put' || !isNew)) aimed.partId = part?.id ?? aimed.partId;
  if (type === 'part/put' && aim % 11 === 0 && part) aimed.part = contentOf(part);
  if (type === 'part/delta' && part) Object.assign(aimed, aimDelta(part, params, aim));
  if (type === 'turn/finish' && Array.isArray(aimed.parts) && part && aim % 3 === 0) {
    aimed.parts = aimed.parts.map((each: object, index) => (index === 0 ? { ...each, id: part.id } : each));
  }
  const blocker = pick(held.blockers.values(), 3);
  const isAimed = type === 'blocker/ask' ? !isNew : aim % 6 > 0;
  if (!('blockerId' in aimed) || !blocker || !isAimed) return aimed;
  aimed.blockerId = blocker.id;
  if (type === 'blocker/ask' && aim % 3 > 0 && blocker.request) {
    const { kind, request, turnId } = blocker;
    Object.assign(aimed, { kind, request, turnId });
  }
  if (type === 'blocker/answer' && aim % 2 === 0 && blocker.request && 'questions' in blocker.request) {
    aimed.answer = { answers: blocker.request.questions.map(() => (aim % 3 > 0 ? ['a'] : ['a', 'b'])) };
  }
  if (type === 'blocker/answer' && aim % 3 === 0 && blocker.state === 'answered') aimed.answer = blocker.resolution;
  if (type === 'blocker/reject' && aim % 2 === 0 && blocker.state === 'rejected')
    aimed.reason = (blocker.resolution as { reason: string | null }).reason;
  return aimed;
}

function contentOf({ id, messageId, sessionId, index, actorId, schemaVersion, ...content }: Part): object {
  return content;
}

function aimDelta(part: Part, { offset, field, text }: Draw['params'], aim: number): object {
  const name = part.type === 'tool' && aim % 9 > 0 ? 'output' : field;
  const held = (part as Record<string, unknown>)[String(name)];
  const before = typeof held === 'string' ? held : '';
  if (offset === 'end') return { field: name, offset: before.length, text };
  if (offset === 'gap') return { field: name, offset: Math.abs(before.length + (aim % 2 ? 1 : -1)), text };
  const from = before.length === 0 ? 0 : aim % before.length;
  const inside = before.slice(from, from + 1 + (aim % 3));
  // Lone surrogates are refused where the wire begins.
  return /\p{Cs}/u.test(inside)
    ? { field: name, offset: 0, text: before }
    : { field: name, offset: from, text: inside };
}

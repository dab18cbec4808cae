// Records, ops and events as they cross the socket (PROTOCOL.md 3): zod schemas and the types inferred from them.
// Clients import the types only, so that no zod is loaded when a client starts.
import { z } from 'zod';
import { BlockerAnswer, BlockerRequest, BlockerResolution, blockerKinds } from './blocker.ts';

/** The version of the records' own shape, written on each of them. A migration that changes a shape raises it. */
export const schemaVersion = 1;

const idOf = (prefix: string) =>
  z
    .string()
    .regex(new RegExp(`^${prefix}_[A-Za-z0-9_-]{1,64}$`), `expected ${prefix}_ and up to 64 of A-Z a-z 0-9 _ -`);

export const sessionId = idOf('ses');
export const turnId = idOf('trn');
export const messageId = idOf('msg');
export const partId = idOf('prt');
export const blockerId = idOf('blk');
export const opId = z.string().min(1).max(128);

const count = z.int().min(0);
/** A place in a list, with room behind it. */
const index = count.max(2 ** 31 - 1);
/** Bounded so that the sum over a session stays exact. */
const tokens = count.max(1e12);
/** As far as a Date goes. */
export const timestamp = z.int().min(0).max(8.64e15);
/** Any JSON value. What arrives here came out of JSON.parse, so only its presence is checked: z.json() walks every node. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
const json = z.custom<Json>((value) => value !== undefined, 'required');
/** A plain object. Its members are not walked: what arrives here came out of JSON.parse. */
const metadata = z.custom<{ [key: string]: Json }>(isPlainObject, 'expected an object');
function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const Model = z.strictObject({
  providerId: z.string(),
  modelId: z.string(),
  variant: z.string().optional(),
});

/** Tokens, and dollars where they are known. */
export const Usage = z.strictObject({
  input: tokens,
  output: tokens,
  reasoning: tokens,
  cacheRead: tokens,
  cacheWrite: tokens,
  costUsd: z.number().min(0).max(1e9).optional(),
});

/** Where an ingested session came from; `externalId` is the agent's own session id. */
export const Origin = z.strictObject({
  source: z.string(),
  externalId: z.string(),
  path: z.string().optional(),
});

const written = { actorId: z.string(), schemaVersion: z.int() };

export const Session = z.object({
  id: sessionId,
  parentId: sessionId.nullable(),
  title: z.string().nullable(),
  directory: z.string().nullable(),
  agent: z.string().nullable(),
  model: Model.nullable(),
  status: z.enum(['idle', 'busy', 'waiting']),
  version: count,
  origin: Origin.nullable(),
  metadata,
  usage: Usage,
  messageCount: count,
  pendingBlockers: count,
  ...written,
  createdAt: timestamp,
  updatedAt: timestamp,
  archivedAt: timestamp.nullable(),
});

export const Message = z.object({
  id: messageId,
  messageIndex: index,
  sessionId,
  turnId: turnId.nullable(),
  role: z.enum(['user', 'assistant', 'system']),
  agent: z.string().nullable(),
  model: Model.nullable(),
  createdAt: timestamp,
  completedAt: timestamp.nullable(),
  usage: Usage.nullable(),
  error: json,
  metadata,
  ...written,
});

/** What a part holds, one shape for each `type`; `data` is for anything else, kept whole. */
export const partContents = [
  z.strictObject({ type: z.literal('text'), text: z.string(), synthetic: z.boolean().optional() }),
  z.strictObject({ type: z.literal('reasoning'), text: z.string() }),
  z.strictObject({
    type: z.literal('tool'),
    callId: z.string(),
    tool: z.string(),
    state: z.enum(['pending', 'running', 'completed', 'error']),
    title: z.string().optional(),
    input: json.optional(),
    output: json.optional(),
    error: json.optional(),
    startedAt: timestamp.optional(),
    endedAt: timestamp.optional(),
  }),
  z.strictObject({
    type: z.literal('file'),
    mime: z.string(),
    filename: z.string().optional(),
    url: z.string(),
  }),
  z.strictObject({ type: z.literal('patch'), hash: z.string().optional(), files: json }),
  z.strictObject({
    type: z.literal('step'),
    phase: z.enum(['start', 'finish']),
    reason: z.string().optional(),
    usage: Usage.optional(),
  }),
  z.strictObject({ type: z.literal('data'), kind: z.string(), value: json }),
] as const;

export const PartContent = z.discriminatedUnion('type', partContents);

const partIdentity = { id: partId, messageId, sessionId, index, ...written };
export const Part = z.discriminatedUnion(
  'type',
  partContents.map((content) => z.object({ ...partIdentity, ...content.shape })) as unknown as typeof partContents,
) as unknown as z.ZodType<Part>;

export const turnStates = ['created', 'streaming', 'completed', 'failed', 'aborted'] as const;
export const blockerStates = ['pending', 'answered', 'rejected', 'expired'] as const;

export const Turn = z.object({
  id: turnId,
  sessionId,
  state: z.enum(turnStates),
  userMessageId: messageId,
  assistantMessageId: messageId.nullable(),
  agent: z.string().nullable(),
  model: Model.nullable(),
  leaseMs: count,
  startedAt: timestamp,
  endedAt: timestamp.nullable(),
  finish: z.string().nullable(),
  error: json,
  usage: Usage.nullable(),
  ...written,
});

export const Blocker = z.object({
  id: blockerId,
  sessionId,
  turnId: turnId.nullable(),
  /** Null as long as only its resolution came. */
  kind: z.enum(blockerKinds).nullable(),
  request: BlockerRequest.nullable(),
  state: z.enum(blockerStates),
  resolution: BlockerResolution.nullable(),
  resolvedBy: z.string().nullable(),
  askedAt: timestamp.nullable(),
  resolvedAt: timestamp.nullable(),
  ...written,
});

const kind = z.string().min(1).max(128);
const key = z.string().min(1).max(512);

export const Artifact = z.object({
  sessionId,
  kind,
  key,
  data: json,
  createdAt: timestamp,
  updatedAt: timestamp,
  ...written,
});

// --- ops ---------------------------------------------------------------------------------------------------------

/** A day at most: who lives longer without a word renews it. */
const leaseMs = z
  .int()
  .min(1)
  .max(24 * 3600_000);
/** A part given with its turn; `id`: one that the turn holds, to put it anew, or the id of a new one. */
const turnPart = z.discriminatedUnion(
  'type',
  partContents.map((content) =>
    z.strictObject({ id: partId.optional(), ...content.shape }),
  ) as unknown as typeof partContents,
) as unknown as z.ZodType<PartContent & { id?: string | undefined }>;
const turnParts = z.array(turnPart).max(1000);

/** The params of each op type. An omitted field keeps its value, null clears it. */
export const opParams = {
  'session/create': z.strictObject({
    sessionId: sessionId.optional(),
    title: z.string().nullable().optional(),
    directory: z.string().nullable().optional(),
    agent: z.string().nullable().optional(),
    model: Model.nullable().optional(),
    parentId: sessionId.nullable().optional(),
    origin: Origin.nullable().optional(),
    metadata: metadata.nullable().optional(),
  }),
  'session/update': z.strictObject({
    sessionId,
    title: z.string().nullable().optional(),
    archived: z.boolean().optional(),
    model: Model.nullable().optional(),
    agent: z.string().nullable().optional(),
    metadata: metadata.nullable().optional(),
  }),
  'session/delete': z.strictObject({ sessionId }),
  'turn/start': z.strictObject({
    sessionId,
    turnId: turnId.optional(),
    agent: z.string(),
    model: Model,
    parts: turnParts,
    leaseMs: leaseMs.optional(),
  }),
  'turn/heartbeat': z.strictObject({ turnId, leaseMs: leaseMs.optional() }),
  'turn/finish': z.strictObject({
    turnId,
    state: z.enum(['completed', 'failed', 'aborted']),
    finish: z.string().nullable().optional(),
    error: json.optional(),
    usage: Usage.nullable().optional(),
    parts: turnParts.optional(),
  }),
  'message/put': z.strictObject({
    sessionId,
    messageId: messageId.optional(),
    turnId: turnId.nullable().optional(),
    role: z.enum(['user', 'assistant', 'system']),
    agent: z.string().nullable().optional(),
    model: Model.nullable().optional(),
    metadata: metadata.nullable().optional(),
    createdAt: timestamp.optional(),
    usage: Usage.nullable().optional(),
    error: json.optional(),
  }),
  'message/remove': z.strictObject({ sessionId, messageId }),
  'part/put': z.strictObject({ sessionId, messageId, partId: partId.optional(), part: PartContent }),
  'part/delta': z.strictObject({
    sessionId,
    partId,
    field: z.enum(['text', 'output']),
    offset: count,
    text: z.string(),
  }),
  'part/remove': z.strictObject({ sessionId, partId }),
  'blocker/ask': z.strictObject({
    sessionId,
    blockerId: blockerId.optional(),
    turnId: turnId.nullable().optional(),
    kind: z.enum(blockerKinds),
    request: BlockerRequest,
  }),
  'blocker/answer': z.strictObject({ sessionId, blockerId, answer: BlockerAnswer }),
  'blocker/reject': z.strictObject({ sessionId, blockerId, reason: z.string().nullable().optional() }),
  'artifact/put': z.strictObject({ sessionId, kind, key, data: json }),
  'artifact/remove': z.strictObject({ sessionId, kind, key }),
} as const;

export type OpType = keyof typeof opParams;
export const opTypes = Object.keys(opParams) as OpType[];

/** What goes around the params of an op, the same for each type. */
export const opEnvelope = {
  opId,
  dependsOn: z.array(opId).max(1000).optional(),
  expectedVersion: count.optional(),
  capabilityEpoch: count.optional(),
  occurredAt: timestamp.optional(),
};

export const Op = z.discriminatedUnion(
  'type',
  opTypes.map((type) =>
    z.strictObject({ ...opEnvelope, type: z.literal(type), params: opParams[type] }),
  ) as unknown as readonly [z.ZodObject<{ type: z.ZodLiteral<OpType> }>],
) as unknown as z.ZodType<Op>;

export type OpParams = { [T in OpType]: z.infer<(typeof opParams)[T]> };
export type Op = {
  [T in OpType]: {
    opId: string;
    type: T;
    params: OpParams[T];
    dependsOn?: string[] | undefined;
    expectedVersion?: number | undefined;
    capabilityEpoch?: number | undefined;
    occurredAt?: number | undefined;
  };
}[OpType];

// --- events ------------------------------------------------------------------------------------------------------

/** What `data` is for each event type: the whole changed record; for part/delta the delta, for removals the ids. */
export const eventData = {
  'session/created': Session,
  'session/updated': Session,
  'session/deleted': z.object({ sessionId }),
  'turn/updated': Turn,
  'message/updated': Message,
  'message/removed': z.object({ sessionId, messageId }),
  'part/updated': Part,
  'part/delta': z.object({
    sessionId,
    messageId,
    partId,
    field: z.enum(['text', 'output']),
    offset: count,
    text: z.string(),
  }),
  'part/removed': z.object({ sessionId, messageId, partId }),
  'blocker/updated': Blocker,
  'artifact/updated': Artifact,
  'artifact/removed': z.object({ sessionId, kind: z.string(), key: z.string() }),
} as const;

export type EventType = keyof typeof eventData;
export const eventTypes = Object.keys(eventData) as EventType[];

const eventEnvelope = {
  seq: z.int().min(1),
  sessionId,
  version: z.int().min(1),
  at: timestamp,
  occurredAt: timestamp.optional(),
  actorId: z.string(),
  opId: z.string(),
};
export const Event = z.discriminatedUnion(
  'type',
  eventTypes.map((type) =>
    z.object({ ...eventEnvelope, type: z.literal(type), data: eventData[type] }),
  ) as unknown as readonly [z.ZodObject<{ type: z.ZodLiteral<EventType> }>],
) as unknown as z.ZodType<Event>;

export type Model = z.infer<typeof Model>;
export type Usage = z.infer<typeof Usage>;
export type Origin = z.infer<typeof Origin>;
export type Session = z.infer<typeof Session>;
export type Turn = z.infer<typeof Turn>;
export type Message = z.infer<typeof Message>;
export type PartContent = z.infer<typeof PartContent>;
export type Part = PartContent & {
  id: string;
  messageId: string;
  sessionId: string;
  index: number;
  actorId: string;
  schemaVersion: number;
};
export type Blocker = z.infer<typeof Blocker>;
export type Artifact = z.infer<typeof Artifact>;

export type EventData = { [T in EventType]: z.infer<(typeof eventData)[T]> };
export type Event = {
  [T in EventType]: {
    seq: number;
    sessionId: string;
    version: number;
    type: T;
    at: number;
    occurredAt?: number;
    actorId: string;
    opId: string;
    data: EventData[T];
  };
}[EventType];

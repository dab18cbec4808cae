// What the rows of the method table are made of (methods.ts): results and params that several methods share.
import { z } from 'zod';
import type { Right } from './capability.ts';
import type { OpType } from './schema.ts';
import {
  Artifact,
  Blocker,
  Message,
  Model,
  messageId,
  opEnvelope,
  opParams,
  Part,
  partId,
  Session,
  sessionId,
  Turn,
  timestamp,
  Usage,
} from './schema.ts';

/**
 * `open`: before any right is known. `op`: the method is one op. `mutation`: orders with the ops of its connection.
 * `series`: the same, and those behind it wait for all its ops. `read`: waits for all of them. `wait`: what it keeps is in order
 * with them, and what it waits for then holds up nobody.
 */
export type MethodKind = 'open' | 'read' | 'mutation' | 'op' | 'series' | 'wait';

export type Method = {
  params: z.ZodType;
  result: z.ZodType;
  right: Right | null;
  kind: MethodKind;
  /** It is about a connection that lasts: over POST /rpc there is no such method. */
  needsConnection?: true;
  summary: string;
};

export const anything = z.unknown();
export const cursor = z.string().max(128);
export const version = z.int().min(0);
export const empty = z.strictObject({});
export const size = z.int().min(0);
/** ms, as long as a timer can be. */
export const duration = z
  .int()
  .min(1)
  .max(2 ** 31 - 1);

export const page = {
  limit: z.int().min(1).max(1000).optional(),
  /** As long as the longest place: an artifact's kind and key, escaped. */
  pageToken: z.string().max(8192).optional(),
};
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextPageToken: z.string().optional(), cursor });

/** A path as a filter: no system has longer ones, and a subscription keeps its filter. */
export const directoryFilter = z.string().max(4096);

export const Filter = z.strictObject({
  sessions: z.array(sessionId).min(1).max(1000).optional(),
  directory: directoryFilter.optional(),
  agents: z.array(z.string().max(256)).min(1).max(100).optional(),
  types: z
    .array(
      z
        .string()
        .max(64)
        .regex(/^(\*|[a-z]+\/(\*|[a-zA-Z]+))$/, 'expected an event type, or a family such as part/*'),
    )
    .min(1)
    .max(100)
    .optional(),
});
export type Filter = z.infer<typeof Filter>;

/** One session of a snapshot, or a piece of a long one: the records of its pieces belong together, the session is in each. */
export const SnapshotItem = z.object({
  session: Session,
  turns: z.array(Turn),
  blockers: z.array(Blocker),
  artifacts: z.array(Artifact),
  messages: z.array(z.object({ message: Message, parts: z.array(Part) })).optional(),
});
export type SnapshotItem = z.infer<typeof SnapshotItem>;

export const subscriberName = z.string().min(1).max(128);

/** A durable subscriber. `cursor`: what it acknowledged last; `lag`: the events behind that; `connectionId`: who holds it. */
export const Subscriber = z.object({
  name: subscriberName,
  cursor,
  lag: size,
  connectionId: z.string().nullable(),
  createdAt: timestamp,
  usedAt: timestamp,
});
export type Subscriber = z.infer<typeof Subscriber>;

/** A part that a search found. `hits`: where in the snippet the matches are, in UTF-16 units; the lower rank is the better. */
export const SearchHit = z.object({
  session: Session,
  messageId,
  partId,
  snippet: z.string(),
  hits: z.array(z.tuple([size, size])),
  rank: z.number(),
});
export type SearchHit = z.infer<typeof SearchHit>;

export const opResult = z.object({
  cursor,
  seq: z.int().nullable(),
  version,
  duplicate: z.boolean(),
  ids: z.record(z.string(), z.string()),
});
export const opEntry = z.object({
  opId: z.string(),
  seq: z.int().nullable(),
  version,
  ids: z.record(z.string(), z.string()),
});
export const rejection = z.object({
  opId: z.string(),
  code: z.int(),
  kind: z.string(),
  message: z.string(),
  data: z.record(z.string(), anything),
});

export const SourceStatus = z.object({
  name: z.string(),
  kind: z.string(),
  path: z.string(),
  state: z.enum(['reading', 'watching', 'absent', 'failing']),
  files: size,
  filesDone: size,
  bytesBehind: size,
  sessions: size,
  badRecords: size,
  lastError: z.string().nullable(),
});
export type SourceStatus = z.infer<typeof SourceStatus>;

/** The sums of one session's messages of one day (in the time zone asked for, UTC by default) and model. */
export const SessionUsage = z.object({
  sessionId,
  agent: z.string().nullable(),
  model: Model.nullable(),
  day: z.string(),
  messages: size,
  usage: Usage,
});
export type SessionUsage = z.infer<typeof SessionUsage>;

export const opMethod = <T extends OpType, R extends Right = 'append'>(
  type: T,
  summary: string,
  right: R = 'append' as R,
) => ({
  params: z.strictObject({
    ...opParams[type].shape,
    opId: opEnvelope.opId.optional(),
    dependsOn: opEnvelope.dependsOn,
    expectedVersion: opEnvelope.expectedVersion,
    capabilityEpoch: opEnvelope.capabilityEpoch,
    occurredAt: opEnvelope.occurredAt,
  }),
  result: opResult,
  right,
  kind: 'op' as const,
  summary,
});

/** What goes around a series of ops: its id, from which those of its ops derive. */
export const series = { opId: opEnvelope.opId.optional() };

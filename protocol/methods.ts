// The method table: name -> params, result, the right it needs, and what it does to the record. One table for both
// sides: the daemon validates by it, the client is typed by it, and rpc.discover is generated from it (P21).
//
// Version history
//   1  first version
import { z } from 'zod';
import { rights, token } from './capability.ts';
import { capabilityMethods } from './capability-methods.ts';
import type { Method } from './method.ts';
import {
  anything,
  cursor,
  directoryFilter,
  duration,
  empty,
  Filter,
  opEntry,
  opMethod,
  opResult,
  page,
  pageOf,
  rejection,
  SearchHit,
  SessionUsage,
  SourceStatus,
  Subscriber,
  series,
  size,
  subscriberName,
} from './method.ts';
import { SinkStatus } from './outbox.ts';
import { outboxMethods } from './outbox-methods.ts';
import {
  Artifact,
  Blocker,
  blockerId,
  blockerStates,
  Event,
  Message,
  messageId,
  Op,
  Part,
  Session,
  sessionId,
  Turn,
  timestamp,
  turnStates,
} from './schema.ts';
import { storeMethods } from './store-methods.ts';

export type { Method } from './method.ts';
export { Filter, SearchHit, SessionUsage, SnapshotItem, SourceStatus, Subscriber } from './method.ts';
export { protocolVersion } from './version.ts';

export const methods = {
  initialize: {
    params: z.strictObject({
      protocolVersion: z.int(),
      client: z.strictObject({ name: z.string().min(1).max(100), version: z.string().max(100) }),
      token: token.optional(),
    }),
    result: z.object({
      protocolVersion: z.int(),
      server: z.object({ name: z.string(), version: z.string(), pid: z.int() }),
      storeId: z.string(),
      head: cursor,
      connectionId: z.string(),
      actorId: z.string(),
      rights: z.array(z.enum(rights)),
      ledgerMaxAgeMs: z.int(),
    }),
    right: null,
    kind: 'open',
    summary: 'Says who the client is and learns the store, its head and the rights held. May be skipped.',
  },
  ping: { params: empty, result: z.object({}), right: null, kind: 'open', summary: 'Answers at once.' },

  'ops/append': {
    params: z.strictObject({
      ops: z.array(Op).min(1).max(1000),
      batchId: z.string().min(1).max(128).optional(),
      atomic: z.boolean().optional(),
      expectedCursor: cursor.optional(),
    }),
    result: z.object({
      cursor,
      applied: z.array(opEntry),
      duplicates: z.array(opEntry),
      rejected: z.array(rejection),
    }),
    right: 'append',
    kind: 'mutation',
    summary: 'Appends 1 to 1,000 ops in order; each stands alone unless atomic.',
  },
  'session/create': opMethod('session/create', 'Creates a session.'),
  'session/update': opMethod('session/update', 'Changes a session; metadata is a JSON merge patch.'),
  'session/delete': opMethod('session/delete', 'Deletes a session with its records; its id stays taken.'),
  'turn/start': opMethod('turn/start', 'Starts a turn: the user message with its parts, before anything is generated.'),
  'turn/heartbeat': opMethod('turn/heartbeat', 'Renews the lease of a turn.'),
  'turn/finish': opMethod('turn/finish', 'Ends a turn with all that hangs on it, in one op.'),
  'message/put': opMethod('message/put', 'Adds a message, or changes the fields given.'),
  'message/remove': opMethod('message/remove', 'Removes a message and its parts.'),
  'part/put': opMethod('part/put', 'Adds a part to a message, or replaces one whole.'),
  'part/delta': opMethod('part/delta', 'Appends text to a part, at the length held.'),
  'part/remove': opMethod('part/remove', 'Removes a part.'),
  'blocker/ask': opMethod('blocker/ask', 'Asks a question or for a permission; it waits until somebody resolves it.'),
  'blocker/answer': opMethod('blocker/answer', 'Answers a blocker; the first resolution stands.', 'answer'),
  'blocker/reject': opMethod('blocker/reject', 'Turns a blocker down; the first resolution stands.', 'answer'),
  'artifact/put': opMethod('artifact/put', 'Puts a record by session, kind and key.'),
  'artifact/remove': opMethod('artifact/remove', 'Removes a record by session, kind and key.'),

  'session/fork': {
    params: z.strictObject({
      sessionId,
      atMessageId: messageId.optional(),
      newSessionId: sessionId.optional(),
      title: z.string().nullable().optional(),
      ...series,
    }),
    result: opResult,
    right: 'append',
    kind: 'series',
    summary: 'Copies a session, up to and with a message, into a new one; sent again it completes.',
  },
  'session/import': {
    params: z.strictObject({ text: z.string(), sessionId: sessionId.optional(), ...series }),
    result: opResult,
    right: 'append',
    kind: 'series',
    summary: 'Takes in a session that session/export gave as json; sent again it completes.',
  },

  'session/list': {
    params: z.strictObject({
      directory: directoryFilter.optional(),
      agent: z.string().optional(),
      status: z.enum(['idle', 'busy', 'waiting']).optional(),
      archived: z.boolean().optional(),
      parentId: sessionId.nullable().optional(),
      origin: z.strictObject({ source: z.string().optional(), externalId: z.string().optional() }).optional(),
      updatedAfter: timestamp.optional(),
      query: z.string().max(1000).optional(),
      ...page,
    }),
    result: pageOf(Session),
    right: 'read',
    kind: 'read',
    summary: 'Lists sessions, newest first.',
  },
  'session/get': {
    params: z.strictObject({ sessionId }),
    result: z.object({
      session: Session,
      turns: z.array(Turn),
      blockers: z.array(Blocker),
      /** Its home is another store: what is done in it is sent with guest/append. */
      replica: z.literal(true).optional(),
      cursor,
    }),
    right: 'read',
    kind: 'read',
    summary: 'One session with its open turns and pending blockers.',
  },
  'session/search': {
    params: z.strictObject({
      query: z.string().max(1000),
      directory: directoryFilter.optional(),
      agent: z.string().optional(),
      ...page,
    }),
    result: pageOf(SearchHit),
    right: 'read',
    kind: 'read',
    summary: 'Full text of the parts, best first: words, "phrases" and prefix*; all must match.',
  },
  'message/list': {
    params: z.strictObject({ sessionId, order: z.enum(['asc', 'desc']).optional(), ...page }),
    result: pageOf(z.object({ message: Message, parts: z.array(Part) })),
    right: 'read',
    kind: 'read',
    summary: 'The messages of a session with their parts, in insertion order.',
  },
  'turn/list': {
    params: z.strictObject({ sessionId: sessionId.optional(), state: z.enum(turnStates).optional(), ...page }),
    result: pageOf(Turn),
    right: 'read',
    kind: 'read',
    summary: 'Turns, of one session or of all, in the order they started in.',
  },
  'blocker/list': {
    params: z.strictObject({ sessionId: sessionId.optional(), state: z.enum(blockerStates).optional(), ...page }),
    result: pageOf(Blocker),
    right: 'read',
    kind: 'read',
    summary: 'Questions and permissions, of one session or of all.',
  },
  'blocker/wait': {
    params: z.strictObject({
      blockerId,
      timeoutMs: z
        .int()
        .min(0)
        .max(2 ** 31 - 1)
        .optional(),
    }),
    result: z.object({ blocker: Blocker }),
    right: 'read',
    kind: 'read',
    summary: 'The blocker when it is resolved, or as it stands at the time-out.',
  },
  'session/export': {
    params: z.strictObject({
      sessionId,
      format: z.enum(['json', 'markdown', 'html']),
      pageToken: page.pageToken,
    }),
    result: z.object({ text: z.string(), nextPageToken: z.string().optional(), cursor }),
    right: 'read',
    kind: 'read',
    summary: 'A session as one text, in pages that are to be joined.',
  },
  'artifact/list': {
    params: z.strictObject({ sessionId, kind: z.string().optional(), ...page }),
    result: pageOf(Artifact),
    right: 'read',
    kind: 'read',
    summary: 'The artifacts of a session.',
  },
  'events/read': {
    params: z.strictObject({
      after: cursor,
      filter: Filter.optional(),
      limit: page.limit,
      waitMs: z.int().min(0).max(60_000).optional(),
    }),
    result: z.object({ events: z.array(Event), cursor, more: z.boolean() }),
    right: 'read',
    kind: 'read',
    summary: 'Events after a cursor; waits up to waitMs for the first.',
  },
  'events/subscribe': {
    params: z.strictObject({
      from: z.string().max(128).optional(),
      filter: Filter.optional(),
      snapshot: z.enum(['onGap', 'always', 'never']).optional(),
      name: subscriberName.optional(),
      deltas: z.boolean().optional(),
      maxBatch: z.int().min(1).max(10_000).optional(),
      bookmarkMs: duration.optional(),
    }),
    result: z.object({
      subscription: z.string(),
      mode: z.enum(['live', 'resumed', 'snapshot']),
      reason: z.string().optional(),
      cursor,
      head: cursor,
    }),
    right: 'read',
    kind: 'read',
    needsConnection: true,
    summary: 'Streams events from a cursor: what was missed, then what happens.',
  },
  'events/unsubscribe': {
    params: z.strictObject({ subscription: z.string() }),
    result: z.object({}),
    right: 'read',
    kind: 'read',
    needsConnection: true,
    summary: 'Ends a subscription.',
  },
  'events/sync': {
    params: z.strictObject({ subscription: z.string() }),
    result: z.object({ cursor }),
    right: 'read',
    kind: 'read',
    needsConnection: true,
    summary: 'Answers after everything up to the head of this moment was written to this connection.',
  },
  'events/ack': {
    params: z.strictObject({ name: subscriberName, cursor }),
    result: z.object({ cursor }),
    right: 'read',
    kind: 'mutation',
    needsConnection: true,
    summary: 'Keeps how far the named subscriber of this connection has come; a lower cursor changes nothing.',
  },
  'subscriber/list': {
    params: z.strictObject({ ...page }),
    result: pageOf(Subscriber),
    right: 'read',
    kind: 'read',
    summary: 'The named subscribers of the caller, and how far each has come.',
  },
  'subscriber/remove': {
    params: z.strictObject({ name: subscriberName }),
    result: z.object({}),
    right: 'read',
    kind: 'mutation',
    summary: 'Forgets a named subscriber; its subscription ends.',
  },
  ...capabilityMethods,
  ...outboxMethods,
  'source/list': {
    params: empty,
    result: z.object({ items: z.array(SourceStatus), cursor }),
    right: 'read',
    kind: 'read',
    summary: 'The places that transcripts are read from, and how far.',
  },
  'source/add': {
    params: z.strictObject({ kind: z.string().max(64), path: z.string().min(1).max(4096) }),
    result: z.object({ source: SourceStatus }),
    right: 'admin',
    kind: 'read',
    summary: 'Reads the transcripts of an agent from one more folder, from now on; the same again changes nothing.',
  },
  'source/remove': {
    params: z.strictObject({ name: z.string() }),
    result: z.object({}),
    right: 'admin',
    kind: 'read',
    summary: 'Stops reading a source, for good; what was taken in stays.',
  },
  'source/rescan': {
    params: z.strictObject({ name: z.string().optional() }),
    result: z.object({ files: size }),
    right: 'admin',
    kind: 'read',
    summary: 'Looks for new and changed transcripts now; answers when they are taken in.',
  },
  'session/usage': {
    params: z.strictObject({ since: timestamp.optional(), timeZone: z.string().max(64).optional(), ...page }),
    result: pageOf(SessionUsage),
    right: 'read',
    kind: 'read',
    summary: 'Tokens and cost of the messages, by session, day and model; a session may come on several pages.',
  },
  'daemon/status': {
    params: empty,
    result: z.object({
      version: z.string(),
      pid: z.int(),
      startedAt: timestamp,
      storeId: z.string(),
      head: cursor,
      earliest: cursor,
      storeBytes: size,
      sessions: size,
      events: size,
      connections: z.array(
        z.object({
          id: z.string(),
          client: z.string().nullable(),
          subscriptions: size,
          lag: size,
          bufferedBytes: size,
        }),
      ),
      sinks: z.array(SinkStatus),
      sources: z.array(SourceStatus),
      /** Where it is reached over TCP; null where it is not, or the caller acts with a capability. */
      http: z.string().nullable(),
      memoryBytes: size,
    }),
    right: 'read',
    kind: 'read',
    summary: 'What the daemon holds and how it is doing.',
  },
  'daemon/shutdown': {
    params: empty,
    result: z.object({}),
    right: 'admin',
    kind: 'read',
    summary: 'Stops the daemon after what it took is on disk.',
  },
  ...storeMethods,
  'rpc.discover': {
    params: empty,
    result: z.record(z.string(), anything),
    right: null,
    kind: 'open',
    summary: 'The OpenRPC document, generated from this table.',
  },
} as const satisfies Record<string, Method>;

export type MethodName = keyof typeof methods;
export type Params<M extends MethodName> = z.input<(typeof methods)[M]['params']>;
export type Result<M extends MethodName> = z.output<(typeof methods)[M]['result']>;

// Sinks, batches, shares and replicas on the wire (PROTOCOL.md 7): what goes out to others, durably, and what comes in from
// another store.
import { z } from 'zod';
import { rights } from './capability.ts';
import { cursor, directoryFilter, rejection, size, version } from './method.ts';
import { blockerId, Event, messageId, Op, opId, partId, sessionId, timestamp } from './schema.ts';

export const sinkKinds = ['http', 'capnweb', 'file'] as const;
export type SinkKind = (typeof sinkKinds)[number];
export const batchStates = ['pending', 'inFlight', 'acked', 'failed'] as const;

/** As a name in a shell: shares have sinks of their own, named by their ids. */
export const sinkName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'expected up to 64 of A-Za-z0-9._-');
export const batchId = z.string().min(1).max(128);
export const shareId = z.string().regex(/^shr_[A-Za-z0-9_-]{1,64}$/, 'expected shr_ and letters or digits');
/** As it stands in cursors. */
export const storeId = z.string().regex(/^[A-Za-z0-9]{1,64}$/, 'expected up to 64 letters and digits');

/** Of which sessions the events go out: all of each, since the other side holds a session without a gap or not at all. */
export const SinkFilter = z.strictObject({
  sessions: z.array(sessionId).min(1).max(1000).optional(),
  directory: directoryFilter.optional(),
  agents: z.array(z.string().max(256)).min(1).max(100).optional(),
});
export type SinkFilter = z.infer<typeof SinkFilter>;

/** `cursor`: what was acknowledged last; `lag`: the events behind that. `mask`: secrets are masked in what is sent. */
export const SinkStatus = z.object({
  name: sinkName,
  kind: z.enum(sinkKinds),
  url: z.string(),
  filter: SinkFilter.optional(),
  mask: z.boolean(),
  state: z.enum(['active', 'paused', 'failing']),
  cursor,
  lag: size,
  lastError: z.string().nullable(),
});
export type SinkStatus = z.infer<typeof SinkStatus>;

/** `rejected`: what the other side did not take of it. `items`: how many ops. */
export const Batch = z.object({
  batchId,
  sink: sinkName,
  fromSeq: size,
  toSeq: size,
  state: z.enum(batchStates),
  attempts: size,
  nextRetryAt: timestamp.nullable(),
  lastError: z.string().nullable(),
  items: size,
  rejected: z.array(z.object({ opId: z.string(), reason: z.string() })),
});
export type Batch = z.infer<typeof Batch>;

/** Rights that a share may give to whoever has its link. */
export const shareRights = z
  .array(z.enum(['read', 'append', 'answer']))
  .min(1)
  .max(3);

/** `ending`: it was revoked here, and the host does not know yet. `title`: null also where the session is deleted. */
export const Share = z.object({
  id: shareId,
  sessionId,
  title: z.string().nullable(),
  host: z.string(),
  rights: z.array(z.enum(rights)),
  state: z.enum(['active', 'paused', 'failing', 'ending']),
  lag: size,
  lastError: z.string().nullable(),
  createdAt: timestamp,
  expiresAt: timestamp.nullable(),
});
export type Share = z.infer<typeof Share>;

/** A secret that would be masked. `rule`: what found it; `excerpt`: around it, already masked. */
export const MaskFinding = z.object({
  rule: z.string(),
  messageId: messageId.optional(),
  partId: partId.optional(),
  blockerId: blockerId.optional(),
  where: z.string(),
  excerpt: z.string(),
});
export type MaskFinding = z.infer<typeof MaskFinding>;

/**
 * One op of the home. `version`: the session's behind it. `prevVersion`: the session's before it; without it that before the
 * first of `events`, which may be fewer than there were: part/delta is left out of what is masked. `snapshot`: instead of an
 * op it is a piece of the whole session as it is now; with index 0 it replaces what is held, and with `done` it is at `version`.
 */
export const ReplicaItem = z.strictObject({
  opId,
  seq: size,
  sessionId,
  version,
  prevVersion: version.optional(),
  snapshot: z.strictObject({ id: z.string().min(1).max(64), index: size, done: z.boolean() }).optional(),
  events: z.array(Event).max(100_000),
});
export type ReplicaItem = z.infer<typeof ReplicaItem>;

/** An op of a guest on its way home. `principal`: whose op ids are apart from those of other guests. */
export const GuestOp = z.object({
  guestOpId: z.string(),
  principal: z.string(),
  actorId: z.string(),
  op: Op,
});
export type GuestOp = z.infer<typeof GuestOp>;

const guestEntry = z.strictObject({
  opId,
  seq: z.int().nullable(),
  version,
  ids: z.record(z.string(), z.string()),
});

/** What became of a guest's op at home: one of the three. */
export const GuestResult = z.strictObject({
  guestOpId: z.string().min(1).max(128),
  applied: guestEntry.optional(),
  duplicate: guestEntry.optional(),
  rejected: rejection.optional(),
});
export type GuestResult = z.infer<typeof GuestResult>;

// What a capability is on the wire (PROTOCOL.md 6): exactly so much of the record, handed out, and taken back.
import { z } from 'zod';
import { sessionId, timestamp } from './schema.ts';

export const rights = ['read', 'append', 'answer', 'share', 'admin'] as const;
export type Right = (typeof rights)[number];

export const capabilityId = z.string().regex(/^cap_[A-Za-z0-9_-]{1,64}$/, 'expected cap_ and letters or digits');
/** As long as they are made, and room for those of later versions. */
export const token = z.string().min(1).max(512);
const label = z.string().max(200);
const rightList = z.array(z.enum(rights)).min(1).max(rights.length);
const sessionScope = z.union([z.literal('*'), z.array(sessionId).min(1).max(1000)]);
/** Op types that may be appended, `part/*` for a family. Without it all that the rights allow. */
const opTypes = z
  .array(
    z
      .string()
      .max(64)
      .regex(/^[a-z]+\/(\*|[a-zA-Z]+)$/, 'expected an op type, or a family such as part/*'),
  )
  .min(1)
  .max(100);

export const Capability = z.object({
  id: capabilityId,
  /** Out of which it was made; null of one that the owner made. */
  parentId: capabilityId.nullable(),
  label,
  rights: rightList,
  sessions: sessionScope,
  ops: opTypes.optional(),
  epoch: z.int().min(1),
  expiresAt: timestamp.nullable(),
  revokedAt: timestamp.nullable(),
  createdAt: timestamp,
  lastUsedAt: timestamp.nullable(),
});
export type Capability = z.infer<typeof Capability>;

export const grantParams = z.strictObject({
  label,
  rights: rightList,
  sessions: sessionScope,
  ops: opTypes.optional(),
  expiresAt: timestamp.nullable().optional(),
});

export const attenuateParams = z.strictObject({
  token,
  label,
  rights: rightList.optional(),
  sessions: sessionScope.optional(),
  ops: opTypes.optional(),
  expiresAt: timestamp.nullable().optional(),
});

/** `outcome`: `ok`, `duplicate`, or the kind of the refusal. */
export const AuditEntry = z.object({
  at: timestamp,
  capabilityId,
  actorId: z.string(),
  method: z.string(),
  sessionId: sessionId.nullable(),
  outcome: z.string(),
});
export type AuditEntry = z.infer<typeof AuditEntry>;

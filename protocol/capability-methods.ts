// The rows of the method table that are about capabilities (PROTOCOL.md 6).
import { z } from 'zod';
import { AuditEntry, attenuateParams, Capability, capabilityId, grantParams, token } from './capability.ts';
import type { Method } from './method.ts';
import { cursor, page, pageOf, size } from './method.ts';
import { sessionId } from './schema.ts';

export const capabilityMethods = {
  'capability/grant': {
    params: grantParams,
    result: z.object({ capability: Capability, token }),
    right: 'share',
    kind: 'mutation',
    summary: 'Hands out a part of what the caller holds; the token is shown this once.',
  },
  'capability/attenuate': {
    params: attenuateParams,
    result: z.object({ capability: Capability, token }),
    right: null,
    kind: 'mutation',
    summary: 'Makes a capability that allows less out of the one that the token stands for.',
  },
  'capability/redeem': {
    params: z.strictObject({ token }),
    result: z.object({
      capability: Capability,
      head: cursor,
      sessions: z.array(z.object({ id: sessionId, title: z.string().nullable(), version: size })),
      /** The last of the origin's that is held of what came by it (replica/append). */
      cursor: cursor.optional(),
    }),
    right: null,
    kind: 'open',
    needsConnection: true,
    summary: 'From here the connection acts with that capability alone; its subscriptions end.',
  },
  'capability/revoke': {
    params: z.strictObject({ capabilityId, mode: z.enum(['revoke', 'bumpEpoch']) }),
    result: z.object({ capability: Capability }),
    right: 'share',
    kind: 'mutation',
    summary: 'Ends a capability and all that was made out of it at once, or has them redeemed again.',
  },
  'capability/list': {
    params: z.strictObject({ ...page }),
    result: pageOf(Capability),
    right: 'share',
    kind: 'read',
    summary: 'The capabilities that the caller has, and made, the oldest first.',
  },
  'capability/audit': {
    params: z.strictObject({ capabilityId: capabilityId.optional(), ...page }),
    result: pageOf(AuditEntry),
    right: 'share',
    kind: 'read',
    summary: 'Who did what when with capabilities, and what was refused, the newest first.',
  },
} as const satisfies Record<string, Method>;

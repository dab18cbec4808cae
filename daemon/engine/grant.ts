// What somebody acts with (PROTOCOL.md 6): a capability, as it was when they redeemed it. The owner acts without one.
import type { Capability } from '../../protocol/capability.ts';
import type { Refusal } from '../../protocol/errors.ts';
import { refuse } from '../../protocol/errors.ts';
import type { InvalidReason } from '../core/capability.ts';

// serve/ asks the engine, and knows no core.
export { holds, sees } from '../core/capability.ts';

export type Grant = {
  /** As it is now. */
  readonly capability: Readonly<Capability>;
  /** Its epoch when it was redeemed. */
  readonly epoch: number;
  /** Why it cannot be acted with now; undefined when it can. */
  invalid(): Refusal | undefined;
};

const messages: Record<InvalidReason | 'unknown', string> = {
  unknown: 'the token is not known here',
  revoked: 'the capability was revoked: ask whoever gave it for another',
  expired: 'the time of the capability is over: ask whoever gave it for another',
  staleEpoch: 'the capability must be redeemed again with its token',
};

/** What somebody acts with who has not said yet who they are: it allows nothing. */
export const nobody: Grant = {
  capability: {
    ...{ id: 'nobody', parentId: null, label: 'nobody', rights: [], sessions: [], epoch: 0 },
    ...{ expiresAt: null, revokedAt: 0, createdAt: 0, lastUsedAt: null },
  },
  epoch: 0,
  invalid: () => unauthorized('unknown'),
};

/** For who acts with what is not valid any more, or never was. */
export function unauthorized(reason: InvalidReason | 'unknown', message: string = messages[reason]): Refusal {
  return refuse('Unauthorized', message, { reason });
}

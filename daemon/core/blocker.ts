// The life of a blocker as a table (PROTOCOL.md 3): pending, then one of three ends, and never back (P15).
import type { Blocker } from '../../protocol/schema.ts';

export type BlockerState = Blocker['state'];

/** Where each state may go. */
export const blockerTransitions: Record<BlockerState, readonly BlockerState[]> = {
  pending: ['answered', 'rejected', 'expired'],
  answered: [],
  rejected: [],
  expired: [],
};

// What becomes of an op that is handed over and never acknowledged.
import type { RpcError } from './errors.ts';
import type { Op } from './schema.ts';

/**
 * An op that was not applied and is not tried any more. `refused`: by the daemon, whose error says why. `dependsOnHandedBack`: on
 * the op `because`. `tooOld`: it was handed over before what the daemon's ledger remembers; it may have been applied then, and
 * nobody could tell.
 */
export type HandedBack = { op: Op } & (
  | { why: 'refused'; error: RpcError }
  | { why: 'dependsOnHandedBack'; because: string }
  | { why: 'tooOld'; handedOverAt: number; ledgerMaxAgeMs: number }
);

/** What `append` rejects with for an op that is handed back. */
export class HandedBackError extends Error {
  readonly back: HandedBack;
  constructor(back: HandedBack) {
    super(`the op ${back.op.opId} (${back.op.type}) is handed back: ${reasonOf(back)}`);
    this.name = 'HandedBackError';
    this.back = back;
  }
}

function reasonOf(back: HandedBack): string {
  if (back.why === 'refused') return back.error.message;
  if (back.why === 'dependsOnHandedBack') return `it depends on ${back.because}, which is`;
  return `it is older than the ${back.ledgerMaxAgeMs} ms that the daemon knows op ids for`;
}

/** No more can be handed over before some of what waits is acknowledged. Nothing of the op was kept. */
export class IntentsFullError extends Error {
  readonly what: string;
  readonly limit: number;
  constructor(what: string, limit: number) {
    super(`the outbox is full: its limit is ${limit} ${what}`);
    this.name = 'IntentsFullError';
    this.what = what;
    this.limit = limit;
  }
}

/** The outbox ended before the op was acknowledged. `isKept`: it is sent when the store is opened again. */
export class UnacknowledgedError extends Error {
  readonly opId: string;
  readonly isKept: boolean;
  constructor(opId: string, isKept: boolean) {
    super(`the op ${opId} was not acknowledged ${isKept ? 'yet: it is kept, and sent next time' : 'and is not kept'}`);
    this.name = 'UnacknowledgedError';
    this.opId = opId;
    this.isKept = isKept;
  }
}

/** The id of an op that waits was given to another one. */
export class OpIdTakenError extends Error {
  constructor(opId: string) {
    super(`another op with the id ${opId} waits already`);
    this.name = 'OpIdTakenError';
  }
}

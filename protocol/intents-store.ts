// Where the ops wait that were handed over and are not acknowledged yet. One interface; here its contract, and the store that
// lasts as long as the process. The others: node/file-intents.ts, intents-indexed-db.ts.
import type { Op } from './schema.ts';

/** `n`: its place, rising; `at`: when it was handed over, ms since the epoch. */
export type Intent = { n: number; at: number; op: Op };
/** Ops that are sent together, as often as needed under one id. */
export type Batch = { batchId: string; ns: number[] };
export type HeldIntents = {
  /** Who this is, from its first opening on. */
  clientId: string;
  /** As kept last. */
  cursor: string | undefined;
  /** By `n`. */
  intents: Intent[];
  /** The one that may have been sent. */
  batch: Batch | undefined;
};

/**
 * Calls take effect in the order they are made, also those that are not awaited. What a call that was not answered, or rejected,
 * was to keep may be read at the next opening, or not.
 */
export type IntentStore = {
  /** Whether what it keeps is there after the end of the process. */
  readonly lasts: boolean;
  /** Before anything else, once. Rejects with IntentsLockedError while another holds the same place. */
  open(newClientId: () => string): Promise<HeldIntents>;
  /** Resolves when it is kept, whatever happens then. */
  add(intent: Intent): Promise<void>;
  /** Resolves when it is kept that these are sent together. */
  bind(batch: Batch): Promise<void>;
  /** They are done with, and so is the batch. May be forgotten in a crash: they are sent once more then. */
  remove(ns: readonly number[]): Promise<void>;
  keepCursor(cursor: string): Promise<void>;
  /** Lets go of the place. Nothing may be called behind it. */
  close(): Promise<void>;
};

/** Another process, or another page, holds the same place: two of them would send what the other keeps. */
export class IntentsLockedError extends Error {
  constructor(place: string, holder: string) {
    super(`${place} is held by ${holder}: each needs one of its own`);
    this.name = 'IntentsLockedError';
  }
}

/** Lasts as long as the process. */
export function memoryIntents(): IntentStore {
  const held: HeldIntents = { clientId: '', cursor: undefined, intents: [], batch: undefined };
  const intents = new Map<number, Intent>();
  return {
    lasts: false,
    open: async (newClientId) => {
      held.clientId ||= newClientId();
      return { ...held, intents: [...intents.values()] };
    },
    add: async (intent) => void intents.set(intent.n, intent),
    bind: async (batch) => {
      held.batch = batch;
    },
    remove: async (ns) => {
      for (const n of ns) intents.delete(n);
      held.batch = undefined;
    },
    keepCursor: async (cursor) => {
      held.cursor = cursor;
    },
    close: async () => {},
  };
}

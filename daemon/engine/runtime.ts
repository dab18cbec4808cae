// The only clock, timer and randomness of the engine, so that tests advance them by hand.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export type Log = {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
};

export interface Runtime {
  /** Wall clock, ms since the epoch. May jump either way. */
  now(): number;
  /** ms of a clock that never jumps. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it fires first. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** From 0 up to 1, for what is spread over time. */
  random(): number;
  /** An id that nobody can guess and no other process makes (P20). */
  newId(prefix: string): string;
  /** Gives back the memory that a large piece of work took, once it is done; takes some 20 ms. */
  releaseMemory(): void;
  readonly log: Log;
}

/** The real one. */
export function systemRuntime(log: Log): Runtime {
  return {
    now: Date.now,
    monotonic: () => performance.now(),
    sleep: (ms, signal) => sleepFor(ms, undefined, { signal }),
    random: Math.random,
    newId: (prefix) => `${prefix}_${newName()}`,
    releaseMemory,
    log,
  };
}

/** V8 keeps a heap that has grown for a minute or for ever: 143 MB resident after 10,000 files, 90 MB with this. */
function releaseMemory(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  setFlagsFromString('--no-expose-gc');
}

/** Time first, so that ids made one after another lie side by side in the store's indexes; then 96 random bits. */
function newName(): string {
  return Date.now().toString(36).padStart(9, '0') + random96();
}

/** 96 bits in characters of six bits each. */
const nameUnits = 16;
// Drawn from the system, and written as text, in one call for many ids: a call for each was 4 % of an append.
let pool = '';
function random96(): string {
  if (pool.length === 0) pool = randomBytes(12 * 256).toString('base64url');
  const taken = pool.slice(0, nameUnits);
  pool = pool.slice(nameUnits);
  return taken;
}

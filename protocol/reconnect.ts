// When a connection that was lost is tried again, and what an error says about trying again.
import { RpcError } from './errors.ts';
import type { MethodName } from './methods.ts';
import { TransportClosedError } from './transport.ts';

export type ReconnectOptions = {
  /** The longest wait before the first try, in ms; it doubles with each further one. */
  baseMs: number;
  /** No wait is longer, in ms. A connection that lasted this long begins the waits, and the count of tries, anew. */
  maxMs: number;
  /**
   * From 0 to 1: which share of a wait is drawn by chance. 1, full jitter, spreads those who were cut off together; 0 waits
   * the longest each time.
   */
  jitter: number;
  /** Tries in a row before it is given up; 0: none, Infinity: never. */
  maxAttempts: number;
};

export const defaultReconnect: ReconnectOptions = {
  baseMs: 100,
  maxMs: 10_000,
  jitter: 1,
  maxAttempts: Number.POSITIVE_INFINITY,
};

export class Backoff {
  readonly #options: ReconnectOptions;
  readonly #random: () => number;
  #attempts = 0;

  /** Throws RangeError for options that make no sense. */
  constructor(options: Partial<ReconnectOptions>, random: () => number) {
    this.#options = { ...defaultReconnect, ...options };
    this.#random = random;
    const { baseMs, maxMs, jitter, maxAttempts } = this.#options;
    if (!(baseMs >= 0 && maxMs >= baseMs)) throw new RangeError('reconnect: 0 <= baseMs <= maxMs must hold');
    if (!(jitter >= 0 && jitter <= 1)) throw new RangeError('reconnect.jitter is from 0 to 1');
    if (!(maxAttempts >= 0)) throw new RangeError('reconnect.maxAttempts is 0 or more');
  }

  /** Tries since the last `reset`. */
  get attempts(): number {
    return this.#attempts;
  }

  /** The wait before the next try, in ms, at least what the daemon asked for; undefined when no more are made. */
  next(atLeastMs = 0): number | undefined {
    const { baseMs, maxMs, jitter, maxAttempts } = this.#options;
    if (this.#attempts >= maxAttempts) return undefined;
    const most = Math.min(maxMs, baseMs * 2 ** Math.min(this.#attempts, 50));
    this.#attempts += 1;
    return atLeastMs + Math.floor(most * (1 - jitter) + this.#random() * most * jitter);
  }

  /** A connection lasted `ms`: one that lasted long enough was none of the failed tries. */
  lasted(ms: number): void {
    if (ms >= this.#options.maxMs) this.reset();
  }

  reset(): void {
    this.#attempts = 0;
  }
}

/**
 * What a call rejects with that was under way when the connection went, or that was made while there is none. `mayResend`:
 * it was not sent, or changes nothing when it is done twice; where that is false, nobody knows whether it was done.
 */
export class DisconnectedError extends TransportClosedError {
  readonly mayResend: boolean;
  constructor(mayResend: boolean) {
    super();
    this.name = 'DisconnectedError';
    this.mayResend = mayResend;
  }
}

/** Calls that change nothing, or nothing more when they are made again, whatever their params. */
export const repeatable: readonly MethodName[] = [
  ...(['initialize', 'ping', 'rpc.discover', 'ops/append', 'events/ack', 'events/read', 'events/sync'] as const),
  ...(['session/list', 'session/get', 'session/search', 'session/export', 'session/usage', 'message/list'] as const),
  ...(['turn/list', 'blocker/list', 'blocker/wait', 'artifact/list', 'subscriber/list', 'source/list'] as const),
  ...(['daemon/status', 'capability/list', 'capability/audit', 'sink/list', 'outbox/list', 'share/list'] as const),
];

/** Whether a call may be sent again although it may have been done: ops may by their opId. */
export function mayRepeat(method: string, params: unknown): boolean {
  if ((repeatable as readonly string[]).includes(method)) return true;
  return typeof params === 'object' && params !== null && 'opId' in params && params.opId !== undefined;
}

/** What passes by itself: the daemon could not then, and may a moment later. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof RpcError)) return true;
  return ['Overloaded', 'ShuttingDown', 'StoreUnavailable'].includes(error.kind ?? '') || error.code === internalError;
}

const internalError = -32603;

/** How long the daemon asked to be left alone, in ms. */
export function askedWait(error: unknown): number {
  const { retryAfterMs } = error instanceof RpcError ? (error.data as { retryAfterMs?: unknown }) : {};
  return typeof retryAfterMs === 'number' ? retryAfterMs : 0;
}

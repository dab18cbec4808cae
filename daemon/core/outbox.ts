// The life of a batch that is sent to a sink (PROTOCOL.md 7) as a table, and when it is sent again.
export type BatchState = 'pending' | 'inFlight' | 'acked' | 'failed';

/** Where each state may go. `failed`: set aside, until somebody has it sent again. */
export const batchTransitions: Record<BatchState, readonly BatchState[]> = {
  pending: ['inFlight', 'failed'],
  inFlight: ['pending', 'acked', 'failed'],
  acked: [],
  failed: ['pending'],
};

export type Backoff = { baseMs: number; maxMs: number };

/**
 * How long to wait before a batch is sent again, ms: exponential with full jitter, so that many who fail at once do not come
 * again at once. `attempts`: how often it was sent, from 1. `random`: from 0 up to 1. `atLeastMs`: what the other side asked for.
 */
export function retryDelayMs(attempts: number, { baseMs, maxMs }: Backoff, random: number, atLeastMs = 0): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** (attempts - 1));
  return Math.max(atLeastMs, Math.round(random * ceiling));
}

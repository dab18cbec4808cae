// Waits on behalf of a connection: for a ring, for a blocker. Nothing of them is left once they end or their client is gone
// (P18).
import { RefusedError, refuse } from '../../protocol/errors.ts';
import type { Reads } from '../engine/reads.ts';
import type { Runtime } from '../engine/runtime.ts';
import type { Writer } from '../engine/writer.ts';
import type { Caller } from './caller.ts';
import type { Call } from './connection.ts';
import { RawJson } from './message.ts';

/** The next ring, the time-out, or the end of the connection, whichever is first; nothing of it is left behind. */
export async function ringOrTimeout(
  onRing: (wake: () => void) => () => void,
  runtime: Runtime,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  const timer = new AbortController();
  const stop = () => timer.abort();
  const cancel = onRing(stop);
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    await runtime.sleep(ms, timer.signal);
  } catch {
    // rung, or the connection is gone
  } finally {
    cancel();
    signal.removeEventListener('abort', stop);
  }
}

export type WaitDeps = Pick<Reads, 'lists'> & { writer: Pick<Writer, 'blockerBell'>; runtime: Runtime };

/** The blocker when it is resolved, or as it stands after `timeoutMs` (without: no time-out). Throws NotFound. */
export function waitForBlocker(
  { lists, writer, runtime }: WaitDeps,
  { blockerId, timeoutMs }: { blockerId: string; timeoutMs?: number | undefined },
  peer: Caller,
  call: Call,
): RawJson | Promise<RawJson> {
  const { signal } = peer;
  const until = timeoutMs === undefined ? Number.POSITIVE_INFINITY : runtime.monotonic() + timeoutMs;
  /** The answer, or undefined while there is reason and time to wait. */
  const read = (): RawJson | undefined => {
    const state = lists.blockerState(blockerId);
    if (state === undefined) {
      const data = { what: 'blocker', id: blockerId };
      throw new RefusedError(refuse('NotFound', `there is no blocker ${blockerId}`, data));
    }
    if (state === 'pending' && runtime.monotonic() < until && !signal.aborted) return undefined;
    return new RawJson(`{"blocker":${lists.findBlocker(blockerId)}}`);
  };
  const wait = async () => {
    for (;;) {
      // Long waits in several sleeps: a timer takes no more than 2^31 ms.
      const ms = Math.min(until - runtime.monotonic(), 3600_000);
      await ringOrTimeout((wake) => writer.blockerBell.onRing(blockerId, wake), runtime, ms, signal);
      const answer = read();
      if (answer) return answer;
    }
  };
  return read() ?? call.wait(wait);
}

// Work on the store that nobody waits for: in bites, with a rest after each that is longer than it was. Back to back every op
// that comes meanwhile would wait for the bite under way and share its transaction with the next.
import type { Runtime } from './runtime.ts';

/** A rest takes so many times as long as the bite before it, and at most so long, ms. */
const restShare = 2;
const maxRestMs = 50;

/** Takes bites until one says that it was the last. Rejects with what a bite rejects with. */
export async function inBites(
  bite: () => Promise<boolean>,
  { monotonic, sleep }: Pick<Runtime, 'monotonic' | 'sleep'>,
): Promise<void> {
  for (;;) {
    const start = monotonic();
    if (await bite()) return;
    const ms = monotonic() - start;
    if (ms > 0) await sleep(Math.min(ms * restShare, maxRestMs), never);
  }
}

// The daemon's writer refuses the next bite when it stops.
const never = new AbortController().signal;

// When something happened, as far as a record can be believed.
import type { Transcript } from '../adapter.ts';

/** How far the clock that a record was written by may be ahead of ours. */
const aheadMs = 24 * 3600_000;

/** The time, unless it lies ahead of the read: what a record claims must not keep its session on top of the list. */
export function believable(at: number | undefined, { readAtMs }: Transcript): number | undefined {
  return at !== undefined && at <= readAtMs + aheadMs ? at : undefined;
}

/** When what tells no time of its own happened: no later than its file was written to. */
export function writtenAt({ mtimeMs, readAtMs }: Transcript): number {
  return Math.max(0, Math.floor(Math.min(mtimeMs, readAtMs)));
}

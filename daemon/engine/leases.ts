// How long each open turn may still be silent (PROTOCOL.md 3). In memory and on the monotonic clock: a jump of the wall
// clock ends no turn, and what was open at a start gets one full lease.
import type { Decision } from '../core/decide.ts';

type Lease = { leaseMs: number; until: number };

export class Leases {
  readonly #leases = new Map<string, Lease>();

  get size(): number {
    return this.#leases.size;
  }

  /** Notes an op on a turn at `now` (monotonic, ms): its lease starts, is renewed, or ends with it. */
  note(turn: NonNullable<Decision['turn']>, now: number): void {
    if (turn.ended) {
      this.#leases.delete(turn.id);
      return;
    }
    const leaseMs = turn.leaseMs ?? this.#leases.get(turn.id)?.leaseMs;
    if (leaseMs !== undefined) this.#leases.set(turn.id, { leaseMs, until: now + leaseMs });
  }

  /** Gives every turn one full lease from `now`: for a time in which nobody could renew one. */
  renewAll(now: number): void {
    for (const lease of this.#leases.values()) lease.until = now + lease.leaseMs;
  }

  /** Leaves a turn alone until `time`, whose lease ran out and which could not be ended. Its lease stays as long as it is. */
  postpone(id: string, time: number): void {
    const lease = this.#leases.get(id);
    if (lease) lease.until = time;
  }

  hasRunOut(id: string, now: number): boolean {
    const lease = this.#leases.get(id);
    return lease !== undefined && lease.until <= now;
  }

  /** The turns whose leases ran out. */
  runOut(now: number): string[] {
    return [...this.#leases.keys()].filter((id) => this.hasRunOut(id, now));
  }

  drop(id: string): void {
    this.#leases.delete(id);
  }
}

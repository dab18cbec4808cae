// How much may wait for homes that are not there (PROTOCOL.md 7): of the guests of one session, of those of all that came of one
// capability of the owner's, and of all, so that who fills theirs leaves others room.
import type { Refusal } from '../../protocol/errors.ts';
import { refuse } from '../../protocol/errors.ts';
import type { Waiting } from '../store/guest-rows.ts';

/** Of the ops that wait for their home: how many, and their text, in UTF-16 units. */
export type GuestLimits = {
  maxSessionGuestOps: number;
  maxSessionGuestUnits: number;
  maxHomeGuestOps: number;
  maxHomeGuestUnits: number;
  maxGuestOps: number;
  maxGuestUnits: number;
};

type Extent = { ops: number; units: number };
type Bound = { of: string; where: string; maxOps: number; maxUnits: number };
/** A session, and the capability that brings it. */
type Place = Pick<Waiting, 'session' | 'capability'>;

/** Good for as long as nothing else is written: one transaction. */
export class GuestRoom {
  readonly #taken = new Map<string, Extent>();
  readonly #rootOf: (capability: string) => string;
  readonly #limits: GuestLimits;

  constructor(waiting: readonly Waiting[], rootOf: (capability: string) => string, limits: GuestLimits) {
    this.#rootOf = rootOf;
    this.#limits = limits;
    for (const each of waiting) this.#add(this.#bounds(each), { ops: each.count, units: each.units });
  }

  /** Takes the room for one op more; or says why there is none. */
  take(place: Place, units: number): Refusal | undefined {
    const bounds = this.#bounds(place);
    for (const { of, where, maxOps, maxUnits } of bounds) {
      const held = this.#taken.get(of);
      if ((held?.ops ?? 0) >= maxOps) return full(maxOps, `ops of guests${where}`);
      if ((held?.units ?? 0) + units > maxUnits) return full(maxUnits, `UTF-16 units of ops of guests${where}`);
    }
    this.#add(bounds, { ops: 1, units });
    return undefined;
  }

  #bounds({ session, capability }: Place): Bound[] {
    const limits = this.#limits;
    const { maxSessionGuestOps, maxSessionGuestUnits, maxHomeGuestOps, maxHomeGuestUnits } = limits;
    const root = this.#rootOf(capability);
    return [
      {
        of: `session ${session}`,
        where: ' in a session',
        maxOps: maxSessionGuestOps,
        maxUnits: maxSessionGuestUnits,
      },
      { of: `home ${root}`, where: ' of a home', maxOps: maxHomeGuestOps, maxUnits: maxHomeGuestUnits },
      { of: 'all', where: '', maxOps: limits.maxGuestOps, maxUnits: limits.maxGuestUnits },
    ];
  }

  #add(bounds: readonly Bound[], { ops, units }: Extent): void {
    for (const { of } of bounds) {
      const held = this.#taken.get(of) ?? { ops: 0, units: 0 };
      this.#taken.set(of, { ops: held.ops + ops, units: held.units + units });
    }
  }
}

function full(limit: number, what: string): Refusal {
  const message = 'too much waits for the home of the session: send it again when that was there';
  return refuse('LimitExceeded', message, { limit, what });
}

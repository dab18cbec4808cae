// What all connections together have under way. Each is held back by its own bounds (connection.ts); beyond those of all of them,
// whoever has more than one small request under way is refused with Overloaded, so that many who flood cannot fill the memory, and
// whoever asks for one thing at a time is served meanwhile (P7, P8).
import type { Refusal } from '../../protocol/errors.ts';
import { refuse } from '../../protocol/errors.ts';
import type { Limits } from './limits.ts';

/** Text of a frame that is always taken, where it is the only one of its connection, in UTF-16 units. */
const smallUnits = 64 * 1024;
const retryAfterMs = 1_000;

export class Load {
  readonly #limits: Limits;
  #frames = 0;
  #units = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** A frame of `units` of text comes, of a connection that has `before` under way. Why it is refused, if it is; `end` ends it also then. */
  begin(units: number, before: number): Refusal | undefined {
    this.#frames += 1;
    this.#units += units;
    const { maxAllInFlight, maxAllInFlightUnits } = this.#limits;
    const isOver = this.#frames > maxAllInFlight || this.#units > maxAllInFlightUnits;
    if (!isOver || (before === 0 && units <= smallUnits)) return undefined;
    const message = 'too much is asked by all who are connected: send it again a little later';
    return refuse('Overloaded', message, { retryAfterMs });
  }

  end(units: number): void {
    this.#frames -= 1;
    this.#units -= units;
  }
}

// Keeps the journal as long as the rule says (PROTOCOL.md 5, "Retention"): judged by the clock whenever a cursor is, so that
// an aged event is not served after a quiet time (P4); cut off in small bites by the sweep.
import type { RetentionRule } from '../core/retention.ts';
import { floorFor } from '../core/retention.ts';
import type { Journal } from '../store/journal.ts';
import type { Pruner } from '../store/pruner.ts';
import { inBites } from './bites.ts';
import type { Runtime } from './runtime.ts';
import type { Writer } from './writer.ts';

export type RetentionDeps = {
  journal: Journal;
  pruner: Pruner;
  writer: Writer;
  runtime: Runtime;
  rule: RetentionRule;
  /** How far those have come who read by name (seq), from `floor` on: of them all, the one that is least far is enough. */
  acknowledged(floor: number): number[];
};

/** Events cut off in one transaction: 500 took 2.4 ms. */
const biteEvents = 100;

export class Retention {
  readonly #deps: RetentionDeps;
  /** What was judged before: whoever was told that an event is gone is told so again, whatever clock and names say since. */
  #judged = 0;

  constructor(deps: RetentionDeps) {
    this.#deps = deps;
  }

  /** The seq up to which events are not to be served any more, whether they are cut off already or not. */
  get floor(): number {
    const { journal, runtime, rule, acknowledged } = this.#deps;
    const floor = Math.max(this.#judged, journal.floorSeq);
    const extent = {
      floor,
      head: journal.head.seq,
      aged: journal.agedBefore(runtime.now() - rule.maxAgeMs),
    };
    // Nobody is served the rest of an op whose beginning is gone.
    // A name of which the events behind it are gone can never go on there: nothing is kept for it.
    const kept = acknowledged(floor);
    this.#judged = journal.wholeUpTo(floorFor(extent, kept, rule));
    return this.#judged;
  }

  /** Cuts off what is not to be served any more. Rejects with RefusedError when the store cannot be written. */
  async cut(): Promise<void> {
    const { journal, pruner, writer, runtime } = this.#deps;
    await inBites(async () => {
      const target = this.floor;
      return target <= journal.floorSeq || !(await writer.write(() => pruner.cut(target, biteEvents)));
    }, runtime);
  }
}

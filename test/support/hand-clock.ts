// A client's clock that a test advances by hand.
import type { Clock } from '../../protocol/clock.ts';

type Timer = { at: number; run: () => void };

export class HandClock implements Clock {
  /** Waits that were asked for, in ms. */
  readonly asked: number[] = [];
  /** What `random` gives. */
  chance = 0.5;
  #time = 1_000_000;
  #timers = new Set<Timer>();
  #ids = 0;

  /** Timers that are set and neither ran nor were cancelled. */
  get pending(): number {
    return this.#timers.size;
  }

  now = () => this.#time;
  monotonic = () => this.#time - 500_000;
  random = () => this.chance;
  newId = () => `id${++this.#ids}`;

  after = (ms: number, run: () => void) => {
    const timer = { at: this.#time + ms, run };
    this.asked.push(ms);
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };

  /** Moves on, running what becomes due, each with a turn of the event loop behind it for what follows from it. */
  async advance(ms: number): Promise<void> {
    const end = this.#time + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.#timers.delete(next);
      this.#time = Math.max(this.#time, next.at);
      next.run();
      await turns();
    }
    this.#time = end;
    await turns();
  }
}

/** Lets everything happen that needs no time. */
export async function turns(count = 5): Promise<void> {
  for (let at = 0; at < count; at += 1) await new Promise((resolve) => setImmediate(resolve));
}

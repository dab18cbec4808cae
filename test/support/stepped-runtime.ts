// A runtime in which time passes when a test says so, and whoever slept until then is woken.
import type { Runtime } from '../../daemon/engine/runtime.ts';
import { HandRuntime } from './records.ts';

export class SteppedRuntime extends HandRuntime {
  readonly #sleeping = new Set<{ at: number; wake: () => void }>();
  override sleep: Runtime['sleep'] = (ms, signal) =>
    new Promise((resolve, reject) => {
      const sleeper = { at: this.time + ms, wake: resolve };
      this.#sleeping.add(sleeper);
      const stop = () => {
        this.#sleeping.delete(sleeper);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
    });

  /** When the first wakes; undefined while nobody sleeps for less than `below`. */
  nextIn(below = 60_000): number | undefined {
    const waits = [...this.#sleeping].map(({ at }) => at - this.time).filter((ms) => ms < below);
    return waits.length > 0 ? Math.min(...waits) : undefined;
  }

  pass(ms: number): void {
    this.time += ms;
    for (const sleeper of [...this.#sleeping]) {
      if (sleeper.at > this.time) continue;
      this.#sleeping.delete(sleeper);
      sleeper.wake();
    }
  }
}

// Reads run one behind another in the one thread that also writes and answers: so much of them in one turn of its loop, over
// all connections, and the rest in the next ones, so that nobody waits for all that somebody else asked at once (P8).

/** ms of reads in one turn of the event loop: whoever asks for little is answered behind so much at most, and one read. */
const maxMs = 10;

export class Turn {
  readonly #monotonic: () => number;
  /** ms that the reads of this turn of the loop have taken. */
  #spent = 0;
  #isScheduled = false;
  /** By whom what waits was asked for; who is next first. */
  readonly #waiting = new Map<object, (() => void)[]>();

  /** `monotonic`: ms of a clock that never jumps. */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
  }

  /**
   * Runs a read: at once where there is time left, else in a later turn of the loop. What one (`by`) asked for runs in the
   * order that it was asked in, and of those who wait one read each in turn. Rejects with what it throws.
   */
  run<T>(by: object, read: () => T): Promise<Awaited<T>> {
    return new Promise((resolve, reject) => {
      const act = () => {
        const began = this.#monotonic();
        try {
          resolve(read() as Awaited<T>);
        } catch (error) {
          reject(error);
        }
        this.#spent += this.#monotonic() - began;
      };
      this.#schedule();
      if (this.#hasTime && this.#waiting.size === 0) return act();
      const held = this.#waiting.get(by);
      if (held) held.push(act);
      else this.#waiting.set(by, [act]);
    });
  }

  get #hasTime(): boolean {
    return this.#spent < maxMs;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#next());
  }

  #next(): void {
    this.#isScheduled = false;
    this.#spent = 0;
    while (this.#hasTime && this.#waiting.size > 0) {
      const [by, acts] = this.#waiting.entries().next().value!;
      const act = acts.shift()!;
      // Behind the others.
      this.#waiting.delete(by);
      if (acts.length > 0) this.#waiting.set(by, acts);
      act();
    }
    if (this.#waiting.size > 0 || this.#spent > 0) this.#schedule();
  }
}

// How long to wait before another try: exponential with full jitter, so that those who were cut off together do not come
// back together.

/** The longest wait is drawn from 0 to `baseMs` at first, then from twice as much each time, up to `maxMs`. */
export type BackoffOptions = { baseMs: number; maxMs: number; random: () => number };

/** A socket of this machine: a try costs next to nothing, and a person is watching. */
const forDaemon: BackoffOptions = { baseMs: 100, maxMs: 2_000, random: Math.random };

export class Backoff {
  readonly #options: BackoffOptions;
  #tries = 0;

  constructor(options: Partial<BackoffOptions> = {}) {
    this.#options = { ...forDaemon, ...options };
  }

  /** The wait before the next try, in ms. */
  nextMs(): number {
    const { baseMs, maxMs, random } = this.#options;
    const most = Math.min(maxMs, baseMs * 2 ** this.#tries);
    this.#tries += 1;
    return Math.floor(random() * most);
  }

  /** It works again: the next wait is a first one. */
  reset(): void {
    this.#tries = 0;
  }
}

// Tells that the journal has grown, and nothing else: it carries no data, so nobody can miss any. Whoever waits reads the
// journal first and sleeps without an await in between; a ring behind that read is a ring that it hears.
export class Bell {
  #waiting = new Set<() => void>();

  /** Calls `wake` at the next ring, once. What it returns takes the wait back: nothing of who waited is held then (P18). */
  onRing(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => this.#waiting.delete(wake);
  }

  /** Resolves at the next ring. */
  next(): Promise<void> {
    return new Promise((resolve) => this.onRing(resolve));
  }

  ring(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
  }
}

/** A bell for each key: who waits for one thing is not woken by the others. */
export class KeyedBell {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Calls `wake` at the next ring of the key, once. What it returns takes the wait back. */
  onRing(key: string, wake: () => void): () => void {
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting.add(wake));
    return () => {
      waiting.delete(wake);
      if (waiting.size === 0 && this.#waiting.get(key) === waiting) this.#waiting.delete(key);
    };
  }

  /** Rings the keys given, or all. */
  ring(keys: Iterable<string> = [...this.#waiting.keys()]): void {
    for (const key of keys) {
      const waiting = this.#waiting.get(key);
      this.#waiting.delete(key);
      for (const wake of waiting ?? []) wake();
    }
  }
}

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

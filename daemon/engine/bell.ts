// Tells that the journal has grown, and nothing else: it carries no data, so nobody can miss any. Whoever waits reads the
// journal first and sleeps without an await in between; a ring after that read is a ring of the bell it waits for.
export class Bell {
  #next = newRing();

  /** Resolves at the next ring. */
  next(): Promise<void> {
    return this.#next.promise;
  }

  ring(): void {
    const ring = this.#next;
    this.#next = newRing();
    ring.resolve();
  }
}

function newRing(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

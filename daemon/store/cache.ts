// What the tables keep in memory of records that were touched last, so that a stream of ops on one message loads it once.

/** Entries that stay after a flush. */
const cacheSize = 512;

export class Cache<T> extends Map<string, T> {
  /** Drops the oldest entries; only after a flush, when nothing in them is unsaved. */
  trim(): void {
    for (const id of this.keys()) {
      if (this.size <= cacheSize) return;
      this.delete(id);
    }
  }

  remember<U extends T>(id: string, held: U): U {
    this.set(id, held);
    return held;
  }
}

// What waits to be read, newest first: the session that someone works in now is there before the archive.

export class NewestFirst<T extends { path: string; mtimeMs: number }> {
  readonly #byPath = new Map<string, T>();
  /** Ascending by time. Entries that were replaced stay until they come up. */
  readonly #order: T[] = [];

  get size(): number {
    return this.#byPath.size;
  }

  values(): IterableIterator<T> {
    return this.#byPath.values();
  }

  /** Adds an item; one with its path that waits already is replaced. */
  add(item: T): void {
    this.#byPath.set(item.path, item);
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#order[middle]!.mtimeMs <= item.mtimeMs) low = middle + 1;
      else high = middle;
    }
    this.#order.splice(low, 0, item);
  }

  /** The newest, which goes on waiting until it is removed. */
  peek(): T | undefined {
    for (let item = this.#order.at(-1); item; item = this.#order.at(-1)) {
      if (this.#byPath.get(item.path) === item) return item;
      this.#order.pop();
    }
    return undefined;
  }

  /** Removes this very item: not one that has taken its place meanwhile. */
  remove(item: T): void {
    if (this.#byPath.get(item.path) === item) this.#byPath.delete(item.path);
  }
}

// What waits to be read: newest first, so that the session that someone works in now is there before the archive. Files that
// are one record each come behind, in the order that their source gives them.

export type Queued = { path: string; mtimeMs: number; order: string | undefined };

export class Queue<T extends Queued> {
  readonly #byPath = new Map<string, T>();
  /** The next one last. Items that were replaced or removed stay until they come up. */
  readonly #order: T[] = [];

  get size(): number {
    return this.#byPath.size;
  }

  has(path: string): boolean {
    return this.#byPath.has(path);
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
      if (isBehind(this.#order[middle]!, item)) low = middle + 1;
      else high = middle;
    }
    this.#order.splice(low, 0, item);
  }

  /** The next item whose path is not in `busy`. It goes on waiting, for the counts, until it is removed. */
  next(busy: ReadonlySet<string>): T | undefined {
    const skipped: T[] = [];
    let found: T | undefined;
    for (let item = this.#order.pop(); item && !found; item = found ? undefined : this.#order.pop()) {
      if (this.#byPath.get(item.path) !== item) continue;
      if (busy.has(item.path)) skipped.push(item);
      else found = item;
    }
    this.#order.push(...skipped.reverse());
    return found;
  }

  /** Removes this very item: not one that has taken its place meanwhile. */
  remove(item: T): void {
    if (this.#byPath.get(item.path) === item) this.#byPath.delete(item.path);
  }
}

/** Whether `a` comes after `b`. */
function isBehind(a: Queued, b: Queued): boolean {
  if (a.order === undefined || b.order === undefined) {
    return a.order === b.order ? a.mtimeMs <= b.mtimeMs : a.order !== undefined;
  }
  return a.order > b.order;
}

// How a lasting connection is doing, for those who show it.
//
//   connecting --answered--> catchingUp --every subscription has what there was--> live --a new one starts--> catchingUp
//        ^                        |                                                  |
//        |                        '--------------------- lost -----------------------'
//        '------ next try ----- offline <----------------------'        (offline for good: nextTryAt is null)

/** `since`: ms since the epoch. While there is no connection, when it was lost or first asked for. */
export type ConnectionState =
  | { is: 'connecting'; since: number; attempt: number }
  /** `behind`: how many events of the journal have not come yet, as far as the daemon told; with a filter, at most. */
  | { is: 'catchingUp'; since: number; behind: number }
  | { is: 'live'; since: number; behind: number }
  /** `nextTryAt`: null when it is not tried any more. `error`: why there is no connection; absent after `close`. */
  | { is: 'offline'; since: number; nextTryAt: number | null; attempt: number; error?: unknown };

/** Listeners of one kind. One that throws is heard of as any uncaught error is, and keeps nobody else from being told. */
export class Listeners<T> {
  readonly #all = new Set<(told: T) => void>();

  /** Returns what takes it back. */
  add(listener: (told: T) => void): () => void {
    const own = (told: T) => listener(told);
    this.#all.add(own);
    return () => void this.#all.delete(own);
  }

  tell(told: T): void {
    for (const listener of [...this.#all]) {
      try {
        listener(told);
      } catch (error) {
        throwLater(error);
      }
    }
  }

  clear(): void {
    this.#all.clear();
  }
}

/** Makes a bug of a listener known without ending what called it. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

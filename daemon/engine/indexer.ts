// Keeps the full-text index: one more cursor over the journal, behind the bell, in bounded bites with a turn of the loop
// between them. It lags on purpose while others write: a search that waits makes it hurry (`onReached`).
//
// A damaged index, one of another store, or none, is made anew from the tables: the same walk, from the beginning. A disk
// that cannot be written delays it and stops nothing.
import type { Journal } from '../store/journal.ts';
import type { Db } from '../store/open.ts';
import { indexBytes, isIndexDamage, isStoreError, removeIndex, SearchIndex } from '../store/search-index.ts';
import type { Bell } from './bell.ts';
import type { Runtime } from './runtime.ts';

export type IndexerLimits = {
  /** Stored bytes of one bite; one larger part is still taken whole. Some 2 ms of the event loop. */
  biteBytes: number;
  /** So long nothing must have been written before it goes on, ms; while others write, one bite in `maxDelayMs`. */
  quietMs: number;
  maxDelayMs: number;
  /** After an error of the disk, ms. */
  retryMs: number;
};

export const defaultIndexerLimits: IndexerLimits = {
  biteBytes: 128 * 1024,
  quietMs: 200,
  maxDelayMs: 1_000,
  retryMs: 5_000,
};

export type IndexerDeps = {
  /** The index's file. */
  path: string;
  db: Db;
  journal: Journal;
  bell: Bell;
  runtime: Runtime;
  limits?: Partial<IndexerLimits>;
};

/** Of more than so many bytes the heap is given back afterwards. */
const largeWorkBytes = 16 * 1024 * 1024;

type Waiter = { seq: number; wake: () => void };

export class Indexer {
  readonly #deps: IndexerDeps;
  readonly #limits: IndexerLimits;
  #index: SearchIndex | undefined;
  /** Why it is to be made anew before anything else. */
  #damage: string | undefined;
  /** Up to here removals were followed, or happened before the index was opened; what is pruned behind it was missed. */
  #floor = 0;
  #worked = 0;
  #rung = false;
  readonly #waiters = new Set<Waiter>();
  /** Ends the wait for the bell. */
  #wake: () => void = () => {};
  /** Ends the pause between two bites. */
  #hurry: () => void = () => {};

  constructor(deps: IndexerDeps) {
    this.#deps = deps;
    this.#limits = { ...defaultIndexerLimits, ...deps.limits };
  }

  get bytes(): number {
    return indexBytes(this.#deps.path);
  }

  /** Whether all that was written up to this seq can be found. */
  hasReached(seq: number): boolean {
    return this.#index !== undefined && this.#damage === undefined && this.#index.seq >= seq;
  }

  /** Calls `wake` once `hasReached` holds, and lets the index hurry. What it returns takes the wait back. */
  onReached(seq: number, wake: () => void): () => void {
    const waiter = { seq, wake };
    this.#waiters.add(waiter);
    this.#hurry();
    return () => this.#waiters.delete(waiter);
  }

  /** Makes the index anew: a reader found that it is damaged. */
  remake(reason: string): void {
    this.#damage = reason;
    this.#wake();
    this.#hurry();
  }

  /** Runs until the signal fires; the index is closed then. Rejects only for bugs. */
  async run(signal: AbortSignal): Promise<void> {
    let unhear = () => {};
    const hear = () => {
      unhear = this.#deps.bell.onRing(hear);
      this.#rung = true;
      this.#wake();
    };
    unhear = this.#deps.bell.onRing(hear);
    const stop = () => {
      this.#wake();
      this.#hurry();
    };
    signal.addEventListener('abort', stop);
    try {
      while (!signal.aborted) await this.#step(signal);
    } finally {
      signal.removeEventListener('abort', stop);
      unhear();
      this.#close();
    }
  }

  async #step(signal: AbortSignal): Promise<void> {
    try {
      if (this.#rung) await this.#quiet(signal);
      if (!signal.aborted) await this.#advance(signal);
    } catch (error) {
      // One that was made anew and is damaged at once is no index: something is wrong with the disk, or with the store.
      if (isIndexDamage(error) && this.#index !== undefined && this.#index.seq > 0) {
        this.#damage = String(error);
        return;
      }
      if (!isStoreError(error)) throw error;
      this.#deps.runtime.log.error({ err: error }, 'the search index could not be written; it is tried again');
      this.#close();
      await this.#pause(this.#limits.retryMs, signal);
    }
  }

  /** One bite; at head, until the bell rings. */
  async #advance(signal: AbortSignal): Promise<void> {
    const index = this.#open();
    await this.#sweepMissed(index, signal);
    const bite = index.read(this.#limits.biteBytes);
    if (!bite) {
      this.#rest(index);
      this.#tell(index);
      // No await between the read and this line: a ring in between would be missed.
      return this.#nextRing(signal);
    }
    for (const session of bite.removedFrom) await this.#sweep(index, session, signal);
    if (signal.aborted) return;
    index.put(bite);
    this.#worked += bite.bytes;
    this.#tell(index);
    await nextTurn();
  }

  #open(): SearchIndex {
    const { path, db, journal, runtime } = this.#deps;
    if (this.#damage !== undefined) {
      this.#close();
      removeIndex(path);
      runtime.log.warn({ because: this.#damage }, 'the search index was damaged');
      this.#damage = undefined;
    }
    if (this.#index) return this.#index;
    this.#index = new SearchIndex(path, db, journal);
    this.#floor = journal.floorSeq;
    const because = this.#index.madeBecause;
    if (because !== undefined) runtime.log.info({ because }, 'the search index is made anew');
    return this.#index;
  }

  #close(): void {
    this.#index?.close();
    this.#index = undefined;
  }

  /** Retention has passed the index: what was removed there is looked for in the tables, since no event tells it. */
  async #sweepMissed(index: SearchIndex, signal: AbortSignal): Promise<void> {
    const { floorSeq } = this.#deps.journal;
    if (floorSeq <= Math.max(index.seq, this.#floor)) return;
    for (let key = index.nextSession(0); key !== undefined && !signal.aborted; key = index.nextSession(key)) {
      await this.#sweep(index, key, signal);
    }
    this.#floor = floorSeq;
  }

  async #sweep(index: SearchIndex, session: number, signal: AbortSignal): Promise<void> {
    let from = index.sweep(session);
    while (from && !signal.aborted) {
      await nextTurn();
      from = index.sweep(session, from);
    }
  }

  #tell(index: SearchIndex): void {
    for (const waiter of [...this.#waiters]) {
      if (waiter.seq > index.seq || this.#damage !== undefined) continue;
      this.#waiters.delete(waiter);
      waiter.wake();
    }
  }

  #rest(index: SearchIndex): void {
    if (this.#worked === 0) return;
    index.rest();
    if (this.#worked > largeWorkBytes) this.#deps.runtime.releaseMemory();
    this.#worked = 0;
  }

  #nextRing(signal: AbortSignal): Promise<void> {
    if (this.#damage !== undefined || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Until nothing was written for a moment, or somebody waits for the index, or it has waited long enough. */
  async #quiet(signal: AbortSignal): Promise<void> {
    const { runtime } = this.#deps;
    const until = runtime.monotonic() + this.#limits.maxDelayMs;
    do {
      this.#rung = false;
      if (this.#waiters.size === 0) await this.#pause(this.#limits.quietMs, signal);
    } while (this.#rung && this.#waiters.size === 0 && !signal.aborted && runtime.monotonic() < until);
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const timer = new AbortController();
    this.#hurry = () => timer.abort();
    if (signal.aborted) return;
    try {
      await this.#deps.runtime.sleep(ms, timer.signal);
    } catch {
      // somebody waits, or the daemon stops
    } finally {
      this.#hurry = () => {};
    }
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

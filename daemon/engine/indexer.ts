// Keeps the full-text index: one more cursor over the journal, behind the bell, in bounded bites with a turn of the loop
// between them. It lags on purpose while others write: a search that waits makes it hurry (`onReached`).
//
// A damaged index, one of another store, or none, is made anew from the tables: the same walk, from the beginning. A disk
// that cannot be written and a store that cannot be read delay it and stop nothing.
import { parseCursor } from '../../protocol/cursor.ts';
import type { Journal } from '../store/journal.ts';
import type { Db } from '../store/open.ts';
import type { IndexFault } from '../store/search-fault.ts';
import { indexFault, isIndexDamage } from '../store/search-fault.ts';
import { indexBytes, removeIndex, SearchIndex } from '../store/search-index.ts';
import type { Bell } from './bell.ts';
import type { Runtime } from './runtime.ts';

export type IndexerLimits = {
  /** Stored bytes of one bite; one larger part is still taken whole. Some 2 ms of the event loop. */
  biteBytes: number;
  /** So long nothing must have been written before it goes on, ms; while others write, one bite in `maxDelayMs`. */
  quietMs: number;
  maxDelayMs: number;
  /** After an error, and between two remakes, ms; twice as long after each, up to `maxRetryMs`. So long all must be well. */
  retryMs: number;
  maxRetryMs: number;
};

export const defaultIndexerLimits: IndexerLimits = {
  biteBytes: 128 * 1024,
  quietMs: 200,
  maxDelayMs: 1_000,
  retryMs: 5_000,
  maxRetryMs: 60_000,
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

/** What a reader that begins now will find: the index made for the so-many-th time, at least up to `seq`. */
export type IndexPlace = { made: number; seq: number };

export class Indexer {
  readonly #deps: IndexerDeps;
  readonly #limits: IndexerLimits;
  #index: SearchIndex | undefined;
  #made = 0;
  /** Why it is to be made anew before anything else. */
  #damage: string | undefined;
  /** Why the last try failed. */
  #fault: IndexFault | undefined;
  /** What of it was logged, until all is well. */
  #told: string | undefined;
  /** Errors and remakes, until all was well for a while; since when it is, on the monotonic clock. */
  #setbacks: { count: number; wellSince: number | undefined } = { count: 0, wellSince: undefined };
  #isDelayed = false;
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

  /** Whether it rests after an error or a remake: no wait is worth while. */
  get isDelayed(): boolean {
    return this.#isDelayed;
  }

  /** Why the index cannot be written for now; undefined when it can, or nothing is known yet. */
  get fault(): IndexFault | undefined {
    return this.#fault?.what === 'index' ? this.#fault : undefined;
  }

  get place(): IndexPlace {
    return { made: this.#made, seq: this.#index?.seq ?? 0 };
  }

  /** Why an index that was read since `place` was taken, and is at `cursor`, is not the one that is written here, if so. */
  strangerAt(cursor: string, place: IndexPlace): string | undefined {
    const { storeId, seq } = parseCursor(cursor) ?? {};
    if (place.made !== this.#made) return 'it was made anew meanwhile';
    const newest = this.#index?.seq ?? this.#deps.journal.head.seq;
    const isOurs = storeId === this.#deps.journal.storeId && seq !== undefined && seq >= place.seq && seq <= newest;
    return isOurs ? undefined : 'another index was put in its place';
  }

  /** Calls `wake` once `hasReached` holds or `isDelayed` begins, and lets the index hurry. What it returns takes it back. */
  onReached(seq: number, wake: () => void): () => void {
    const waiter = { seq, wake };
    this.#waiters.add(waiter);
    this.#hurry();
    return () => this.#waiters.delete(waiter);
  }

  /** Makes the index anew: a reader found it damaged at that place. Nothing is done when it was made anew since. */
  remake(reason: string, { made }: IndexPlace): void {
    if (made !== this.#made) return;
    this.#damage ??= reason;
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
      if (this.#damage !== undefined || this.#fault !== undefined) await this.#backOff(signal);
      if (!signal.aborted) await this.#advance(signal);
    } catch (error) {
      if (this.#index !== undefined && isIndexDamage(error)) {
        this.#damage = String(error);
        return;
      }
      this.#fault = indexFault(error, this.#deps.path);
      if (this.#fault === undefined) throw error;
      if (this.#fault.what === 'index') this.#close();
      if (this.#told !== this.#fault.message) this.#deps.runtime.log.error({ err: error }, this.#fault.message);
      this.#told = this.#fault.message;
    }
  }

  /** Between two tries; before the first remake none. Nothing ends it early: a try may read the whole store. */
  async #backOff(signal: AbortSignal): Promise<void> {
    const { runtime } = this.#deps;
    const { retryMs, maxRetryMs } = this.#limits;
    const { count, wellSince } = this.#setbacks;
    const before = wellSince !== undefined && runtime.monotonic() - wellSince >= maxRetryMs ? 0 : count;
    this.#setbacks = { count: before + 1, wellSince: undefined };
    const ms = Math.min(retryMs * 2 ** before, maxRetryMs);
    if (ms === 0 || (before === 0 && this.#fault === undefined)) return;
    this.#isDelayed = true;
    for (const waiter of this.#waiters) this.#release(waiter);
    await runtime.sleep(ms, signal).catch(() => {}); // the daemon stops
    this.#isDelayed = false;
  }

  /** One bite; at head, until the bell rings. */
  async #advance(signal: AbortSignal): Promise<void> {
    const index = this.#open();
    await this.#sweepMissed(index, signal);
    const bite = index.read(this.#limits.biteBytes);
    this.#fault = undefined;
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
    this.#made += 1;
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
      if (waiter.seq <= index.seq && this.#damage === undefined) this.#release(waiter);
    }
  }

  #release(waiter: Waiter): void {
    this.#waiters.delete(waiter);
    waiter.wake();
  }

  #rest(index: SearchIndex): void {
    this.#told = undefined;
    const { runtime } = this.#deps;
    this.#setbacks.wellSince ??= runtime.monotonic();
    if (this.#worked === 0) return;
    index.rest();
    if (this.#worked > largeWorkBytes) runtime.releaseMemory();
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

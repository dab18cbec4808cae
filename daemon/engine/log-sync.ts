// When a commit's fsync is waited for, and how. On a disk that does it within two milliseconds the event loop waits: to leave it
// to a thread and come back costs up to as much. On a slower one the loop goes on, and what is read meanwhile is what was there before.
import type { Journal } from '../store/journal.ts';
import type { WriteAhead } from '../store/write-ahead.ts';
import type { Runtime } from './runtime.ts';

/** An fsync may hold the event loop so long, ms. */
const maxHeldMs = 2;

export class LogSync {
  readonly #log: WriteAhead;
  readonly #journal: Journal;
  readonly #runtime: Pick<Runtime, 'monotonic'>;
  readonly #onRows: (rows: number) => void;
  /** The last one took longer. */
  #isSlow = false;

  /** `onRows` is told how many rows were committed. */
  constructor(log: WriteAhead, journal: Journal, runtime: Pick<Runtime, 'monotonic'>, onRows: (rows: number) => void) {
    this.#log = log;
    this.#onRows = onRows;
    this.#journal = journal;
    this.#runtime = runtime;
  }

  /** Before a transaction, or several of which nobody hears before all are on the disk. */
  begin(): void {
    if (this.#isSlow) this.#log.pin();
  }

  /** Calls `done` once they are on the disk: at once, or later; or `failed`, after which nothing may be written (P11). */
  end(done: () => void, failed: (error: unknown) => void): void {
    const start = this.#runtime.monotonic();
    const synced = () => {
      if (rows > 0) this.#isSlow = this.#runtime.monotonic() - start > maxHeldMs;
      this.#log.release();
      this.#journal.release();
      this.#onRows(rows);
      done();
    };
    const rows = this.#log.unsynced;
    if (rows > 0 && this.#isSlow) {
      this.#journal.hold();
      this.#log.hold();
      this.#log.sync().then(synced, failed);
      return;
    }
    try {
      if (rows > 0) this.#log.syncNow();
    } catch (error) {
      failed(error);
      return;
    }
    synced();
  }
}

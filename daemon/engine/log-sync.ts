// When a commit's fsync is waited for, and how. On a disk that does it within two milliseconds the event loop waits: to leave it
// to a thread and come back took 0.13 ms more where it took 0.30. On a slower one the loop goes on, and what is read meanwhile is
// what was there before.
import type { Journal } from '../store/journal.ts';
import type { WriteAhead } from '../store/write-ahead.ts';
import type { Runtime } from './runtime.ts';

/** An fsync may hold the event loop so long, ms. */
const maxHeldMs = 2;

/** Told how many rows were committed, and how long the log is, in bytes. The next commit waits for what it gives. */
export type MakeRoom = (rows: number, bytes: number) => Promise<void> | undefined;

export class LogSync {
  readonly #log: WriteAhead;
  readonly #journal: Journal;
  readonly #runtime: Pick<Runtime, 'monotonic'>;
  readonly #makeRoom: MakeRoom;
  /** The last one took longer. */
  #isSlow = false;
  #arriving: Promise<void> | undefined;

  constructor(log: WriteAhead, journal: Journal, runtime: Pick<Runtime, 'monotonic'>, makeRoom: MakeRoom) {
    this.#log = log;
    this.#makeRoom = makeRoom;
    this.#journal = journal;
    this.#runtime = runtime;
  }

  /** Before a transaction, or several of which nobody hears before all are on the disk. */
  begin(): void {
    if (!this.#isSlow) return;
    try {
      this.#log.pin();
    } catch {
      // Out of descriptors, or the store is gone: the commit itself tells, and the loop waits for this one.
      this.#isSlow = false;
    }
  }

  /** While a commit is on its way: resolves when it has arrived, rejects when it never will. */
  get arriving(): Promise<void> | undefined {
    return this.#arriving;
  }

  /**
   * Calls `done` once they are on the disk, at once or later, with what the next transaction is to wait for, if anything; or
   * `failed`, after which nothing may be written (P11).
   */
  end(done: (room: Promise<void> | undefined) => void, failed: (error: unknown) => void): void {
    const start = this.#runtime.monotonic();
    const rows = this.#log.unsynced;
    const synced = () => {
      if (rows > 0) this.#isSlow = this.#runtime.monotonic() - start > maxHeldMs;
      this.#arriving = undefined;
      this.#log.release();
      this.#journal.release();
      done(rows > 0 ? this.#makeRoom(rows, this.#log.bytes) : undefined);
    };
    if (rows > 0 && this.#isSlow) {
      this.#journal.hold();
      this.#log.hold();
      const arriving = this.#log.sync();
      arriving.then(synced, failed);
      // Behind `synced`: who waits for it sees what has arrived.
      this.#arriving = arriving.then();
      this.#arriving.catch(() => {}); // maybe nobody waits
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

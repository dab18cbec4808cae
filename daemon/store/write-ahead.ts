// The write-ahead log of a store: brought to the disk by us and not by SQLite, so that it can be done while the event loop goes
// on. Meanwhile all that is read is what was there before the commit: nobody may see what a loss of power would take back (P10).
import { closeSync, fdatasync, fdatasyncSync, fstatSync, openSync } from 'node:fs';
import Database from 'better-sqlite3';
import type { Db } from './open.ts';

/** A connection inside a transaction that only reads; `users`: others who read there. */
type Pinned = { db: Db; users: number };
export type Shown = { db: Db; close(): void };
type Read = (...values: unknown[]) => unknown;

export class WriteAhead {
  readonly #path: string;
  readonly #log: number;
  readonly #changes;
  #syncedChanges: number;
  /** Reads while a commit is on its way to the disk. Opened by the first that takes long. */
  #before: Pinned | undefined;
  #isPinned = false;
  #isHeld = false;
  #isClosed = false;

  /** `db` writes, with synchronous=NORMAL; its log lies at `logPath`. What is prepared from here on reads as said above. */
  constructor(db: Db, path: string, logPath: string) {
    this.#path = path;
    this.#changes = db.prepare('SELECT total_changes()').pluck();
    // Our own descriptor: SQLite has no lock on this file that closing it could release, and each tells its own I/O errors.
    this.#log = openSync(logPath, 'r');
    fdatasyncSync(this.#log);
    this.#syncedChanges = this.#changed;
    const prepare = db.prepare.bind(db);
    db.prepare = ((sql: string) => this.#readingBoth(prepare(sql), sql)) as typeof db.prepare;
  }

  /** Rows that were changed since the last sync; pages that were only moved do not count. */
  get unsynced(): number {
    return this.#changed - this.#syncedChanges;
  }

  /** Of the log's file: what it holds, or has held before it was begun anew. */
  get bytes(): number {
    return fstatSync(this.#log).size;
  }

  /** Before a commit that is to be held: keeps what there is now to be read. Throws SQLite's error where it cannot be opened. */
  pin(): void {
    this.#before ??= { db: new Database(this.#path, { readonly: true }), users: 0 };
    beginReading(this.#before.db);
    this.#isPinned = true;
  }

  /** From here until `release` everything is read as it was pinned. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    if (!this.#isPinned) return;
    this.#isPinned = false;
    if (this.#before!.users === 0) this.#before!.db.exec('COMMIT');
    // Somebody reads on: it is theirs now, and stays where it stands.
    else this.#before = undefined;
  }

  /**
   * A connection that stays at what is to be read now, whatever is committed meanwhile; `close` gives it back. Not for long: while
   * it is there the log cannot be begun anew.
   */
  openShown(): Shown {
    if (this.#isHeld) return this.#lend(this.#before!);
    const db = new Database(this.#path, { readonly: true });
    beginReading(db);
    return { db, close: () => void db.close() };
  }

  #lend(pinned: Pinned): Shown {
    pinned.users += 1;
    let isOpen = true;
    const close = () => {
      if (!isOpen) return;
      isOpen = false;
      pinned.users -= 1;
      if (pinned.users === 0 && pinned !== this.#before) pinned.db.close();
    };
    return { db: pinned.db, close };
  }

  /** Returns when everything that was committed is on the disk. Throws Node's error; then nothing is known of it (fsyncgate). */
  syncNow(): void {
    const changed = this.#changed;
    fdatasyncSync(this.#log);
    this.#syncedChanges = changed;
  }

  /** As syncNow, and the event loop goes on. */
  async sync(): Promise<void> {
    const changed = this.#changed;
    await new Promise<void>((resolve, reject) => {
      fdatasync(this.#log, (error) => (error ? reject(error) : resolve()));
    });
    this.#syncedChanges = changed;
  }

  /** Before the store's own close: who closes last puts all of the log into the file. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#before?.db.close();
    closeSync(this.#log);
  }

  get #changed(): number {
    return this.#changes.get() as number;
  }

  #readingBoth(statement: Database.Statement, sql: string): Database.Statement {
    if (!statement.reader || !statement.readonly) return statement;
    const changes: ((other: Database.Statement) => void)[] = [];
    let other: Database.Statement | undefined;
    const otherOne = () => {
      const { db } = this.#before!;
      if (other?.database === db) return other;
      other = db.prepare(sql);
      for (const change of changes) change(other);
      return other;
    };
    for (const name of ['get', 'all', 'iterate'] as const) {
      const own = statement[name].bind(statement) as Read;
      statement[name] = ((...values: unknown[]) =>
        this.#isHeld ? (otherOne()[name] as Read)(...values) : own(...values)) as never;
    }
    for (const name of ['pluck', 'raw'] as const) {
      const own = statement[name].bind(statement);
      statement[name] = ((toggle = true) => {
        changes.push((each) => each[name](toggle));
        own(toggle);
        return statement;
      }) as never;
    }
    return statement;
  }
}

/** Begins a transaction that only reads. Its moment is that of the first read. */
function beginReading(db: Db): void {
  // One whose first read failed has begun already.
  if (!db.inTransaction) db.exec('BEGIN');
  db.prepare('SELECT 1 FROM store').get();
}

// The floor of every durable append: bare event rows through better-sqlite3 alone. Columns and texts are as long as ours;
// no index, no tables, no ledger, nobody asks for it.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { StoredRow } from './part-put.ts';

export class BareRows {
  readonly #db: Database.Database;
  readonly #insert: Database.Statement;
  readonly #row: StoredRow;
  #seq = 0;

  /** `row`: an event as our store holds it; every bare row is one like it. */
  constructor(folder: string, row: StoredRow) {
    this.#row = row;
    this.#db = new Database(join(folder, 'floor.db'));
    this.#db.pragma('journal_mode = WAL');
    this.#db.pragma('synchronous = FULL');
    this.#db.exec(`
      CREATE TABLE event (
        seq INTEGER PRIMARY KEY, session INTEGER NOT NULL, version INTEGER NOT NULL, type TEXT NOT NULL,
        at INTEGER NOT NULL, occurred_at INTEGER, actor INTEGER NOT NULL, op_id TEXT NOT NULL, op_last INTEGER NOT NULL,
        tag INTEGER NOT NULL, json TEXT NOT NULL
      ) STRICT`);
    this.#insert = this.#db.prepare('INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  }

  /** One transaction of `count` rows, on disk when this returns. */
  commit(count: number): void {
    const { type, at, opId, json } = this.#row;
    this.#db.exec('BEGIN IMMEDIATE');
    for (let n = 0; n < count; n += 1) {
      this.#seq += 1;
      this.#insert.run(this.#seq, 1, this.#seq, type, at, null, 1, opId, this.#seq, 7_654_321, json);
    }
    this.#db.exec('COMMIT');
  }

  close(): void {
    this.#db.close();
  }
}

// Where in the ledger an op id stands. Clients choose op ids at random, so that an index of them is written all over: the keys of
// the last ops are held in memory, and brought to the index in the order of its keys, a slice of neighbours at a time.
import type { Db } from './open.ts';

/** Keys that are gathered before they are brought to the index, together. A start reads up to twice as many: 32,768 took 42 ms. */
const maxRecent = 8_192;
/** Keys in one slice, and ops between two of them: a generation is gone before the next is full. */
const sliceKeys = 512;
const sliceOps = 256;

type Generation = { keys: Map<number, number>; sorted: number[]; next: number; through: number };

export class OpKeys {
  readonly #sql;
  readonly #maxRecent: number;
  /** Of the ops behind those of the generation: key to entry. */
  #recent = new Map<number, number>();
  /** Those that are on their way to the index. */
  #leaving: Generation | undefined;
  #opsSinceSlice = 0;

  constructor(db: Db, limit = maxRecent) {
    this.#maxRecent = limit;
    this.#sql = {
      find: db.prepare('SELECT entry FROM ledger_key WHERE op_key = ?').pluck(),
      // By the rows that are there: what a rollback took back is not brought to the index.
      addSlice: db.prepare(`
        INSERT OR IGNORE INTO ledger_key SELECT l.op_key, l.entry FROM json_each(?) j JOIN ledger l ON l.entry = j.value`),
      recent: db.prepare('SELECT op_key, entry FROM ledger WHERE entry > (SELECT ledger_keyed FROM store)').raw(),
      addOne: db.prepare(`
        INSERT OR IGNORE INTO ledger_key SELECT op_key, entry FROM ledger WHERE entry = ? AND op_key = ?`),
      dropAll: db.prepare('DELETE FROM ledger_key'),
      last: db.prepare('SELECT ifnull(max(entry), 0) FROM ledger').pluck(),
      keyed: db.prepare('UPDATE store SET ledger_keyed = ?'),
      drop: db.prepare(`
        DELETE FROM ledger_key WHERE (op_key, entry) IN
          (SELECT op_key, entry FROM (SELECT op_key, entry, at FROM ledger ORDER BY entry LIMIT $limit) WHERE at < $time)`),
    };
    this.reset();
  }

  /** Entries that may be of the key; also some that are of another by now, or of none. */
  find(key: number): number[] {
    const entries = this.#sql.find.all(key) as number[];
    for (const keys of [this.#recent, this.#leaving?.keys]) {
      const entry = keys?.get(key);
      if (entry !== undefined) entries.push(entry);
    }
    return entries;
  }

  /** A row was put into the ledger. */
  add(key: number, entry: number): void {
    // Memory holds one entry for a key. That one may be of an op that a savepoint took back.
    const held = this.#recent.get(key);
    if (held !== undefined) this.#sql.addOne.run(held, key);
    this.#recent.set(key, entry);
    this.#opsSinceSlice += 1;
  }

  /** Brings what is due to the index. The last of a transaction's writes to the ledger. */
  flush(): void {
    // What the transaction before this one brought there is on the disk: else `reset` would have been called.
    if (this.#leaving && this.#leaving.next >= this.#leaving.sorted.length) this.#leaving = undefined;
    if (!this.#leaving && this.#recent.size >= this.#maxRecent) this.#begin();
    while (this.#leaving && this.#opsSinceSlice >= sliceOps) this.#bring(this.#leaving);
    if (!this.#leaving) this.#opsSinceSlice = 0;
  }

  /** Before rows that are older than `time` are pruned, of the first `limit`. Only inside the transaction that does it. */
  drop(time: number, limit: number): void {
    this.#sql.drop.run({ time, limit });
  }

  /** After rows were pruned: where none is left, entries are counted from the beginning again. */
  dropped(): void {
    if ((this.#sql.last.get() as number) > 0) return;
    this.#sql.keyed.run(0);
    this.#sql.dropAll.run();
    this.#recent.clear();
    this.#leaving = undefined;
  }

  /** Back to what the store holds, after a rollback. */
  reset(): void {
    this.#recent = new Map(this.#sql.recent.all() as [number, number][]);
    this.#leaving = undefined;
  }

  #begin(): void {
    const keys = this.#recent;
    this.#recent = new Map();
    // Asked, since memory may know of entries that a savepoint took back and the next op will have.
    const through = this.#sql.last.get() as number;
    const sorted = [...keys.keys()].sort((a, b) => a - b);
    this.#leaving = { keys, sorted, next: 0, through };
  }

  #bring(leaving: Generation): void {
    const { keys, sorted, next, through } = leaving;
    const slice = sorted.slice(next, next + sliceKeys);
    this.#sql.addSlice.run(JSON.stringify(slice.map((key) => keys.get(key))));
    leaving.next = next + sliceKeys;
    this.#opsSinceSlice -= sliceOps;
    if (leaving.next < sorted.length) return;
    this.#sql.keyed.run(through);
    this.#opsSinceSlice = 0;
  }
}

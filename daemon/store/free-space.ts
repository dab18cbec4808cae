// Pages of the store that nothing uses any more, given back to the disk a few at a time (auto_vacuum is INCREMENTAL: a
// VACUUM would write the whole store anew, while nobody else could write).
import type { Db } from './open.ts';

export class FreeSpace {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Bytes of the store that are free. */
  get bytes(): number {
    return this.#number('freelist_count') * this.#number('page_size');
  }

  /** Cuts at most `pages` free pages off. Only inside a transaction. */
  release(pages: number): void {
    this.#db.pragma(`incremental_vacuum(${pages})`);
  }

  /** Shortens the file to what it holds. Waits for nobody: where somebody reads, the next checkpoint does it. */
  shorten(): void {
    this.#db.pragma('wal_checkpoint(PASSIVE)');
  }

  #number(pragma: string): number {
    return this.#db.pragma(pragma, { simple: true }) as number;
  }
}

// Copies what the write-ahead log holds back into the store, on a connection of its own, while others read and write.
import Database from 'better-sqlite3';
import type { Db } from './open.ts';

/** So often what came while it copied is copied too: then the writer begins the log anew. */
const maxRounds = 4;

export class Checkpointer {
  readonly #db: Db;

  /** `path`: of the store, which another connection of this process holds open. */
  constructor(path: string) {
    this.#db = new Database(path, { fileMustExist: true });
    this.#db.pragma('synchronous = NORMAL');
  }

  /** Why it could not be done, if it could not: the log stays as it is then, and is copied the next time. */
  run(): string | undefined {
    try {
      for (let round = 0; round < maxRounds; round += 1) {
        const [{ log, checkpointed }] = this.#db.pragma('wal_checkpoint(PASSIVE)') as [Record<string, number>];
        if (log === checkpointed) break;
      }
      return undefined;
    } catch (error) {
      return String(error);
    }
  }
}

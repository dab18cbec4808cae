// A disk that is full: each commit fails as SQLite tells it, and nothing of it is there.
import Database from 'better-sqlite3';
import type { Db } from '../../daemon/store/open.ts';

/** From here nothing can be written; gives what makes room again. */
export function fillDisk(db: Db): () => void {
  const exec = db.exec.bind(db);
  db.exec = (sql) => {
    if (sql === 'COMMIT') throw new Database.SqliteError('database or disk is full', 'SQLITE_FULL');
    return exec(sql);
  };
  return () => {
    db.exec = exec;
  };
}

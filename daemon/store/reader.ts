// The tables as they stand at one moment, whatever is written meanwhile. On a connection of its own: what is read in turns
// of the event loop between which others write must still be of one version.
import Database from 'better-sqlite3';
import { Journal } from './journal.ts';
import { Lists } from './lists.ts';

export type Reader = { lists: Lists; close(): void };

/**
 * Opens the store at `path` for reading at this moment. While it is open the write-ahead log cannot be emptied, so it must
 * be closed soon, whatever a client does.
 */
export function openReader(path: string): Reader {
  const db = new Database(path, { readonly: true });
  try {
    db.exec('BEGIN');
    // The moment is that of the first read, which this constructor makes.
    return { lists: new Lists(db, new Journal(db)), close: () => void db.close() };
  } catch (error) {
    db.close();
    throw error;
  }
}

// What goes wrong with the index: it is damaged or somebody else's, and made anew; it cannot be written; or it is the store
// that cannot be read, which no new index mends.
import Database from 'better-sqlite3';
import { storeFault } from './open.ts';
import { systemCode } from './system-code.ts';

/** Whether an index that gave this error is to be made anew, and not the disk to be blamed. */
export function isIndexDamage(error: unknown): boolean {
  if (!(error instanceof Database.SqliteError)) return false;
  if (/^SQLITE_(CORRUPT|NOTADB|CANTOPEN|IOERR_SHORT_READ|SCHEMA)/.test(error.code)) return true;
  return /^no such (table|column)/.test(error.message);
}

/** The store could not be read, which no new index mends. */
export class StoreReadError extends Error {}

/** What `run` reads from the store: its errors are told apart from those of the index. */
export function ofStore<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    // A damaged page may also be read as a text that is none.
    if (!(error instanceof Database.SqliteError || error instanceof SyntaxError)) throw error;
    throw new StoreReadError(`the store could not be read: ${String(error)}`, { cause: error });
  }
}

export type IndexFault = { what: 'store' | 'index'; reason: 'full' | 'readOnly'; message: string };

/** Why indexing cannot go on for now, with what to do; undefined for what is a bug. */
export function indexFault(error: unknown, path: string): IndexFault | undefined {
  const told = error instanceof Error ? error.message : String(error);
  if (error instanceof StoreReadError) {
    const advice = 'put a backup of the store in its place; until then what is new is not found';
    return { what: 'store', reason: 'readOnly', message: `${told}: ${advice}` };
  }
  const isSqlite = error instanceof Database.SqliteError;
  const code = codeOf(error);
  if (!isSqlite && !(error instanceof Error && 'syscall' in error)) return undefined;
  const isFull = storeFault(error) === 'full' || /^(ENOSPC|EDQUOT)$/.test(code);
  const advice = isFull ? 'make room on the disk' : 'move away what lies there, it is made anew';
  const message = `the search index ${path} cannot be written (${code}: ${told}): ${advice}`;
  return { what: 'index', reason: isFull ? 'full' : 'readOnly', message };
}

/** Whether the file is somebody else's: it goes, as one that is damaged. */
export function isDenied(error: unknown): boolean {
  return /^(EPERM|EACCES|SQLITE_(READONLY|PERM|AUTH).*)$/.test(codeOf(error));
}

function codeOf(error: unknown): string {
  return systemCode(error);
}

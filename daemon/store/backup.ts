// store/backup: the whole store as it stands at one moment, in a file of its own, made while others write. It holds the
// write-ahead log back while it runs, and nobody else.
import { closeSync, existsSync, lstatSync, openSync, readSync, realpathSync, statfsSync, statSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import Database from 'better-sqlite3';
import { formatCursor } from '../../protocol/cursor.ts';
import { RefusedError, refuse, refuseParams } from '../../protocol/errors.ts';
import { copyStore, partialName, removePartial } from './durable.ts';
import { Journal } from './journal.ts';
import { storeFault } from './open.ts';

/** `bytes`: of the file; `head`: of the store as it is in it. */
export type Backup = { path: string; bytes: number; head: string };

/**
 * Copies the store at `store` to `path`, where nothing may be. Throws RefusedError for what whoever asked can put right, and
 * what is wrong with the store itself as SQLite tells it; nothing is left then. Returns when the copy is on the disk.
 */
export function backUp(store: string, path: string): Backup {
  try {
    checkPlace(store, path);
  } catch (error) {
    throw refusalOf(error, path) ?? error;
  }
  const db = new Database(store, { readonly: true, fileMustExist: true });
  try {
    const head = copyStore(db, path, headOf)!;
    return { path, bytes: statSync(path).size, head };
  } catch (error) {
    throw refusalOf(error, path) ?? error;
  } finally {
    db.close();
  }
}

function checkPlace(store: string, path: string): void {
  if (!isAbsolute(path)) throw badPath(`the path must be absolute, and ${path} is not`);
  if (lstatSync(path, { throwIfNoEntry: false })) throw isThere(path);
  const folder = dirname(path);
  let real: string;
  try {
    real = realpathSync(folder);
  } catch (error) {
    throw badPath(`the folder ${folder} is not there (${codeOf(error)}): make it, or name another`);
  }
  // Names beside the store mean something to SQLite and to sessiond.
  if (real === dirname(realpathSync(store))) {
    throw badPath(`${folder} is the store's own folder: name another, such as ${folder}/backups`);
  }
  if (!clearPartial(path)) throw isThere(partialName(path));
}

/** What a backup to `path` that was killed has left goes. False: somebody else has something there, and it stays. */
export function clearPartial(path: string): boolean {
  const partial = partialName(path);
  const found = lstatSync(partial, { throwIfNoEntry: false });
  if (!found) return true;
  if (!found.isFile() || !beginsAsCopy(partial)) return false;
  removePartial(path);
  return true;
}

function beginsAsCopy(partial: string): boolean {
  const fd = openSync(partial, 'r');
  try {
    const begin = Buffer.alloc(16);
    const length = readSync(fd, begin);
    return length === 0 || begin.toString('latin1') === 'SQLite format 3\0';
  } finally {
    closeSync(fd);
  }
}

function headOf(copy: string): string {
  const db = new Database(copy, { readonly: true });
  try {
    return formatCursor(new Journal(db).head);
  } finally {
    db.close();
  }
}

/** The store was only read, so that what cannot be written is the copy. */
function refusalOf(error: unknown, path: string): RefusedError | undefined {
  const code = codeOf(error);
  const folder = dirname(path);
  if (/^(ENOSPC|EDQUOT|SQLITE_FULL)$/.test(code)) {
    const { bavail, bsize } = statfsSync(folder);
    const free = bavail * bsize;
    const message = `the disk of ${folder} is full (${free} bytes are free): make room there, or back up to another disk`;
    return new RefusedError(refuse('LimitExceeded', message, { limit: free, what: `bytes free in ${folder}` }));
  }
  if (code === 'EEXIST') return isThere(existsSync(path) ? path : partialName(path));
  const isOfCopy = /^SQLITE_(CANTOPEN|IOERR_(WRITE|FSYNC|TRUNCATE|FSTAT|CLOSE))/.test(code);
  if (!isOfCopy && storeFault(error) !== 'readOnly' && !/^E[A-Z]+$/.test(code)) return undefined;
  return badPath(`${path} cannot be written (${code}): name another place`);
}

function isThere(path: string): RefusedError {
  const message = `${path} is there already, and a backup overwrites nothing: name another file, or move that away`;
  return new RefusedError(refuse('AlreadyExists', message, { what: 'file', id: path }));
}

function badPath(message: string): RefusedError {
  return new RefusedError(refuseParams(message, { member: 'path' }));
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code);
}

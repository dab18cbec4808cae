// Files that must be whole and on the disk, or not be there at all.
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Db } from './open.ts';

/** What a copy is called until it is whole. */
export const partialName = (path: string) => `${path}.partial`;

/** Returns when what was written to the file, or made and renamed in the folder, is on the disk. */
export function syncPath(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Renames and returns when that is on the disk; both in one folder. */
export function renameDurably(from: string, to: string): void {
  renameSync(from, to);
  syncPath(dirname(to));
}

/**
 * Copies what the store holds at this moment to `path`, mode 0600: others may write meanwhile, and what was deleted is not in
 * it. `judge` sees the copy before it has its name, by the one that it has until then. Throws what SQLite and the system say;
 * then there is no copy. The caller sees to it that nothing is at `path`.
 */
export function copyStore<T>(db: Db, path: string, judge?: (partial: string) => T): T | undefined {
  const partial = partialName(path);
  // SQLite takes a file that is empty: made here, so that nobody else may ever read it.
  closeSync(openSync(partial, 'wx', 0o600));
  try {
    db.prepare('VACUUM INTO ?').run(partial);
    const judged = judge?.(partial);
    syncPath(partial);
    renameDurably(partial, path);
    return judged;
  } finally {
    removePartial(path);
  }
}

/** Removes what a copy to `path` that did not end has left, with the journal that SQLite keeps for it. */
export function removePartial(path: string): void {
  for (const suffix of ['-journal', '']) rmSync(partialName(path) + suffix, { force: true });
}

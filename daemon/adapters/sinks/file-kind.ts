// Whether a file is one that a file sink may write: none, an empty one, or one that such a sink wrote.
import { closeSync, lstatSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';

const headBytes = 1_024;
const begin = '{"origin":"';
/** How what a sink wrote begins. */
const ours = /^\{"origin":"[^"\\]{1,128}","batchId":"[^"\\]{1,256}",/;

/**
 * Why a sink must not write to what is at the path, and what to do; undefined where it may. Throws nothing: what cannot be looked at
 * cannot be written to either, and the sink tells that then.
 */
export function foreignReason(path: string): string | undefined {
  try {
    if (lstatSync(path).isSymbolicLink() && !isThere(path))
      return `${path} is a link to nothing: give the sink a file, by its own path`;
    if (!statSync(path).isFile()) return `${path} is no file: give the sink one`;
    return isOurs(headOf(path))
      ? undefined
      : `${path} holds what no sink wrote, and is left as it is: give the sink a path where nothing is`;
  } catch {
    return undefined;
  }
}

/** The path without links, also of what is not there yet. */
export function realPathOf(path: string): string {
  try {
    return realpathSync.native(path);
  } catch (error) {
    const parent = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) throw error;
    return join(realPathOf(parent), basename(path));
  }
}

/** Of `folders`, the one that the path leads into; undefined where it leads into none. */
export function folderAround(path: string, folders: readonly string[]): string | undefined {
  const real = realPathOf(path);
  return folders.find((folder) => !/^(?:\.\.(?:\/|$)|\/)/.test(relative(realPathOf(folder), real)));
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function headOf(path: string): string {
  const fd = openSync(path, 'r');
  try {
    const head = Buffer.alloc(headBytes);
    return head.toString('utf8', 0, readSync(fd, head, 0, headBytes, 0));
  } finally {
    closeSync(fd);
  }
}

/** Also of a first line that was cut off: whether it is of this store is seen where it is cut away. */
function isOurs(head: string): boolean {
  return head === '' || ours.test(head) || (head.startsWith(begin) && !head.includes('\n'));
}

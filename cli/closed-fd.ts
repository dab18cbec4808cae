// Finds out that the shell gave no output, as `>&-` does.
import { fstatSync, readSync, statSync } from 'node:fs';

/**
 * Whether `fd` was closed when the process began. Node has opened /dev/null in its place then, for reading and writing, so
 * that all writes succeed; a shell's own `>/dev/null` cannot be read. What Node and Python give a child as no output
 * (`'ignore'`, `DEVNULL`) looks the same.
 */
export function wasClosed(fd: number): boolean {
  try {
    if (fstatSync(fd).rdev !== statSync('/dev/null').rdev) return false;
    readSync(fd, Buffer.alloc(1)); // of /dev/null it never waits
    return true;
  } catch {
    return false;
  }
}

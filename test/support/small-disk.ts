// Real disks of a few bytes: tmpfs. Where nobody may mount one, `hasSmallDisks` says so.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterTest, testFolder } from './daemon.ts';

function mount(folder: string, bytes: number): boolean {
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=0700`, 'tmpfs', folder]);
  return status === 0;
}

/** Whether this process may mount: the root of a container often may not. */
export const hasSmallDisks = (() => {
  const folder = mkdtempSync(join(tmpdir(), 'sd-'));
  try {
    if (!mount(folder, 4096)) return false;
    execFileSync('umount', [folder]);
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(folder);
  }
})();

/** A disk at `folder`, which is made; gone after the test. */
export function mountSmallDisk(folder: string, bytes: number): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!mount(folder, bytes)) throw new Error(`cannot mount at ${folder}`);
  afterTest(() => void execFileSync('umount', ['-l', folder]));
}

/** A folder of its own that is such a disk. */
export function smallDisk(bytes: number): string {
  const folder = join(testFolder(), 'disk');
  mountSmallDisk(folder, bytes);
  return folder;
}

/** Takes all the room that is left, but for so many bytes; gives what gives it back. */
export function fillSmallDisk(folder: string, leaving = 0): () => void {
  const filler = join(folder, 'filler');
  const fd = openSync(filler, 'w');
  try {
    for (;;) writeSync(fd, Buffer.alloc(4096));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
  ftruncateSync(fd, fstatSync(fd).size - leaving);
  closeSync(fd);
  return () => rmSync(filler);
}

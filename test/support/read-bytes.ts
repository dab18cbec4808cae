// How much a process has read: what it asked the kernel for, whether that came from the disk or from a cache.
import { readFileSync } from 'node:fs';

export type ReadWork = { bytes: number; calls: number };

/** Linux only, as the daemon is so far. */
export function readWork(pid: number): ReadWork {
  const io = readFileSync(`/proc/${pid}/io`, 'utf8');
  const count = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(io)![1]);
  return { bytes: count('rchar'), calls: count('syscr') };
}

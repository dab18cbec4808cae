// What the numbers were measured on: a rate of fsyncs means nothing without its disk.
import { closeSync, fsyncSync, openSync, statfsSync, writeSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { median } from './row.ts';

export type Machine = { cores: number; cpu: string; node: string; filesystem: string; fsyncP50Ms: number };

/** `folder`: where the files of the rows will lie. */
export function describeMachine(folder: string): Machine {
  const [first, ...others] = cpus();
  const { type } = statfsSync(folder);
  return {
    cores: others.length + 1,
    cpu: first?.model ?? 'unknown',
    node: process.version,
    filesystem: filesystems.get(type) ?? `filesystem 0x${type.toString(16)}`,
    fsyncP50Ms: fsyncP50Ms(folder),
  };
}

/** The magic numbers of statfs(2). */
const filesystems = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x01021994, 'tmpfs (fsync costs nothing here)'],
  [0x794c7630, 'overlayfs'],
  [0x2fc12fc1, 'zfs'],
  [0x6969, 'nfs'],
  [0x1a, 'apfs'],
]);

/** A page appended and fsynced, as a commit does. */
function fsyncP50Ms(folder: string): number {
  const file = openSync(join(folder, 'fsync'), 'w');
  try {
    const page = Buffer.alloc(4096, 1);
    const taken = Array.from({ length: 200 }, () => {
      const start = performance.now();
      writeSync(file, page);
      fsyncSync(file);
      return performance.now() - start;
    });
    return median(taken);
  } finally {
    closeSync(file);
  }
}

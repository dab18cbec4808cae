// A disk whose every fsync takes longer by a fixed time, for one process (test/support/disk.c).
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { Disk } from '../../test/support/disk.ts';
import type { LeftOut } from './row.ts';

/** The environment of a process whose fsyncs take `slowUs` longer; 0: as long as they do, by the same way. */
export function slowDisk(folder: string, slowUs: number): NodeJS.ProcessEnv {
  const { LD_PRELOAD } = new Disk(join(folder, 'disk')).env;
  return { LD_PRELOAD, DISK_SLOW_US: String(slowUs) };
}

/** Why there is none here. */
export function noSlowDisk(): LeftOut | undefined {
  if (process.platform !== 'linux') return { leftOut: 'needs LD_PRELOAD as Linux has it' };
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return { leftOut: 'needs a C compiler' };
  }
}

// Why a write failed. SQLite tells of a full disk, and of all else alike that it could not write: whoever is over a quota, or has a disk
// that became read-only, can mend that while the daemon goes on. What writes a page beside the store is told which it is.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RefusedError, refuse } from '../../protocol/errors.ts';
import { damageAdvice, sqliteCode, storeFault } from './open.ts';
import { systemCode } from './system-code.ts';

/** As storeFault has it. `folder`: of the store. */
export function writeFault(error: unknown, folder: string): ReturnType<typeof storeFault> {
  // Of a write alone: behind an fsync that failed nothing is known of what was written (fsyncgate, P11).
  return sqliteCode(error) === 'SQLITE_IOERR_WRITE' ? (probe(folder) ?? 'io') : storeFault(error);
}

/** What is told of a store that is damaged, to whoever meets the damage. */
export function damagedStore(): RefusedError {
  return new RefusedError(refuse('StoreUnavailable', `the store is damaged: ${damageAdvice}`, { reason: 'io' }));
}

function probe(folder: string): 'full' | 'readOnly' | undefined {
  const path = join(folder, '.probe');
  try {
    writeFileSync(path, Buffer.alloc(4096), { mode: 0o600 });
    return undefined;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EROFS') return 'readOnly';
    return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code) ? 'full' : undefined;
  } finally {
    rmSync(path, { force: true });
  }
}

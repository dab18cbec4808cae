// What keeps a daemon from starting that its user can mend: a disk that is full or read-only, a folder of somebody else.
import { damageAdvice, isDamage, storeFault } from './store/open.ts';
import { systemCode } from './store/system-code.ts';

const mends: Record<string, string> = {
  ENOSPC: 'make room on its disk',
  EDQUOT: 'make room on its disk',
  EROFS: 'make its disk writable, or set SESSIOND_HOME to a folder on another',
  EACCES: 'make it yours to write, or set SESSIOND_HOME to another folder',
  EPERM: 'make it yours to write, or set SESSIOND_HOME to another folder',
};

/** In words, with what to do; undefined for what is a bug of ours. `folder`: of the store. */
export function startFault(error: unknown, folder: string): string | undefined {
  const { path, message } = error as NodeJS.ErrnoException;
  const code = systemCode(error);
  const mend = mends[code];
  if (mend) return `${path ?? folder} cannot be written (${code}): ${mend}`;
  if (isDamage(error)) return `the store in ${folder} is damaged (${message}): ${damageAdvice}`;
  const fault = storeFault(error);
  if (fault === undefined) return undefined;
  const how =
    fault === 'full'
      ? 'make room on its disk'
      : 'see that it can be written and has room, or set SESSIOND_HOME to another';
  return `the store in ${folder} cannot be opened (${message}): ${how}`;
}

// The store's lock: the kernel's, so that a file that is left behind locks nobody out. Who has it, where that is no daemon that
// answers.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathsFrom } from '../../protocol/node/paths.ts';
import { cleanLine } from '../render/clean.ts';
import { shellQuote } from '../shell-quote.ts';
import type { Check } from './finding.ts';

export const checkLock: Check = (context, condition) => {
  const about = 'lock';
  if (condition.daemon === 'runs')
    return [{ about, state: 'fine', text: `the daemon has it, pid ${condition.status.pid}` }];
  if (condition.daemon === 'absent') return [{ about, state: 'fine', text: 'nobody has the store' }];
  const path = join(pathsFrom(context.env).data, 'store.lock');
  const pid = holderOf(path);
  const who = pid === undefined ? 'a process' : `process ${pid}`;
  const todo = pid === undefined ? `find and end it: fuser ${shellQuote(path)}` : `wait for it, or end it: kill ${pid}`;
  const text = `${who} has the store, and no daemon answers (${cleanLine(condition.why)})`;
  return [{ about, state: 'wrong', text, todo }];
};

/** By the kernel's own list, which only Linux has. Undefined where it does not tell. */
function holderOf(path: string): number | undefined {
  try {
    const { ino } = statSync(path);
    for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
      const [, , , , pid, place] = line.split(/\s+/);
      if (Number(place?.split(':')[2]) === ino && Number(pid) > 0) return Number(pid);
    }
  } catch {
    // not told
  }
  return undefined;
}

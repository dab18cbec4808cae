// Room on the disk of the store, and what takes it there beside the store.
import { readdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathsFrom } from '../../protocol/node/paths.ts';
import { backupFolder } from '../backups.ts';
import { shownPath } from '../render/path.ts';
import { bytes, countOf } from '../render/quantity.ts';
import type { Check, Finding } from './finding.ts';

const about = 'disk';
/** Below it a write may fail at any moment. */
const leastBytes = 64 * 1024 * 1024;

export const checkDisk: Check = (context) => {
  const { data } = pathsFrom(context.env);
  const shown = shownPath(data, context.home);
  const free = freeOf(data);
  if (free === undefined) return [{ about, state: 'fine', text: `${shown} is made when the daemon starts` }];
  const store = sizesIn(data, /^store\.db(-wal)?$/);
  const findings: Finding[] = [];
  const text = `${bytes(free)} are free for ${shown}; the store has ${bytes(store.bytes)}`;
  if (free < leastBytes)
    findings.push({ about, state: 'wrong', text, todo: 'make room: what cannot be written is refused' });
  else if (free < store.bytes) findings.push({ about, state: 'note', text: `${text}: too little for a backup there` });
  else findings.push({ about, state: 'fine', text });
  const kept = [
    { ...sizesIn(data, /^store\.replaced-.*\.db$/), one: 'store that was replaced', many: 'stores that were replaced' },
    { ...sizesIn(data, /^store\.db\.schema-.*\.backup/), one: 'copy from an update', many: 'copies from updates' },
    { ...sizesIn(backupFolder(context), /\.db$/), one: 'backup', many: 'backups' },
  ];
  for (const { count, bytes: size, one, many } of kept) {
    if (count > 0)
      findings.push({
        about,
        state: 'note',
        text: `${countOf(count, one, many)}, ${bytes(size)}: kept until you remove them`,
      });
  }
  return findings;
};

function freeOf(folder: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

function sizesIn(folder: string, names: RegExp): { count: number; bytes: number } {
  try {
    const sizes = readdirSync(folder)
      .filter((name) => names.test(name))
      .map((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0);
    return { count: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
  } catch {
    return { count: 0, bytes: 0 };
  }
}

// A file of a service on the disk. One that install did not write, or that was changed since, is not touched unasked.
import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeFolder } from '../../protocol/node/spawn.ts';
import type { Mark } from './mark.ts';
import { markText, readMark } from './mark.ts';
import type { ServiceProgram } from './program.ts';

/** A file as install would write it now. */
export type ServiceFile = { path: string; text: string };

/**
 * What lies at a path: nothing; what would be written; what install wrote for another version or with other settings; what
 * it wrote and somebody changed; what somebody else wrote, or no plain file.
 */
export type Found = { is: 'absent' | 'foreign' } | { is: 'same' | 'ours' | 'changed'; mark: Mark };

/** The text with its mark in it. */
export function marked({ version, node, bundle }: ServiceProgram, textWith: (mark: string) => string): string {
  const mark = { version, node, bundle, sum: '' };
  return textWith(markText({ ...mark, sum: sumOf(textWith(markText(mark))) }));
}

export function look({ path, text }: ServiceFile): Found {
  const there = lstat(path);
  if (!there) return { is: 'absent' };
  if (!there.isFile()) return { is: 'foreign' };
  const found = readFileSync(path, 'utf8');
  const mark = readMark(found);
  if (!mark) return { is: 'foreign' };
  if (found === text) return { is: 'same', mark };
  const bare = found.replace(markText(mark), () => markText({ ...mark, sum: '' }));
  return { is: sumOf(bare) === mark.sum ? 'ours' : 'changed', mark };
}

function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined; // that is told when it is written
    throw error;
  }
}

/** Whole or not at all, in the place of whatever is there but a folder. */
export function write({ path, text }: ServiceFile): void {
  makeFolder(dirname(path));
  const beside = `${path}.${process.pid}`;
  try {
    writeFileSync(beside, text, { mode: 0o644, flag: 'wx' });
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}

function sumOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

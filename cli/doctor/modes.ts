// The modes of sessiond's folders and files: the record is its owner's alone.
import { chmodSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathsFrom, socketFolder } from '../../protocol/node/paths.ts';
import { logFileOf } from '../../protocol/node/spawn.ts';
import { backupFolder } from '../backups.ts';
import type { Context } from '../context.ts';
import { shownPath } from '../render/path.ts';
import { countOf } from '../render/quantity.ts';
import { shellQuote } from '../shell-quote.ts';
import type { Check, Finding } from './finding.ts';

const aboutModes = 'modes';

export const checkModes: Check = (context) => {
  const paths = pathsFrom(context.env);
  const folders = [paths.data, socketFolder(paths), paths.log, backupFolder(context)];
  const files = [...inside(paths.data), ...inside(backupFolder(context)), paths.socket, logFileOf(paths)];
  const wanted = new Map([
    ...files.map((path) => [path, 0o600] as const),
    ...folders.map((path) => [path, 0o700] as const),
  ]);
  let looked = 0;
  const wrong = [...wanted].flatMap(([path, mode]): Finding[] => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found || found.isDirectory() !== (mode === 0o700)) return [];
    looked += 1;
    const finding = findingOf(context, path, mode, found);
    // What a link leads to is told of, and left to whoever made the link.
    return lstatSync(path).isSymbolicLink() ? finding.map(({ fix: _, ...told }) => told) : finding;
  });
  if (wrong.length > 0) return wrong;
  return [
    {
      about: aboutModes,
      state: 'fine',
      text: `${countOf(looked, 'folder or file', 'folders and files')}, yours alone`,
    },
  ];
};

function findingOf({ home }: Context, path: string, mode: number, found: { uid: number; mode: number }): Finding[] {
  const own = process.getuid?.() ?? found.uid;
  const shown = shownPath(path, home);
  if (found.uid !== own) {
    const text = `${shown} belongs to user ${found.uid}, not to you (${own})`;
    return [{ about: aboutModes, state: 'wrong', text, todo: `chown ${own} ${shellQuote(path)}` }];
  }
  const held = found.mode & 0o777;
  // Others may do nothing; the owner may do what sessiond does.
  if ((held & 0o077) === 0 && (held & mode) === mode) return [];
  const text = `${shown} has mode ${octal(held)} and must have ${octal(mode)}`;
  const todo = `chmod ${mode.toString(8)} ${shellQuote(path)}`;
  return [{ about: aboutModes, state: 'wrong', text, todo, fix: () => chmodSync(path, mode) }];
}

/** The files of the folder that are sessiond's own, by their names. */
function inside(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => /\.(db|lock|backup)\b/.test(name))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

const octal = (mode: number) => mode.toString(8).padStart(4, '0');

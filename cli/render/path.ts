// Folders as a person reads them.
import { cleanStart } from './clean.ts';

/** The path with the user's home as `~`, safe to print. */
export function shownPath(path: string, home: string): string {
  const shown = cleanStart(path, 4096);
  const root = cleanStart(home, 4096).replace(/\/+$/, '');
  if (root === '') return shown;
  if (shown === root) return '~';
  return shown.startsWith(`${root}/`) ? `~${shown.slice(root.length)}` : shown;
}

// Where backups lie by default.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathsFrom } from '../protocol/node/paths.ts';
import type { Context } from './context.ts';

export function backupFolder({ env }: Pick<Context, 'env'>): string {
  return join(pathsFrom(env).data, 'backups');
}

/** `sessiond-20261122T043547Z.db`: by name they are in the order of their time. */
export function backupName(now: number): string {
  return `sessiond-${new Date(now).toISOString().replace(/[-:]|\.\d+/g, '')}.db`;
}

/** Those that lie there by such a name, the newest first. */
export function findBackups(context: Pick<Context, 'env'>): string[] {
  const folder = backupFolder(context);
  try {
    const names = readdirSync(folder).filter((name) => /^sessiond-\d{8}T\d{6}Z\.db$/.test(name));
    return names
      .sort()
      .reverse()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

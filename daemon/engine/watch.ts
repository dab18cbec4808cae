// Tells what changes below a folder as it does. chokidar gives each file that it knows a watch of its own (one for each of
// 10,000 recent files took 90 MB), so it is shown the folders alone, and the files that change from now on. What changes in
// the others it tells as raw events of the folders that they lie in.
import { realpath } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import type { FSWatcher } from 'chokidar';
import { watch } from 'chokidar';

export type WatchEvents = {
  /** A file or folder of this path is new, changed, or gone. May be told more than once. */
  onChange(path: string): void;
  /** A folder of this path is new. */
  onFolder(path: string): void;
  onFail(error: Error): void;
};

export type WatchOptions = {
  enters(folder: string): boolean;
  /** ms since the epoch: files that did not change since have no watch of their own. */
  since: number;
  signal: AbortSignal;
};

/**
 * Watches what is below `root`, which may be a link; links below it are not followed. Resolves when nothing that changes
 * from then on can be missed. Rejects when there is no such folder.
 */
export async function watchBelow(root: string, events: WatchEvents, options: WatchOptions): Promise<FSWatcher> {
  const { enters, since, signal } = options;
  const real = await realpath(root);
  const pathOf = (path: string) => join(root, relative(real, path));
  const watcher = watch(real, {
    ignoreInitial: true,
    followSymlinks: false,
    ignored: (path, stats) => {
      if (path === real || stats === undefined) return false;
      if (stats.isDirectory()) return !enters(pathOf(path));
      return Math.max(stats.mtimeMs, stats.ctimeMs) < since;
    },
  });
  watcher.on('raw', (_event, name, details) => {
    const { watchedPath } = details as { watchedPath?: string };
    // Of a file that has a watch of its own it tells the file's name and path; that file's change is told below.
    if (name && watchedPath && basename(watchedPath) !== name) events.onChange(pathOf(join(watchedPath, name)));
  });
  watcher.on('add', (path) => events.onChange(pathOf(path)));
  watcher.on('change', (path) => events.onChange(pathOf(path)));
  watcher.on('addDir', (path) => events.onFolder(pathOf(path)));
  watcher.on('error', (error) => events.onFail(error as Error));
  await new Promise<void>((resolve) => {
    watcher.once('ready', resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  return watcher;
}

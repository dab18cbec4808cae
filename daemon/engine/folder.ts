// The folder of a source: lists what is in it, and tells what changes as it does. chokidar costs one inotify watch a file, so
// only folders and the files of the last days are watched; a sweep finds what changes in the others (DESIGN.md).
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { FSWatcher } from 'chokidar';
import { watch } from 'chokidar';
import type { Place, Source } from '../adapters/adapter.ts';
import type { Runtime } from './runtime.ts';

/** Files untouched for longer have no watch of their own. */
const recentMs = 3 * 24 * 3600_000;

/** A transcript, and how it is read. */
export type Found = { path: string; place: Place };

export type FolderEvents = {
  /** A file is new or changed; may be told more than once. */
  onChange(path: string): void;
  /** Something below the folder cannot be read. */
  onFail(path: string, error: unknown): void;
};

export class Folder {
  readonly #source: Source;
  readonly #runtime: Runtime;
  readonly #events: FolderEvents;
  #watcher: FSWatcher | undefined;

  constructor(source: Source, runtime: Runtime, events: FolderEvents) {
    this.#source = source;
    this.#runtime = runtime;
    this.#events = events;
  }

  /** All transcripts below the folder, or undefined when it is not there. Starts to watch it, before it looks. */
  async list(signal: AbortSignal): Promise<Found[] | undefined> {
    const root = await folderId(this.#source.path);
    if (root === undefined) {
      // A watcher of a folder that is gone hears nothing of another in its place.
      await this.close();
      return undefined;
    }
    // Before the look, so that nothing falls between the two.
    this.#watcher ??= await this.#watch(signal);
    const found: Found[] = [];
    await this.#listInto(found, this.#source.path, new Set([root]), signal);
    return found;
  }

  /** Watches a file that was too old to be, and is in use again. */
  async follow(path: string): Promise<void> {
    this.#watcher?.add(await realpath(path));
  }

  async close(): Promise<void> {
    await this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** `linked`: the folders that links led to, each entered once: links may lead round in circles, and criss-cross. */
  async #listInto(found: Found[], folder: string, linked: Set<string>, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    let entries: Awaited<ReturnType<typeof readFolder>>;
    try {
      entries = await readFolder(folder);
    } catch (error) {
      this.#events.onFail(folder, error);
      return;
    }
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (entry.isFile()) {
        const place = this.#source.identify(path);
        if (place) found.push({ path, place });
      } else if (entry.isDirectory()) {
        if (this.#source.enters(path)) await this.#listInto(found, path, linked, signal);
      } else if (entry.isSymbolicLink()) await this.#listLink(found, path, linked, signal);
    }
  }

  /** What a link leads to, once: what it grows by is found by the sweep. */
  async #listLink(found: Found[], path: string, linked: Set<string>, signal: AbortSignal): Promise<void> {
    const target = await stat(path).catch(() => undefined);
    const place = target?.isFile() ? this.#source.identify(path) : undefined;
    if (place) found.push({ path, place });
    if (!target?.isDirectory() || !this.#source.enters(path)) return;
    const id = `${target.dev}:${target.ino}`;
    if (linked.has(id)) return;
    linked.add(id);
    await this.#listInto(found, path, linked, signal);
  }

  async #watch(signal: AbortSignal): Promise<FSWatcher> {
    // The folder itself may be a link (dotfiles); links below it are left to the sweep.
    const { path: root } = this.#source;
    const real = await realpath(root);
    const pathOf = (path: string) => join(root, relative(real, path));
    const watcher = watch(real, {
      ignoreInitial: true,
      followSymlinks: false,
      ignored: (path, stats) => {
        if (path === real || stats === undefined) return false;
        if (stats.isDirectory()) return !this.#source.enters(pathOf(path));
        return !this.#source.identify(pathOf(path)) || this.#runtime.now() - stats.mtimeMs > recentMs;
      },
    });
    watcher.on('add', (path) => this.#events.onChange(pathOf(path)));
    watcher.on('change', (path) => this.#events.onChange(pathOf(path)));
    watcher.on('error', (error) => this.#events.onFail(root, error));
    await new Promise<void>((resolve) => {
      watcher.once('ready', resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    return watcher;
  }
}

function readFolder(folder: string) {
  return readdir(folder, { withFileTypes: true });
}

/** Undefined when there is no such folder. */
async function folderId(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path);
    return `${dev}:${ino}`;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

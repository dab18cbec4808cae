// The folder of a source: lists what is in it, and tells what changes as it does. Links below it are not watched: what is
// behind them is found when all is listed again.
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FSWatcher } from 'chokidar';
import type { Place, Source } from '../adapters/adapter.ts';
import type { Runtime } from './runtime.ts';
import { isGone } from './transcript.ts';
import { watchBelow } from './watch.ts';

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
  /** While the folder is there. */
  #watch: FSWatcher | undefined;
  /** Which folder each path was when it was listed last: another one in its place has no watch. */
  readonly #ids = new Map<string, string>();

  constructor(source: Source, runtime: Runtime, events: FolderEvents) {
    this.#source = source;
    this.#runtime = runtime;
    this.#events = events;
  }

  /** All transcripts below the folder, or undefined when it is not there. Starts to watch it, before it looks. */
  async list(signal: AbortSignal): Promise<Found[] | undefined> {
    const root = await folderId(this.#source.path);
    if (root === undefined) {
      // A watch of a folder that is gone hears nothing of another in its place.
      await this.close();
      return undefined;
    }
    const { path } = this.#source;
    if (await this.#isReplaced()) await this.close();
    this.#watch ??= await this.#startWatch(signal);
    const found: Found[] = [];
    await this.#listInto(found, path, new Set([root]), signal);
    return found;
  }

  async close(): Promise<void> {
    await this.#watch?.close();
    this.#watch = undefined;
    this.#ids.clear();
  }

  #startWatch(signal: AbortSignal): Promise<FSWatcher> {
    const { identify, enters, path } = this.#source;
    return watchBelow(
      path,
      {
        onChange: (changed) => void (identify(changed) && this.#events.onChange(changed)),
        onFolder: (changed) => void this.#listNew(changed),
        onFail: (error) => this.#events.onFail(path, error),
      },
      { enters, since: this.#runtime.now(), signal },
    );
  }

  /** `linked`: the folders that links led to, each entered once: links may lead round in circles, and criss-cross. */
  async #listInto(
    found: Found[],
    folder: string,
    linked: Set<string>,
    signal?: AbortSignal,
    isLinked = false,
  ): Promise<void> {
    if (signal?.aborted) return;
    const id = isLinked ? undefined : await folderId(folder).catch(() => undefined);
    // The first one stays: whoever replaced it is found by the next look at all, also when chokidar told of it.
    if (id !== undefined && !this.#ids.has(folder)) this.#ids.set(folder, id);
    let entries: Awaited<ReturnType<typeof readFolder>>;
    try {
      entries = await readFolder(folder);
    } catch (error) {
      // Gone since it was found.
      if (!isGone(error)) this.#events.onFail(folder, error);
      return;
    }
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (entry.name.includes('\ufffd') && this.#isUnreachable(path)) continue;
      if (entry.isFile()) {
        const place = this.#source.identify(path);
        if (place) found.push({ path, place });
      } else if (entry.isDirectory()) {
        if (this.#source.enters(path)) await this.#listInto(found, path, linked, signal, isLinked);
      } else if (entry.isSymbolicLink()) await this.#listLink(found, path, linked, signal);
    }
  }

  /** A name that is no UTF-8 cannot be written as text, and so neither can the path of what it names. */
  #isUnreachable(path: string): boolean {
    if (existsSync(path)) return false;
    if (this.#source.identify(path) || this.#source.enters(path))
      this.#events.onFail(path, new Error('its name is no UTF-8, so it is not read: give it another'));
    return true;
  }

  /** What a link leads to, once: what it grows by is found by the sweep. */
  async #listLink(found: Found[], path: string, linked: Set<string>, signal?: AbortSignal): Promise<void> {
    const target = await stat(path).catch(() => undefined);
    const place = target?.isFile() ? this.#source.identify(path) : undefined;
    if (place) found.push({ path, place });
    if (!target?.isDirectory() || !this.#source.enters(path)) return;
    const id = `${target.dev}:${target.ino}:${target.birthtimeMs}`;
    if (linked.has(id)) return;
    linked.add(id);
    await this.#listInto(found, path, linked, signal, true);
  }

  /** Whether a folder was removed and made anew under its name: it is another one, of which the old watch hears nothing. */
  async #isReplaced(): Promise<boolean> {
    for (const [folder, before] of this.#ids) {
      const id = await folderId(folder).catch(() => undefined);
      if (id === undefined) this.#ids.delete(folder);
      else if (id !== before) return true;
    }
    return false;
  }

  /** What is in a folder that came: it may have been moved here with old files in it, which are not told one by one. */
  async #listNew(path: string): Promise<void> {
    const id = await folderId(path).catch(() => undefined);
    if (id === undefined) return;
    const found: Found[] = [];
    await this.#listInto(found, path, new Set([id]));
    for (const each of found) this.#events.onChange(each.path);
  }
}

function readFolder(folder: string) {
  return readdir(folder, { withFileTypes: true });
}

/** Undefined when there is no such folder. */
async function folderId(path: string): Promise<string | undefined> {
  try {
    const { dev, ino, birthtimeMs } = await stat(path);
    // The number of a folder that was removed may be given to the next one.
    return `${dev}:${ino}:${birthtimeMs}`;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

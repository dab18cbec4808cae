// One source: finds its files, takes in what is new in them, newest first, and follows them. Work grows with new bytes: a
// file whose size and time are known is not opened (P24).
import { statSync } from 'node:fs';
import { RefusedError } from '../../protocol/errors.ts';
import type { SourceStatus } from '../../protocol/methods.ts';
import type { Place, Source } from '../adapters/adapter.ts';
import { Folder } from './folder.ts';
import type { IntakeDeps } from './intake.ts';
import { databaseState, Intake } from './intake.ts';
import { Marks } from './marks.ts';
import { Queue } from './queue.ts';
import type { FileState } from './transcript.ts';
import { fileState, isGone, stateOf } from './transcript.ts';
import type { Rest } from './unread.ts';
import { Unread } from './unread.ts';

export type IngestDeps = IntakeDeps;

const sweepMs = 60_000;
const absentMs = 5_000;
/** A file that was read is left alone for so long, and then looked at: one that is written to all the time costs little. */
const settleMs = 100;
/** What fails is tried again after this at the latest. */
const maxRetryMs = 3600_000;
/** Files looked at in one turn of the event loop: a fraction of a millisecond. */
const looksATurn = 64;

/** Files read at once: what they bring shares a commit. More would hold the event loop for longer. */
const lanes = 4;
/** Files of one record each, read at once. */
const documentLanes = 64;

type Pending = { path: string; place: Place; file: FileState; mtimeMs: number; order: string | undefined };

/** Of what is no file. */
const noFile: FileState = { inode: 0, size: 0, mtimeMs: 0, ctimeMs: 0 };

export class Ingest {
  readonly name: string;
  readonly source: Source;
  readonly #deps: IngestDeps;
  readonly #marks: Marks;
  readonly #intake: Intake;
  readonly #folder: Folder;
  readonly #pending = new Queue<Pending>();
  #known = 0;
  /** Files found by the scan under way that it has not looked at yet. */
  #unlooked = 0;
  #firstReadDone = false;
  #present = false;
  readonly #unread = new Unread();
  /** path -> what is wrong with a folder, as the last look at all of them found it, and the one before. */
  #failures = new Map<string, string>();
  #lastFailures = new Map<string, string>();
  #wake: () => void = () => {};
  #idle: (() => void)[] = [];
  #sweepDue = false;
  #working = false;
  #ended = false;
  /** path -> when, on the monotonic clock. */
  readonly #lookAgainAt = new Map<string, number>();

  constructor(source: Source, deps: IngestDeps, name: string = source.kind) {
    this.name = name;
    this.source = source;
    this.#deps = deps;
    this.#marks = new Marks(source, deps.positions);
    this.#intake = new Intake(source, deps, this.#marks, this.#unread);
    this.#folder = new Folder(source, deps.runtime, {
      onChange: (path) => this.#onChange(path),
      onFail: (path, error) => this.#failFolder(path, error),
    });
  }

  get status(): SourceStatus {
    const { kind, path } = this.source;
    let bytesBehind = this.#unread.bytes;
    for (const { path: file, place, file: state } of this.#pending.values())
      bytesBehind += this.#behind(file, place, state) - (this.#unread.find(file)?.bytes ?? 0);
    const files = Math.max(this.#known, this.#pending.size);
    return {
      name: this.name,
      kind,
      path,
      state: this.#state(),
      files,
      filesDone: Math.max(0, files - this.#pending.size - this.#unlooked),
      bytesBehind,
      ...this.#marks.counts(),
      lastError: this.#lastError ?? null,
    };
  }

  get #lastError(): string | undefined {
    return this.#unread.lastError ?? [...this.#failures.values()].at(-1);
  }

  /** Bytes that are not taken in, as far as the mark tells. */
  #behind(path: string, place: Place, { size }: FileState): number {
    const mark = this.#marks.find(path);
    const taken = place.reading === 'lines' ? mark?.offset : mark?.size;
    return Math.max(0, size - Math.max(0, taken ?? 0));
  }

  #state(): SourceStatus['state'] {
    if (!this.#firstReadDone) return 'reading';
    if (!this.#present) return 'absent';
    return this.#lastError === undefined ? 'watching' : 'failing';
  }

  /** Runs until the signal fires. Whatever a file holds or lacks, it goes on: trouble shows in the status. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    try {
      while (!signal.aborted) {
        await this.#scan(signal);
        await this.#drain(signal);
        if (!this.#firstReadDone && this.#known > 0) this.#deps.runtime.releaseMemory();
        this.#firstReadDone = true;
        await this.#waitForWork(this.#present ? sweepMs : absentMs, signal);
      }
    } finally {
      this.#ended = true;
      for (const resolve of this.#idle.splice(0)) resolve();
      await this.#folder.close();
    }
  }

  /** Looks at every file now. Resolves, when what was found is taken in, with the number of files looked at. */
  async rescan(): Promise<number> {
    if (this.#ended) return 0;
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve);
      this.#sweepDue = true;
      this.#wake();
    });
    return this.#known;
  }

  /** Finds new and changed files; then answers whoever asked for that. */
  async #scan(signal: AbortSignal): Promise<void> {
    this.#sweepDue = false;
    const waiting = this.#idle.splice(0);
    if (waiting.length > 0) this.#unread.retryNow(this.#deps.runtime.monotonic());
    try {
      await this.#lookAtAll(signal);
    } catch (error) {
      this.#failFolder(this.source.path, error);
    }
    if (waiting.length === 0) return;
    await this.#drain(signal);
    for (const resolve of waiting) resolve();
  }

  async #lookAtAll(signal: AbortSignal): Promise<void> {
    // What is wrong with a folder is found anew by listing it; with a file, when that is read again.
    this.#lastFailures = this.#failures;
    this.#failures = new Map();
    const left = [...this.#unread.paths];
    const found = await this.#folder.list(signal);
    this.#present = found !== undefined;
    if (left.length > 0) {
      const here = new Set(found?.map(({ path, place }) => fileOf(path, place)));
      for (const path of left) if (!here.has(path)) this.#unread.forget(path);
    }
    this.#unlooked = found?.length ?? 0;
    // A database and its log are one file of ours.
    const databases = new Set<string>();
    let files = 0;
    for (const { path, place } of found ?? []) {
      if (place.reading === 'database') databases.add(place.path);
      else files += 1;
      this.#known = files + databases.size + this.#unlooked - 1;
      if (!this.#isKnown(path, place)) await this.#look(path, place);
      this.#unlooked -= 1;
      if (this.#unlooked % looksATurn === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#known = files + databases.size;
  }

  /** Whether nothing of it need be read: asked at once, since a promise for each of 10,000 files costs six times as much. */
  #isKnown(path: string, place: Place): boolean {
    if (place.reading === 'database' || !(this.#marks.find(path) || this.#unread.find(path))) return false;
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats?.isFile() === true && !this.#isDue(path, place, stateOf(stats));
  }

  /** Whether to read it now: it has something new, or may have. */
  #isDue(path: string, place: Place, file: FileState): boolean {
    const at = this.#unread.dueAt(path, file);
    if (at === undefined) return !this.#marks.isRead(path, place, file);
    if (at <= this.#deps.runtime.monotonic()) return true;
    if (at < Number.POSITIVE_INFINITY) this.#lookAgainAt.set(path, at);
    return false;
  }

  /** One that is read now, or soon, is looked at after that anyhow. */
  #onChange(path: string): void {
    const place = this.source.identify(path);
    if (!place) return;
    const file = fileOf(path, place);
    const again = this.#lookAgainAt.get(file) ?? Number.POSITIVE_INFINITY;
    if (this.#pending.has(file) || again <= this.#deps.runtime.monotonic() + settleMs) return;
    void this.#lookAtNews(path).then(() => this.#wake());
  }

  /** A file that may be new since the last look at all of them. */
  async #lookAtNews(path: string): Promise<void> {
    const place = this.source.identify(path);
    if (!place) return;
    await this.#look(path, place, true);
  }

  /** Remembers a file that has something new. `counts`: one that nobody knew is one more. */
  async #look(path: string, place: Place, counts = false): Promise<void> {
    const file = fileOf(path, place);
    try {
      const state: FileState = await (place.reading === 'database' ? databaseState(file) : fileState(file));
      if (!this.#isDue(file, place, state)) return;
      if (state.size === 0 && !this.#marks.find(file)) return;
      const order = place.reading === 'document' ? place.order : undefined;
      // No await between this and the next line: of two looks at the same file one finds it known.
      const isKnown = this.#marks.find(file) || this.#pending.has(file) || this.#unread.find(file);
      if (counts && !isKnown) this.#known += 1;
      this.#pending.add({ path: file, place, file: state, mtimeMs: state.mtimeMs, order });
    } catch (error) {
      if (isGone(error)) this.#unread.forget(file);
      else this.#fail(file, { file: noFile, bytes: 0 }, error);
    }
  }

  /** Until a rescan was asked for, or it is time to look at everything again; takes in what changes meanwhile. */
  async #waitForWork(ms: number, signal: AbortSignal): Promise<void> {
    const { runtime } = this.#deps;
    const until = runtime.monotonic() + ms;
    while (!signal.aborted && !this.#sweepDue) {
      await this.#lookAgain();
      if (this.#pending.size > 0) {
        await this.#drain(signal);
        continue;
      }
      const now = runtime.monotonic();
      if (now >= until || this.#sweepDue || signal.aborted) return;
      // No await between the looks at `pending` and `sweepDue` above and the sleep: a wake in between would be missed.
      let next = until;
      for (const at of this.#lookAgainAt.values()) next = Math.min(next, at);
      await this.#sleep(next - now);
    }
  }

  async #sleep(ms: number): Promise<void> {
    const timer = new AbortController();
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    await Promise.race([woken, this.#deps.runtime.sleep(Math.max(0, ms), timer.signal).catch(() => {})]);
    timer.abort();
  }

  /** Files that had news, for what came since, and those that failed. */
  async #lookAgain(): Promise<void> {
    const now = this.#deps.runtime.monotonic();
    const due = [...this.#lookAgainAt].filter(([, at]) => at <= now).map(([path]) => path);
    for (const path of due) {
      this.#lookAgainAt.delete(path);
      await this.#lookAtNews(path);
    }
  }

  /** Takes in what is pending, and what waited for that. */
  async #drain(signal: AbortSignal): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    try {
      while (this.#pending.size > 0 && !signal.aborted) {
        await this.#takePending(signal);
        for (const path of this.#unread.woken()) await this.#lookAtNews(path);
      }
    } finally {
      this.#working = false;
    }
  }

  /** Each pending file once, some at a time. */
  async #takePending(signal: AbortSignal): Promise<void> {
    const busy = new Set<string>();
    const running = new Set<Promise<void>>();
    while (!signal.aborted) {
      const pending = this.#pending.next(busy);
      if (pending) {
        busy.add(pending.path);
        const one = this.#takeIn(pending, signal).then(() => {
          // Only what was read: a change that was seen meanwhile has put another entry here.
          this.#pending.remove(pending);
          busy.delete(pending.path);
          running.delete(one);
        });
        running.add(one);
      }
      if (running.size === 0) break;
      if (!pending || running.size >= (pending.order === undefined ? lanes : documentLanes))
        await Promise.race(running);
    }
    await Promise.all(running);
  }

  async #takeIn({ path, place, file }: Pending, signal: AbortSignal): Promise<void> {
    const { runtime } = this.#deps;
    const start = runtime.monotonic();
    try {
      await this.#intake.take(path, place, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#fail(path, { file, bytes: this.#behind(path, place, file) }, error);
    }
    const now = runtime.monotonic();
    const restUntil = this.#unread.rest(path, now - start, now);
    this.#lookAgainAt.set(path, Math.max(now + settleMs, restUntil ?? 0));
  }

  #fail(path: string, rest: Rest, error: unknown): void {
    const text = textOf(path, error);
    // What the store refuses is no fault of the file.
    const maxMs = error instanceof RefusedError ? sweepMs : maxRetryMs;
    if (this.#unread.fail(path, rest, text, this.#deps.runtime.monotonic(), maxMs)) this.#tell(path, error);
  }

  #failFolder(path: string, error: unknown): void {
    const text = textOf(path, error);
    if (this.#failures.get(path) !== text && this.#lastFailures.get(path) !== text) this.#tell(path, error);
    this.#failures.set(path, text);
  }

  #tell(path: string, error: unknown): void {
    this.#deps.runtime.log.warn({ err: error, path }, 'a transcript could not be read');
  }
}

function textOf(path: string, error: unknown): string {
  return `${path}: ${error instanceof Error ? error.message : String(error)}`;
}

/** What a path stands for: the log of a database, for that. */
function fileOf(path: string, place: Place): string {
  return place.reading === 'database' ? place.path : path;
}

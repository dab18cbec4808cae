// One source: finds its files, takes in what is new in them, newest first, and follows them. Work grows with new bytes: a
// file whose size and time are known is not opened (P24).
import { statSync } from 'node:fs';
import type { SourceStatus } from '../../protocol/methods.ts';
import type { Place, Source } from '../adapters/adapter.ts';
import { Folder } from './folder.ts';
import type { IntakeDeps } from './intake.ts';
import { databaseState, Intake } from './intake.ts';
import { Marks } from './marks.ts';
import { Queue } from './queue.ts';
import type { FileState } from './transcript.ts';
import { fileState, stateOf } from './transcript.ts';

export type IngestDeps = IntakeDeps;

const sweepMs = 60_000;
const absentMs = 5_000;
const settleMs = 100;
const retryMs = 1_000;
/** Files looked at in one turn of the event loop: a fraction of a millisecond. */
const looksATurn = 64;

/** Files read at once: what they bring shares a commit. More would hold the event loop for longer. */
const lanes = 4;
/** Files of one record each, read at once. */
const documentLanes = 64;

type Pending = { path: string; place: Place; size: number; mtimeMs: number; order: string | undefined };

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
  /** path -> what is wrong with it now; what could be read again is gone from here. */
  readonly #failures = new Map<string, string>();
  #wake: () => void = () => {};
  #idle: (() => void)[] = [];
  #sweepDue = false;
  #working = false;
  #ended = false;
  /** path -> when, on the monotonic clock. */
  readonly #lookAgainAt = new Map<string, number>();
  /** path -> how long its last failure is waited out. */
  readonly #retryMs = new Map<string, number>();

  constructor(source: Source, deps: IngestDeps, name: string = source.kind) {
    this.name = name;
    this.source = source;
    this.#deps = deps;
    this.#marks = new Marks(source, deps.positions);
    this.#intake = new Intake(source, deps, this.#marks);
    this.#folder = new Folder(source, deps.runtime, {
      onChange: (path) => void this.#lookAtNews(path).then(() => this.#wake()),
      onFail: (path, error) => this.#fail(path, error),
    });
  }

  get status(): SourceStatus {
    const { kind, path } = this.source;
    let bytesBehind = 0;
    for (const { path: file, place, size } of this.#pending.values()) {
      const mark = this.#marks.find(file);
      const taken = place.reading === 'lines' ? mark?.offset : mark?.size;
      bytesBehind += Math.max(0, size - Math.max(0, taken ?? 0));
    }
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
      lastError: [...this.#failures.values()].at(-1) ?? null,
    };
  }

  #state(): SourceStatus['state'] {
    if (!this.#firstReadDone) return 'reading';
    if (!this.#present) return 'absent';
    return this.#failures.size === 0 ? 'watching' : 'failing';
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
    try {
      await this.#lookAtAll(signal);
    } catch (error) {
      this.#fail(this.source.path, error);
    }
    if (waiting.length === 0) return;
    await this.#drain(signal);
    for (const resolve of waiting) resolve();
  }

  async #lookAtAll(signal: AbortSignal): Promise<void> {
    const before = [...this.#failures.keys()];
    for (const path of before) if (!this.source.identify(path)) this.#failures.delete(path);
    const found = await this.#folder.list(signal);
    this.#present = found !== undefined;
    // What is wrong with a folder was found anew by listing it; with a file, it is when that is read again.
    if (before.length > 0) {
      const here = new Set(found?.map(({ path }) => path));
      for (const path of before) if (this.source.identify(path) && !here.has(path)) this.#forgive(path);
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
    if (place.reading === 'database' || !this.#marks.find(path)) return false;
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats?.isFile() === true && this.#marks.isUnchanged(path, stateOf(stats));
  }

  /** A file that may be new since the last look at all of them. */
  async #lookAtNews(path: string): Promise<void> {
    const place = this.source.identify(path);
    if (!place) return;
    const file = fileOf(path, place);
    const isNew = !this.#marks.find(file) && !this.#pending.has(file);
    await this.#look(path, place);
    if (isNew && this.#pending.has(file)) this.#known += 1;
  }

  /** Remembers a file that has something new. */
  async #look(path: string, place: Place): Promise<void> {
    const file = fileOf(path, place);
    try {
      const state: FileState = await (place.reading === 'database' ? databaseState(file) : fileState(file));
      if (this.#marks.isUnchanged(file, state)) return;
      if (state.size === 0 && !this.#marks.find(file)) return;
      const order = place.reading === 'document' ? place.order : undefined;
      this.#pending.add({ path: file, place, size: state.size, mtimeMs: state.mtimeMs, order });
      if (this.#firstReadDone) await this.#folder.follow(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') this.#forgive(file);
      else this.#fail(file, error);
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

  /** chokidar drops a change that follows another within 5 ms: a file that had news is looked at once more. */
  async #lookAgain(): Promise<void> {
    const now = this.#deps.runtime.monotonic();
    const due = [...this.#lookAgainAt].filter(([, at]) => at <= now).map(([path]) => path);
    for (const path of due) {
      this.#lookAgainAt.delete(path);
      await this.#lookAtNews(path);
    }
  }

  /** Takes in what is pending. What had to wait for other files is tried again as long as there is any progress. */
  async #drain(signal: AbortSignal): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    try {
      let waiting: Pending[] = [];
      for (;;) {
        const { progress, waits } = await this.#takePending(signal);
        waiting = waits;
        if (signal.aborted || !progress || waits.length === 0) break;
        for (const again of waits) this.#pending.add(again);
      }
      for (const { path } of waiting) this.#retryLater(path);
    } finally {
      this.#working = false;
    }
  }

  /** Each pending file once, some at a time. */
  async #takePending(signal: AbortSignal): Promise<{ progress: boolean; waits: Pending[] }> {
    const waits: Pending[] = [];
    let progress = false;
    const busy = new Set<string>();
    const running = new Set<Promise<void>>();
    while (!signal.aborted) {
      const pending = this.#pending.next(busy);
      if (pending) {
        busy.add(pending.path);
        const one = this.#takeIn(pending, signal).then((outcome) => {
          if (outcome === 'waits') waits.push(pending);
          else progress ||= outcome === 'taken';
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
    return { progress, waits };
  }

  async #takeIn({ path, place }: Pending, signal: AbortSignal): Promise<'taken' | 'waits' | 'failed'> {
    try {
      const outcome = await this.#intake.take(path, place, signal);
      this.#failures.delete(path);
      if (outcome === 'waits') return outcome;
      this.#retryMs.delete(path);
      this.#lookAgainAt.set(path, this.#deps.runtime.monotonic() + settleMs);
      return outcome;
    } catch (error) {
      if (signal.aborted) return 'failed';
      this.#fail(path, error);
      this.#retryLater(path);
      return 'failed';
    }
  }

  #retryLater(path: string): void {
    const waitMs = Math.min(sweepMs, (this.#retryMs.get(path) ?? retryMs / 2) * 2);
    this.#retryMs.set(path, waitMs);
    this.#lookAgainAt.set(path, this.#deps.runtime.monotonic() + waitMs);
  }

  #forgive(path: string): void {
    this.#failures.delete(path);
    this.#retryMs.delete(path);
  }

  #fail(path: string, error: unknown): void {
    this.#failures.set(path, `${path}: ${error instanceof Error ? error.message : String(error)}`);
    this.#deps.runtime.log.warn({ err: error, path }, 'a transcript could not be read');
  }
}

/** What a path stands for: the log of a database, for that. */
function fileOf(path: string, place: Place): string {
  return place.reading === 'database' ? place.path : path;
}

// Sources: transcript lines -> ops with derived op ids, their position in the same transaction. One file at a time, newest
// first, in small pieces that yield. Work grows with new bytes: a file whose size and time are known is not opened (P24).
import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { FSWatcher } from 'chokidar';
import { watch } from 'chokidar';
import type { SourceStatus } from '../../protocol/methods.ts';
import type { Held, Source, Transcript } from '../adapters/adapter.ts';
import { derivedOpId } from '../adapters/ids.ts';
import type { Ledger } from '../store/ledger.ts';
import type { Position, Positions } from '../store/positions.ts';
import type { Tables } from '../store/tables.ts';
import type { Runtime } from './runtime.ts';
import type { FileState } from './transcript.ts';
import { fileState, isUnchanged, TranscriptReader } from './transcript.ts';
import type { Writer } from './writer.ts';

export type IngestDeps = {
  writer: Writer;
  tables: Pick<Tables, 'findPart'>;
  ledger: Pick<Ledger, 'findRecord'>;
  positions: Positions;
  runtime: Runtime;
  maxLineBytes?: number;
};

/** Bytes of a file in one transaction: a few milliseconds of the event loop. */
const pieceBytes = 256 * 1024;
/** Lines without any message are waited with up to here; then they are taken without one. */
const maxWaitBytes = 4 * 1024 * 1024;
/** Files untouched for longer have no watch of their own; the sweep finds what changes in them. */
const recentMs = 3 * 24 * 3600_000;
const sweepMs = 60_000;
const absentMs = 5_000;
const settleMs = 100;
const retryMs = 1_000;

type Pending = { sessionKey: string; file: FileState };

export class Ingest {
  readonly source: Source;
  readonly #deps: IngestDeps;
  readonly #positions: Map<string, Position>;
  readonly #pending = new Map<string, Pending>();
  #known = 0;
  /** Files found by the scan under way that it has not looked at yet. */
  #unlooked = 0;
  #firstReadDone = false;
  #present = false;
  /** path -> what is wrong with it now; what could be read again is gone from here. */
  readonly #failures = new Map<string, string>();
  #watcher: FSWatcher | undefined;
  #wake: () => void = () => {};
  #idle: (() => void)[] = [];
  #working = false;
  /** path -> when, on the monotonic clock. */
  readonly #lookAgainAt = new Map<string, number>();
  /** path -> how long its last failure is waited out. */
  readonly #retryMs = new Map<string, number>();

  constructor(source: Source, deps: IngestDeps) {
    this.source = source;
    this.#deps = deps;
    this.#positions = new Map(deps.positions.read(source.kind).map((position) => [position.path, position]));
  }

  get status(): SourceStatus {
    const { kind, path } = this.source;
    let bytesBehind = 0;
    for (const [file, pending] of this.#pending) {
      bytesBehind += Math.max(0, pending.file.size - (this.#positions.get(file)?.offset ?? 0));
    }
    let badRecords = 0;
    const sessions = new Set<string>();
    for (const position of this.#positions.values()) {
      badRecords += position.badRecords;
      if (position.offset > 0) sessions.add(position.sessionKey);
    }
    const files = Math.max(this.#known, this.#pending.size);
    return {
      name: kind,
      kind,
      path,
      state: this.#state(),
      files,
      filesDone: Math.max(0, files - this.#pending.size - this.#unlooked),
      bytesBehind,
      sessions: sessions.size,
      badRecords,
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
    signal.addEventListener('abort', () => this.#wake());
    try {
      while (!signal.aborted) {
        await this.#scan(signal);
        await this.#drain(signal);
        this.#firstReadDone = true;
        await this.#waitForWork(this.#present ? sweepMs : absentMs, signal);
      }
    } finally {
      await this.#watcher?.close();
    }
  }

  /** Looks at every file now. Resolves, when what was found is taken in, with the number of files looked at. */
  async rescan(): Promise<number> {
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve);
      this.#sweepDue = true;
      this.#wake();
    });
    return this.#known;
  }
  #sweepDue = false;

  /** Finds new and changed files; then answers whoever asked for that. */
  async #scan(signal: AbortSignal): Promise<void> {
    this.#sweepDue = false;
    const waiting = this.#idle;
    this.#idle = [];
    this.#failures.delete(this.source.path);
    try {
      await this.#lookAtAll(signal);
    } catch (error) {
      this.#fail(this.source.path, error);
    }
    if (waiting.length === 0) return;
    await this.#drain(signal);
    for (const resolve of waiting) resolve();
  }

  /** The watcher starts before the look, so that nothing falls between the two. */
  async #lookAtAll(signal: AbortSignal): Promise<void> {
    const found = await this.#list(this.source.path);
    this.#present = found !== undefined;
    if (!found) {
      // A watcher of a folder that is gone hears nothing of another in its place.
      await this.#watcher?.close();
      this.#watcher = undefined;
      return;
    }
    if (!this.#watcher) {
      this.#watcher = await this.#startWatching(signal);
      // What came while the watcher was starting.
      for (const path of (await this.#list(this.source.path)) ?? []) found.add(path);
    }
    this.#known = found.size;
    this.#unlooked = found.size;
    for (const path of found) {
      await this.#look(path);
      this.#unlooked -= 1;
    }
  }

  /** All transcripts below a folder; undefined when it is not there. */
  async #list(folder: string): Promise<Set<string> | undefined> {
    let entries: Awaited<ReturnType<typeof readFolder>>;
    try {
      entries = await readFolder(folder);
    } catch (error) {
      if (folder === this.source.path && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      this.#fail(folder, error);
      return new Set();
    }
    const found = new Set<string>();
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) for (const inside of (await this.#list(path)) ?? []) found.add(inside);
      else if (this.source.identify(path) !== undefined && (await isFile(entry, path))) found.add(path);
    }
    return found;
  }

  /** Remembers a file that has something new. */
  async #look(path: string): Promise<void> {
    const sessionKey = this.source.identify(path);
    if (sessionKey === undefined) return;
    try {
      const file = await fileState(path);
      if (isUnchanged(this.#positions.get(path), file)) return;
      if (file.size === 0 && !this.#positions.has(path)) return;
      // One that was old when the watcher started is in use again.
      if (this.#firstReadDone && this.#watcher) this.#watcher.add(await realpath(path));
      this.#pending.set(path, { sessionKey, file });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#fail(path, error);
    }
  }

  async #startWatching(signal: AbortSignal): Promise<FSWatcher> {
    const { runtime } = this.#deps;
    // The folder itself may be a link (dotfiles); below it links are not followed, since they may lead round in a circle.
    const { path: root } = this.source;
    const real = await realpath(root);
    const watcher = watch(real, {
      ignoreInitial: true,
      followSymlinks: false,
      ignored: (path, stats) =>
        stats?.isFile() === true &&
        (this.source.identify(join(root, relative(real, path))) === undefined ||
          runtime.now() - stats.mtimeMs > recentMs),
    });
    const onFile = (path: string) => {
      void this.#look(join(root, relative(real, path))).then(() => this.#wake());
    };
    watcher.on('add', onFile).on('change', onFile);
    watcher.on('error', (error) => this.#fail(this.source.path, error));
    await new Promise<void>((resolve) => {
      watcher.once('ready', resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    return watcher;
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
      if (now >= until) return;
      // No await between the look at `pending` above and this line: a wake in between would be missed.
      await this.#sleep(Math.min(until, ...this.#lookAgainAt.values()) - now);
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
      await this.#look(path);
    }
  }

  /** Takes in what is pending, newest first: the session that someone works in now is there first. */
  async #drain(signal: AbortSignal): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    try {
      while (this.#pending.size > 0 && !signal.aborted) {
        const path = newest(this.#pending);
        const pending = this.#pending.get(path)!;
        const { runtime } = this.#deps;
        try {
          await this.#takeIn(path, pending.sessionKey, signal);
          this.#failures.delete(path);
          this.#retryMs.delete(path);
          this.#lookAgainAt.set(path, runtime.monotonic() + settleMs);
        } catch (error) {
          if (signal.aborted) return;
          // Its position stands where it stood, so nothing of it is lost: it is read again (P12).
          this.#fail(path, error);
          const waitMs = Math.min(sweepMs, (this.#retryMs.get(path) ?? retryMs / 2) * 2);
          this.#retryMs.set(path, waitMs);
          this.#lookAgainAt.set(path, runtime.monotonic() + waitMs);
        }
        // Only what was read: a change that was seen meanwhile has put another entry here.
        if (this.#pending.get(path) === pending) this.#pending.delete(path);
      }
    } finally {
      this.#working = false;
    }
  }

  async #takeIn(path: string, sessionKey: string, signal: AbortSignal): Promise<void> {
    let reader: TranscriptReader;
    try {
      reader = await TranscriptReader.open(path, this.#deps.maxLineBytes);
    } catch (error) {
      // Deleted in the meantime: what was taken in stays (P25).
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    try {
      const held = this.#positions.get(path);
      const goesOn = held !== undefined && (await reader.continues(held));
      let position: Position = goesOn ? held : this.#startOf(path, sessionKey, reader.file);
      for (let bytes = pieceBytes; !signal.aborted; ) {
        const piece = await reader.readPiece(position.offset, bytes);
        const mustTake = bytes >= maxWaitBytes;
        const next = await this.#takePiece(position, piece, reader.file, mustTake);
        const waits = next.offset === position.offset && piece.lines.length > 0;
        position = next;
        if (piece.atEnd) break;
        bytes = waits ? bytes * 2 : pieceBytes;
      }
    } finally {
      await reader.close();
    }
  }

  async #takePiece(
    position: Position,
    piece: Awaited<ReturnType<TranscriptReader['readPiece']>>,
    file: FileState,
    mustTake: boolean,
  ): Promise<Position> {
    const { kind } = this.source;
    const transcript: Transcript = { path: position.path, sessionKey: position.sessionKey, mtimeMs: file.mtimeMs };
    const state: unknown = JSON.parse(position.state);
    const read =
      piece.lines.length > 0
        ? this.source.read(transcript, piece.lines, state, this.#heldBy(transcript), mustTake)
        : { ops: [], state, badRecords: 0 };
    const waits = 'wait' in read && !mustTake;
    // Size and time are written only when the end was reached: a crash in the middle of a file must read on.
    const seen = piece.atEnd ? { size: file.size, mtimeMs: file.mtimeMs } : { size: -1, mtimeMs: 0 };
    const next: Position = waits
      ? { ...position, ...seen, inode: file.inode }
      : {
          ...position,
          ...seen,
          inode: file.inode,
          offset: piece.end,
          tail: piece.tail,
          state: JSON.stringify(read.state ?? null),
          badRecords: position.badRecords + read.badRecords,
        };
    const ops = waits ? [] : read.ops.map((op) => ({ ...op, opId: derivedOpId(kind, transcript.sessionKey, op.key) }));
    const { writer, runtime } = this.#deps;
    const result = await writer.takeIn({ source: kind, actorId: `source/${kind}`, ops, position: next });
    this.#positions.set(next.path, next);
    // A session or record that the user deleted stays deleted: those refusals are the rule at work.
    const unforeseen = result.refused.filter(
      ({ refusal }) => refusal.refused !== 'AlreadyExists' && refusal.refused !== 'NotFound',
    );
    if (unforeseen.length > 0) {
      const [first] = unforeseen;
      runtime.log.warn({ path: next.path, key: first!.op.key, refusal: first!.refusal }, 'a record was refused');
    }
    return next;
  }

  #heldBy(transcript: Transcript): Held {
    const { tables, ledger } = this.#deps;
    return {
      findPart: (partId) => tables.findPart(partId),
      hasKey: (key) => ledger.findRecord(derivedOpId(this.source.kind, transcript.sessionKey, key)) !== undefined,
    };
  }

  #startOf(path: string, sessionKey: string, file: FileState): Position {
    const empty = Buffer.alloc(0);
    const place = { source: this.source.kind, path, sessionKey, inode: file.inode, offset: 0, tail: empty };
    return { ...place, size: -1, mtimeMs: 0, state: 'null', badRecords: 0 };
  }

  #fail(path: string, error: unknown): void {
    this.#failures.set(path, `${path}: ${error instanceof Error ? error.message : String(error)}`);
    this.#deps.runtime.log.warn({ err: error, path }, 'a transcript could not be read');
  }
}

function readFolder(folder: string) {
  return readdir(folder, { withFileTypes: true });
}

/** A file, or a link to one: what it grows by is found by the sweep. */
async function isFile(entry: Dirent, path: string): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isFile();
  return stat(path).then(
    (target) => target.isFile(),
    () => false,
  );
}

function newest(pending: Map<string, Pending>): string {
  let best: [string, Pending] | undefined;
  for (const entry of pending) if (!best || entry[1].file.mtimeMs > best[1].file.mtimeMs) best = entry;
  return best![0];
}

// The outbox in a file that outlives the process: lines of JSON, appended and fsynced, many at a time. What is done with is a line
// too; now and then the file is written anew without it. One process a file.
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Batch, HeldIntents, Intent, IntentStore } from '../intents-store.ts';
import { IntentsLockedError } from '../intents-store.ts';
import { FileLock } from './file-lock.ts';

type Line =
  | { v: 1; clientId: string }
  | Intent
  | { batch: Batch }
  /** Ends the batch. */
  | { gone: readonly number[] }
  | { cursor: string };
type Write = { line: Line; mustLast: boolean; resolve(): void; reject(error: unknown): void };

/** Below this the file is not written anew; above, when half of it is done with. */
const smallBytes = 1024 * 1024;

/**
 * Keeps ops in the file at `path` (0600; it is made, with its folder, where it is missing). A write that fails is told to whoever
 * handed the op over, and the file is as before; an fsync that fails ends it, since what is on disk then is unknown.
 */
export function fileIntents(path: string): IntentStore {
  return new FileIntents(path);
}

class FileIntents implements IntentStore {
  readonly lasts = true;
  readonly #path: string;
  #lock: FileLock | undefined;
  #file!: FileHandle;
  #size = 0;
  /** Bytes of what is not done with yet: about. */
  #liveBytes = 0;
  readonly #held = { clientId: '', cursor: undefined, batch: undefined } as Omit<HeldIntents, 'intents'>;
  readonly #intents = new Map<number, { intent: Intent; bytes: number }>();
  #writes: Write[] = [];
  #flushing: Promise<void> | undefined;
  #broken: unknown;

  constructor(path: string) {
    this.#path = path;
  }

  async open(newClientId: () => string): Promise<HeldIntents> {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    const lock = FileLock.take(`${this.#path}.lock`);
    if (typeof lock === 'string') throw new IntentsLockedError(this.#path, lock);
    this.#lock = lock;
    try {
      for (const line of readLines(this.#path)) this.#apply(line, JSON.stringify(line).length);
      this.#held.clientId ||= newClientId();
      await this.#rewrite();
    } catch (error) {
      lock.release();
      throw error;
    }
    return { ...this.#held, intents: [...this.#intents.values()].map(({ intent }) => intent) };
  }

  add({ n, at, op }: Intent): Promise<void> {
    return this.#write({ n, at, op }, true);
  }

  bind(batch: Batch): Promise<void> {
    return this.#write({ batch }, true);
  }

  remove(gone: readonly number[]): Promise<void> {
    return this.#write({ gone }, false);
  }

  keepCursor(cursor: string): Promise<void> {
    return this.#write({ cursor }, true);
  }

  async close(): Promise<void> {
    await this.#flushing;
    await this.#file.close();
    this.#lock?.release();
  }

  #write(line: Line, mustLast: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#writes.push({ line, mustLast, resolve, reject });
      this.#flushing ??= this.#flush();
    });
  }

  /** Writes all that there is, again until there is no more. Never rejects. */
  async #flush(): Promise<void> {
    // What is handed over in the same turn of the event loop shares one fsync.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#writes.length > 0) {
      const writes = this.#writes;
      this.#writes = [];
      try {
        await this.#append(writes);
        for (const { resolve } of writes) resolve();
      } catch (error) {
        for (const { reject } of writes) reject(error);
      }
    }
    // No await between that look and this line: a write in between would lie until the next.
    this.#flushing = undefined;
  }

  async #append(writes: Write[]): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken;
    const lines = writes.map(({ line }) => `${JSON.stringify(line)}\n`);
    try {
      await this.#file.appendFile(lines.join(''));
    } catch (error) {
      // Half a line may be there, which the next would make a whole one of.
      await this.#file.truncate(this.#size).catch((left: unknown) => {
        this.#broken = left;
      });
      throw error;
    }
    try {
      if (writes.some(({ mustLast }) => mustLast)) await this.#file.datasync();
      writes.forEach(({ line }, index) => {
        this.#apply(line, lines[index]!.length);
      });
      this.#size += Buffer.byteLength(lines.join(''));
      if (this.#size > smallBytes && this.#size > 2 * this.#liveBytes) {
        await this.#file.close();
        await this.#rewrite();
      }
    } catch (error) {
      this.#broken = error;
      throw error;
    }
  }

  #apply(line: Line, bytes: number): void {
    if ('n' in line) {
      this.#intents.set(line.n, { intent: line, bytes });
      this.#liveBytes += bytes;
    } else if ('gone' in line) {
      for (const n of line.gone) {
        this.#liveBytes -= this.#intents.get(n)?.bytes ?? 0;
        this.#intents.delete(n);
      }
      this.#held.batch = undefined;
    } else if ('batch' in line) this.#held.batch = line.batch;
    else if ('cursor' in line) this.#held.cursor = line.cursor;
    else this.#held.clientId = line.clientId;
  }

  /** Writes what is not done with to a new file and puts it in the old one's place: at each moment one of the two is whole. */
  async #rewrite(): Promise<void> {
    const { clientId, cursor, batch } = this.#held;
    const lines: Line[] = [{ v: 1, clientId }];
    if (cursor !== undefined) lines.push({ cursor });
    for (const { intent } of this.#intents.values()) lines.push(intent);
    if (batch) lines.push({ batch });
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    const draft = `${this.#path}.new`;
    const file = openSync(draft, 'w', 0o600);
    try {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(draft, this.#path);
    syncFolder(dirname(this.#path));
    this.#file = await open(this.#path, 'a', 0o600);
    this.#size = Buffer.byteLength(text);
  }
}

function readLines(path: string): Line[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const lines = text.split('\n').map(parse);
  const end = lines.indexOf(undefined);
  // At its end a crash may have left what nobody was told is kept. Anywhere else it is damage, and no op is dropped in silence.
  if (lines.slice(end).some((line) => line !== undefined)) {
    throw new Error(`${path}, line ${end + 1}, is damaged: mend that line, or move the file away`);
  }
  const kept = lines.slice(0, end) as Line[];
  const [first] = kept;
  if (first && !('v' in first && first.v === 1)) throw new Error(`${path} is no outbox that this version can read`);
  return kept;
}

/** Undefined for what is no line; what stands behind the last line end is none, too. */
function parse(text: string, index: number, all: string[]): Line | undefined {
  if (index === all.length - 1) return undefined;
  try {
    const line = JSON.parse(text) as unknown;
    return typeof line === 'object' && line !== null ? (line as Line) : undefined;
  } catch {
    return undefined;
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

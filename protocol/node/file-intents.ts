// The outbox in a file that outlives the process: lines of JSON, appended and fsynced, many at a time. What is done with is a line
// too; now and then the file is written anew without it. One process a file.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs';
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

/** Bytes. Below this the file is not written anew; above, when half of it is done with. */
const smallBytes = 1024 * 1024;

/**
 * Keeps ops in the file at `path` (0600; it is made, with its folder, where it is missing, also when somebody removes it later). A
 * write that fails is told to whoever handed the op over, and the file is as before; an fsync that fails ends it, since what is on
 * disk then is unknown. A file that is no outbox, or a damaged one, is refused at the opening and left as it is.
 */
export function fileIntents(path: string): IntentStore {
  return new FileIntents(path);
}

class FileIntents implements IntentStore {
  readonly lasts = true;
  readonly #path: string;
  #lock: FileLock | undefined;
  #file: FileHandle | undefined;
  #size = 0;
  /** Bytes above which it may be written anew: more after that has failed, as on a full disk. */
  #large = smallBytes;
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
    this.#takeLock();
    try {
      for (const line of readLines(this.#path)) this.#apply(line, JSON.stringify(line).length);
      this.#held.clientId ||= newClientId();
      await this.#rewrite();
    } catch (error) {
      await this.close();
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
    try {
      await this.#file?.close();
    } finally {
      this.#lock?.release();
    }
  }

  #takeLock(): void {
    const lock = FileLock.take(`${this.#path}.lock`);
    if (typeof lock === 'string') throw new IntentsLockedError(this.#path, lock);
    this.#lock = lock;
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
    const file = this.#file!;
    const lines = writes.map(({ line }) => `${JSON.stringify(line)}\n`);
    try {
      await file.appendFile(lines.join(''));
    } catch (error) {
      // Half a line may be there, which the next would make a whole one of.
      await file.truncate(this.#size).catch((left: unknown) => {
        this.#broken = left;
      });
      throw error;
    }
    try {
      if (writes.some(({ mustLast }) => mustLast)) await file.datasync();
    } catch (error) {
      this.#broken = error;
      throw error;
    }
    if ((await file.stat()).nlink === 0) {
      // Somebody removed the file: what was written is nowhere.
      await this.#putBack();
      return this.#append(writes);
    }
    writes.forEach(({ line }, index) => {
      this.#apply(line, lines[index]!.length);
    });
    this.#size += Buffer.byteLength(lines.join(''));
    if (this.#size <= this.#large || this.#size <= 2 * this.#liveBytes) return;
    // What was handed over is on disk, whether this succeeds or not.
    await this.#rewrite().catch(() => {
      this.#large = this.#size + smallBytes;
    });
  }

  /** Makes the removed file anew. Throws where another process has come to its place. */
  async #putBack(): Promise<void> {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    if (this.#lock!.isLost()) {
      this.#lock!.release();
      this.#takeLock();
    }
    if (existsSync(this.#path))
      throw new Error(`${this.#path} was removed, and another file is in its place: start again`);
    await this.#rewrite();
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

  /**
   * Writes what is not done with to a new file and puts it in the old one's place: at each moment one of the two is whole. Where
   * that fails it goes on with the old one.
   */
  async #rewrite(): Promise<void> {
    const { clientId, cursor, batch } = this.#held;
    const lines: Line[] = [{ v: 1, clientId }];
    if (cursor !== undefined) lines.push({ cursor });
    for (const { intent } of this.#intents.values()) lines.push(intent);
    if (batch) lines.push({ batch });
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    const draft = `${this.#path}.new`;
    let file: FileHandle | undefined;
    try {
      rmSync(draft, { force: true });
      file = await open(draft, 'ax', 0o600);
      await file.appendFile(text);
      await file.sync();
      renameSync(draft, this.#path);
    } catch (error) {
      await file?.close().catch(() => {});
      if (file) rmSync(draft, { force: true });
      throw error;
    }
    const old = this.#file;
    this.#file = file;
    this.#size = Buffer.byteLength(text);
    this.#large = smallBytes;
    await old?.close().catch(() => {});
    try {
      syncFolder(dirname(this.#path));
    } catch (error) {
      // Which of the two is there after a crash is unknown, and only one has what is written from now on.
      this.#broken = error;
      throw error;
    }
  }
}

/** The lines of an outbox; none where there is no file, or an empty one. Throws for a file that is none, or damaged. */
function readLines(path: string): Line[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  // Behind the last line end a crash may have left a piece of what nobody was told is kept. Anything else that is no line of ours
  // is damage, and no op is dropped in silence.
  const [first, ...others] = text.split('\n').slice(0, -1).map(parse);
  if (isPieceOfFirst(text)) return [];
  if (!isFirst(first)) {
    throw new Error(
      `${path} is no outbox that this version can read: give the outbox another path, or move the file away`,
    );
  }
  const damaged = others.findIndex((line) => !isLine(line));
  if (damaged !== -1) {
    throw new Error(`${path}, line ${damaged + 2}, is damaged: mend or delete that line, or move the file away`);
  }
  return [first, ...(others as Line[])];
}

/** Undefined for what is no JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isFirst(value: unknown): value is Line {
  const { v, clientId } = fieldsOf(value);
  return v === 1 && typeof clientId === 'string';
}

/** Whether it may become a first line by what is written behind it; also where it is empty. */
function isPieceOfFirst(text: string): boolean {
  const start = '{"v":1,"clientId":"';
  return (
    start.startsWith(text) ||
    (text.startsWith(start) && /^(?:[^"\\\n]|\\[^\n])*(?:\\|"\}?)?$/.test(text.slice(start.length)))
  );
}

function isLine(value: unknown): value is Line {
  const { n, at, op, gone, batch, cursor } = fieldsOf(value);
  if (n !== undefined) return areNumbers([n, at]) && typeof fieldsOf(op).type === 'string';
  if (gone !== undefined) return areNumbers(gone);
  if (batch !== undefined) return typeof fieldsOf(batch).batchId === 'string' && areNumbers(fieldsOf(batch).ns);
  return typeof cursor === 'string';
}

function areNumbers(value: unknown): boolean {
  return Array.isArray(value) && value.every(Number.isFinite);
}

/** None of what is no object. */
function fieldsOf(value: unknown): Record<string, unknown> {
  return Object(value) as Record<string, unknown>;
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

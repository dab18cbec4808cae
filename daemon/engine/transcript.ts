// Reads the complete lines of a transcript from a position, in bounded pieces. Only newline-ended records are taken: a
// torn line is not there yet (P26). A file that was cut, replaced or rewritten is read from its start again.
//
// Known limit: an edit in place that keeps the length, lies more than 64 KiB before the position, and came together with
// growth before anybody looked, is not noticed. No check that does not read all of the file again would find it.
import { hash } from 'node:crypto';
import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { constants, open, stat } from 'node:fs/promises';
import type { SourceLine } from '../adapters/adapter.ts';
import type { FileMark, Position } from '../store/positions.ts';
import { Budget, Holding } from './budget.ts';

/**
 * How many bytes before a position are summed up, to tell growth from a rewrite. Claude Code drops a message by rewriting
 * the last 64 KiB of its file in place (FORMATS.md 3.1).
 */
const tailBytes = 64 * 1024;
const newline = 10;
const scanBytes = 1024 * 1024;
/** Before the end of a scan: other bytes there mean that it must begin anew. */
const edgeBytes = 4 * 1024;
/** A longer line is kept only up to here: written out as JSON, it would not fit a string of V8's. */
export const defaultMaxLineBytes = 64 * 1024 * 1024;

/** `ctimeMs` also changes with the file's mode; it is not kept with positions. */
export type FileState = { inode: number; size: number; mtimeMs: number; ctimeMs: number };

/** Rejects for what is no file: a pipe or a device in its place must not be read. */
export async function fileState(path: string): Promise<FileState> {
  const stats = await stat(path);
  if (!stats.isFile()) throw new Error('this is no file');
  return stateOf(stats);
}

export function stateOf({ ino, size, mtimeMs, ctimeMs }: Stats): FileState {
  return { inode: ino, size, mtimeMs, ctimeMs };
}

/** Opens a file to read it. What is none is refused: opening a pipe would wait for somebody to write to it. */
export async function openFile(path: string): Promise<{ handle: FileHandle; file: FileState }> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw new Error('this is no file');
    return { handle, file: stateOf(stats) };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Whether an error says that a file, or a folder on its way, is not there any more. */
export function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** Whether a file is still as it was when its position was written: then nothing of it need be read. */
export function isUnchanged(mark: FileMark | undefined, file: FileState): boolean {
  return mark !== undefined && mark.size === file.size && mark.mtimeMs === file.mtimeMs && mark.inode === file.inode;
}

/** A line that begins at `from` has no end up to `to`, as it was: `edge` is the digest of the last bytes of that. */
export type Scan = { inode: number; from: number; to: number; edge: Buffer };

/** Some complete lines, and where they end. `tail` goes into the position. */
export type Piece = {
  lines: SourceLine[];
  end: number;
  tail: Buffer;
  /** Nothing complete is behind them. */
  atEnd: boolean;
  /** How far the line behind them, which has no end yet, was looked through: for the next reader of this file. */
  scan?: Scan;
  /** The file itself is not whole yet: it must be read from its start again. */
  torn?: true;
};

export type ReaderOptions = {
  maxLineBytes?: number | undefined;
  /** Bounds what is held at once with other readers: each piece until the next one is asked for. */
  budget?: Budget | undefined;
  /** Of the reader before. */
  scan?: Scan | undefined;
};

/** Where lines come from: a file as it is, or one that is compressed. */
export interface LineReader {
  readonly file: FileState;
  /** Whether what was read before may still be there, as far as the file's state tells. */
  mayContinue(position: Position): boolean;
  /**
   * The complete lines behind the position, at least `bytes` of them where there are as many, and always whole ones: a
   * line longer than that is read to its end. Undefined when what was read before is not there any more.
   */
  readPiece(position: Position, bytes: number): Promise<Piece | undefined>;
  close(): Promise<void>;
}

export class TranscriptReader implements LineReader {
  readonly file: FileState;
  readonly #handle: FileHandle;
  readonly #maxLineBytes: number;
  readonly #holding: Holding;
  readonly #known: Scan | undefined;

  private constructor(handle: FileHandle, file: FileState, options: ReaderOptions) {
    this.#handle = handle;
    this.file = file;
    this.#maxLineBytes = options.maxLineBytes ?? defaultMaxLineBytes;
    this.#holding = new Holding(options.budget ?? new Budget(Number.POSITIVE_INFINITY));
    this.#known = options.scan;
  }

  static async open(path: string, options: ReaderOptions = {}): Promise<TranscriptReader> {
    const { handle, file } = await openFile(path);
    return new TranscriptReader(handle, file, options);
  }

  async close(): Promise<void> {
    this.#holding.end();
    await this.#handle.close();
  }

  /** The same file, not shorter; touched without growing, it was edited. */
  mayContinue({ inode, offset, size, mtimeMs }: Position): boolean {
    if (inode !== this.file.inode || this.file.size < offset) return false;
    return offset === 0 || size !== this.file.size || mtimeMs === this.file.mtimeMs;
  }

  /** What was before is looked at in the same read: the file may be rewritten at any time, also between two reads. */
  async readPiece({ offset, tail }: Position, bytes: number): Promise<Piece | undefined> {
    const from = Math.max(0, offset - tailBytes);
    const before = offset - from;
    const available = this.file.size - offset;
    let wanted = Math.min(bytes, available);
    let scanned = await this.#scannedFrom(offset);
    for (;;) {
      if (scanned !== undefined) {
        const end = await this.#findLineEnd(scanned);
        if (end === undefined) return this.#unended(offset, tail);
        wanted = end - offset;
      }
      const held = scanned === undefined ? wanted : Math.min(wanted, this.#maxLineBytes + 1);
      await this.#holding.exchange(before + held);
      const read = await this.#read(from, before + held);
      if (before > 0 && !digestOf(read.subarray(0, before)).equals(tail)) return undefined;
      const chunk = read.subarray(before);
      if (held < wanted) return this.#overlong(chunk, offset, offset + wanted);
      const last = chunk.lastIndexOf(newline);
      if (last >= 0) {
        const whole = splitLines(chunk.subarray(0, last + 1), offset, this.#maxLineBytes, linesIn(bytes));
        const { lines, end } = whole;
        const atEnd = (wanted >= available || chunk.length < wanted) && end === offset + last + 1;
        return { lines, end, tail: digestOf(read.subarray(0, end - from).subarray(-tailBytes)), atEnd };
      }
      scanned = offset + chunk.length;
    }
  }

  /** Only the beginning of it is kept. */
  async #overlong(chunk: Buffer, offset: number, end: number): Promise<Piece> {
    const text = chunk.toString('utf8', 0, this.#maxLineBytes);
    const before = await this.#read(Math.max(0, end - tailBytes), Math.min(end, tailBytes));
    return { lines: [{ text, offset }], end, tail: digestOf(before), atEnd: end >= this.file.size };
  }

  /** Up to where a reader before this one has looked for the end of the line that begins here, in vain. */
  async #scannedFrom(offset: number): Promise<number | undefined> {
    const { inode, from, to, edge } = this.#known ?? {};
    if (edge === undefined || to === undefined || from !== offset) return undefined;
    if (inode !== this.file.inode || to > this.file.size) return undefined;
    return (await this.#edgeAt(to)).equals(edge) ? to : undefined;
  }

  /** The end of the line, looked for from here on without holding what lies between. Undefined when it is not there yet. */
  async #findLineEnd(from: number): Promise<number | undefined> {
    for (let at = from; ; ) {
      const next = await this.#read(at, Math.min(scanBytes, this.file.size - at));
      const found = next.indexOf(newline);
      if (found >= 0) return at + found + 1;
      if (next.length === 0) return undefined;
      at += next.length;
    }
  }

  async #unended(offset: number, tail: Buffer): Promise<Piece> {
    const { inode, size } = this.file;
    const none = { lines: [], end: offset, tail, atEnd: true };
    // What is read at once anyhow need not be remembered.
    if (size - offset < scanBytes) return none;
    return { ...none, scan: { inode, from: offset, to: size, edge: await this.#edgeAt(size) } };
  }

  async #edgeAt(end: number): Promise<Buffer> {
    return digestOf(await this.#read(Math.max(0, end - edgeBytes), Math.min(end, edgeBytes)));
  }

  async #read(at: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#handle.read(buffer, filled, length - filled, at + filled);
      if (bytesRead === 0) break; // the file shrank since it was opened
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  }
}

function digestOf(bytes: Buffer): Buffer {
  return hash('sha256', bytes, 'buffer').subarray(0, 16);
}

/** As many lines as a piece of so many bytes may have: a million tiny ones are a million records too. */
export const linesIn = (bytes: number) => Math.max(1, Math.floor(bytes / 128));

/** The lines of bytes that end with a line end, at most `maxLines`, and where they end; `offset` is where they begin. */
export function splitLines(
  bytes: Buffer,
  offset: number,
  maxLineBytes: number,
  maxLines: number,
): { lines: SourceLine[]; end: number } {
  const lines: SourceLine[] = [];
  let from = 0;
  for (let at = bytes.indexOf(newline); at >= 0 && lines.length < maxLines; at = bytes.indexOf(newline, from)) {
    // Invalid UTF-8 becomes U+FFFD: a damaged character must not cost the record.
    const end = Math.min(at, from + maxLineBytes);
    lines.push({ text: bytes.toString('utf8', from, end), offset: offset + from });
    from = at + 1;
  }
  return { lines, end: offset + from };
}

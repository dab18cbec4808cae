// Reads the complete lines of a transcript from a position, in bounded pieces. Only newline-ended records are taken: a
// torn line is not there yet (P26). A file that was cut, replaced or rewritten is read from its start again.
import { hash } from 'node:crypto';
import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { constants, open, stat } from 'node:fs/promises';
import type { SourceLine } from '../adapters/adapter.ts';
import type { FileMark, Position } from '../store/positions.ts';

/**
 * How many bytes before a position are summed up, to tell growth from a rewrite. Claude Code drops a message by rewriting
 * the last 64 KiB of its file in place (FORMATS.md 3.1).
 */
const tailBytes = 64 * 1024;
const newline = 10;
const scanBytes = 1024 * 1024;
/** A longer line is kept only up to here: written out as JSON, it would not fit a string of V8's. */
export const defaultMaxLineBytes = 64 * 1024 * 1024;

export type FileState = { inode: number; size: number; mtimeMs: number };

/** Rejects for what is no file: a pipe or a device in its place must not be read. */
export async function fileState(path: string): Promise<FileState> {
  const stats = await stat(path);
  if (!stats.isFile()) throw new Error('this is no file');
  return stateOf(stats);
}

export function stateOf({ ino, size, mtimeMs }: Stats): FileState {
  return { inode: ino, size, mtimeMs };
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

/** Whether a file is still as it was when its position was written: then nothing of it need be read. */
export function isUnchanged(mark: FileMark | undefined, file: FileState): boolean {
  return mark !== undefined && mark.size === file.size && mark.mtimeMs === file.mtimeMs && mark.inode === file.inode;
}

/** Some complete lines, and where they end. `tail` goes into the position. */
export type Piece = { lines: SourceLine[]; end: number; tail: Buffer; atEnd: boolean };

/** Where lines come from: a file as it is, or one that is compressed. */
export interface LineReader {
  readonly file: FileState;
  /** Whether what was read before may still be there, as far as the file's state tells. */
  mayContinue(position: Position): boolean;
  /**
   * The complete lines behind the position, at least `bytes` of them where there are as many, and always whole ones: a
   * line longer than that is read to its end. `atEnd`: nothing complete is behind them. Undefined when what was read
   * before is not there any more.
   */
  readPiece(position: Position, bytes: number): Promise<Piece | undefined>;
  close(): Promise<void>;
}

export class TranscriptReader implements LineReader {
  readonly file: FileState;
  readonly #handle: FileHandle;
  readonly #maxLineBytes: number;

  private constructor(handle: FileHandle, file: FileState, maxLineBytes: number) {
    this.#handle = handle;
    this.#maxLineBytes = maxLineBytes;
    this.file = file;
  }

  static async open(path: string, maxLineBytes = defaultMaxLineBytes): Promise<TranscriptReader> {
    const { handle, file } = await openFile(path);
    return new TranscriptReader(handle, file, maxLineBytes);
  }

  async close(): Promise<void> {
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
    for (let wanted = bytes; ; wanted *= 2) {
      const available = this.file.size - offset;
      const read = await this.#read(from, before + Math.min(wanted, available));
      if (before > 0 && !digestOf(read.subarray(0, before)).equals(tail)) return undefined;
      const chunk = read.subarray(before);
      const last = chunk.lastIndexOf(newline);
      const complete = wanted >= available || chunk.length < wanted;
      if (last >= 0 || complete) {
        const whole = splitLines(chunk.subarray(0, last + 1), offset, this.#maxLineBytes, linesIn(bytes));
        const { lines, end } = whole;
        const atEnd = complete && end === offset + last + 1;
        return { lines, end, tail: digestOf(read.subarray(0, end - from).subarray(-tailBytes)), atEnd };
      }
      if (chunk.length > this.#maxLineBytes) return this.#readOverlong(offset, tail, chunk);
    }
  }

  /** A line of which only the beginning is kept: its end is looked for without holding what lies between. */
  async #readOverlong(offset: number, tail: Buffer, chunk: Buffer): Promise<Piece> {
    let at = offset + chunk.length;
    for (;;) {
      const next = await this.#read(at, Math.min(scanBytes, this.file.size - at));
      const found = next.indexOf(newline);
      if (found >= 0) {
        const end = at + found + 1;
        const text = chunk.toString('utf8', 0, this.#maxLineBytes);
        const before = await this.#read(end - tailBytes, tailBytes);
        return { lines: [{ text, offset }], end, tail: digestOf(before), atEnd: end >= this.file.size };
      }
      // Not whole yet.
      if (next.length === 0) return { lines: [], end: offset, tail, atEnd: true };
      at += next.length;
    }
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

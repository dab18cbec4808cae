// A transcript that its agent compressed: the lines come out of zstd as they are asked for. Such a file is written once; one
// that changed is read from its start.
import type { FileHandle } from 'node:fs/promises';
import type { ZstdError } from 'fzstd';
import { Decompress, ZstdErrorCode } from 'fzstd';
import type { Position } from '../store/positions.ts';
import { Budget, Holding } from './budget.ts';
import type { FileState, LineReader, Piece, ReaderOptions } from './transcript.ts';
import { defaultMaxLineBytes, linesIn, openFile, splitLines } from './transcript.ts';

/** Small: zstd makes up to 30,000 times as much of it. */
const readBytes = 4 * 1024;
const newline = 10;
const nothing = Buffer.alloc(0);

export class ZstdTranscriptReader implements LineReader {
  readonly file: FileState;
  readonly #handle: FileHandle;
  readonly #maxLineBytes: number;
  readonly #holding: Holding;
  readonly #decompress: Decompress;
  /** What the last read brought. */
  #chunks: Uint8Array[] = [];
  /** Decompressed and not yet taken; it begins at `#begin` of the text. */
  #pending: Buffer = nothing;
  /** Where it lies, with room behind it: what is appended to a long line must not copy the line. */
  #room: Buffer = nothing;
  /** Where its last line begins. */
  #lineBegin = 0;
  #begin = 0;
  /** The line under way is too long: what comes before its end is left out. */
  #skipping = false;
  #ended = false;
  /** It ends before what it was to hold. */
  #torn = false;

  private constructor(handle: FileHandle, file: FileState, options: ReaderOptions) {
    this.#handle = handle;
    this.file = file;
    this.#maxLineBytes = options.maxLineBytes ?? defaultMaxLineBytes;
    this.#holding = new Holding(options.budget ?? new Budget(Number.POSITIVE_INFINITY));
    this.#decompress = new Decompress((chunk) => this.#chunks.push(chunk));
  }

  static async open(path: string, options: ReaderOptions = {}): Promise<ZstdTranscriptReader> {
    const { handle, file } = await openFile(path);
    return new ZstdTranscriptReader(handle, file, options);
  }

  async close(): Promise<void> {
    this.#holding.end();
    await this.#handle.close();
  }

  /** Nothing of it can be found again without decompressing what is before. */
  mayContinue(): boolean {
    return false;
  }

  /** Pieces follow one another; a last line without an end is whole, since nothing more is written. */
  async readPiece({ offset }: Position, bytes: number): Promise<Piece> {
    if (offset < this.#begin) throw new Error(`a compressed transcript cannot be read back to ${offset}`);
    this.#drop(offset - this.#begin);
    this.#begin = offset;
    for (let wanted = bytes; ; wanted *= 2) {
      await this.#holding.exchange(wanted);
      while (!this.#ended && this.#pending.length < wanted) await this.#more();
      if (this.#lineBegin === 0 && !this.#ended) continue;
      const whole = this.#pending.subarray(0, this.#lineBegin);
      const { lines, end } = splitLines(whole, offset, this.#maxLineBytes, linesIn(bytes));
      const atEnd = this.#ended && end === offset + whole.length;
      return { lines, end, tail: nothing, atEnd, ...(atEnd && this.#torn ? { torn: true } : {}) };
    }
  }

  async #more(): Promise<void> {
    const { buffer, bytesRead } = await this.#handle.read(Buffer.allocUnsafe(readBytes), 0, readBytes);
    this.#ended = bytesRead === 0;
    try {
      this.#decompress.push(buffer.subarray(0, bytesRead), this.#ended);
    } catch (error) {
      if ((error as ZstdError).code !== ZstdErrorCode.UnexpectedEOF) throw error;
      this.#torn = true;
    }
    const brought = Buffer.concat(this.#chunks.splice(0));
    const end = this.#skipping ? brought.indexOf(newline) : 0;
    this.#skipping = end < 0;
    if (end >= 0) this.#append(brought.subarray(end));
    if (this.#pending.length - this.#lineBegin > this.#maxLineBytes) {
      this.#pending = this.#pending.subarray(0, this.#lineBegin + this.#maxLineBytes);
      this.#skipping = true;
    }
    // A file that ends without a line end: what stands there is a whole record, unless the file is torn.
    if (this.#ended && !this.#torn && this.#pending.length > 0 && this.#pending.at(-1) !== newline)
      this.#append(Buffer.from('\n'));
  }

  #append(bytes: Buffer): void {
    const { length } = this.#pending;
    const needed = length + bytes.length;
    if (needed > this.#room.length) {
      const room = Buffer.allocUnsafe(Math.max(needed, 2 * this.#room.length));
      this.#pending.copy(room);
      this.#room = room;
    }
    this.#room.set(bytes, length);
    this.#pending = this.#room.subarray(0, needed);
    const last = bytes.lastIndexOf(newline);
    if (last >= 0) this.#lineBegin = length + last + 1;
  }

  /** Lets go of what was taken. */
  #drop(bytes: number): void {
    if (bytes === 0) return;
    this.#room = Buffer.from(this.#pending.subarray(bytes));
    this.#pending = this.#room;
    this.#lineBegin = Math.max(0, this.#lineBegin - bytes);
  }
}

// A file as a sink (PROTOCOL.md 7): one item a line, with the batch that it came in, fsynced before it is acknowledged. A batch
// that was cut off, or whose acknowledgement was lost, is at the end of the file: it is cut away and written whole. Nothing is
// cut, and nothing written, where the file may be anybody else's (file-kind.ts), or another sink writes it.
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, readdir, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FileLock } from '../../../protocol/node/file-lock.ts';
import type { Delivered, Outgoing, Sink } from '../adapter.ts';
import { foreignReason, realPathOf } from './file-kind.ts';

/** Beyond it the file is renamed, before the next batch: to `.1`, then `.2`. None of them is ever removed. */
const maxFileBytes = 256 * 1024 * 1024;
const readBytes = 64 * 1024;
const newline = 0x0a;

/** What time does not mend: somebody must look. */
const lasting = ['EACCES', 'EPERM', 'EEXIST', 'EISDIR', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EROFS', 'ENXIO'];

/** A file that this sink alone writes, under its one true path. */
type Held = { path: string; lock: FileLock };

export class FileSink implements Sink {
  readonly #path: string;
  readonly #maxBytes: number;
  /** From the first delivery on. */
  #held: Held | undefined;

  constructor(path: string, maxBytes = maxFileBytes) {
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  async deliver(outgoing: Outgoing, signal: AbortSignal): Promise<Delivered> {
    if (signal.aborted) return { kind: 'retry', reason: 'it was stopped' };
    try {
      const reason = foreignReason(this.#path);
      if (reason !== undefined) return { kind: 'refused', reason };
      const held = await this.#hold();
      return typeof held === 'string' ? { kind: 'refused', reason: held } : await this.#write(held.path, outgoing);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (!lasting.includes(code ?? '')) throw error;
      return { kind: 'refused', reason: `${message}: the sink must be able to write there` };
    }
  }

  async close(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    try {
      held?.lock.release();
    } catch {
      // Its folder is gone, and the lock with it.
    }
  }

  /** Why not, where another sink has it: two that write one file would cut away each other's batches. */
  async #hold(): Promise<Held | string> {
    if (this.#held) return this.#held;
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    const path = realPathOf(this.#path);
    const lock = FileLock.take(`${path}.lock`);
    if (typeof lock === 'string') return `another sink, of ${lock}, writes ${path}: give each sink a file of its own`;
    this.#held = { path, lock };
    return this.#held;
  }

  async #write(path: string, { origin, batchId, items }: Outgoing): Promise<Delivered> {
    // Somebody may have removed it.
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const mark = JSON.stringify({ origin, batchId }).slice(0, -1);
    let file = await open(path, 'a+', 0o600);
    try {
      const { size } = await file.stat();
      const whole = (await newlineBefore(file, size)) + 1;
      if (!(await isOurTail(file, whole, size, origin))) {
        const reason = `the last line of ${path} is not whole, and not of this store: end it with a newline, or give the sink another file`;
        return { kind: 'refused', reason };
      }
      const end = await endWithout(file, whole, Buffer.from(`${mark},`));
      if (end < size) await file.truncate(end);
      // Before a batch and not behind it: one that is sent again is found in the file that it was written to.
      if (end >= this.#maxBytes) {
        await file.sync();
        await file.close();
        await rename(path, await nextName(path));
        file = await open(path, 'ax+', 0o600);
      }
      const lines = (JSON.parse(items) as unknown[]).map((item) => `${mark},${JSON.stringify(item).slice(1)}\n`);
      await file.appendFile(lines.join(''));
      await file.sync();
      await syncFolder(dirname(path));
      return { kind: 'acked', rejected: [] };
    } finally {
      await file.close().catch(() => {});
    }
  }
}

/** One more than the highest there is. */
async function nextName(path: string): Promise<string> {
  const prefix = `${basename(path)}.`;
  const numbers = (await readdir(dirname(path)))
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((rest) => /^[1-9]\d{0,8}$/.test(rest))
    .map(Number);
  return join(dirname(path), `${prefix}${Math.max(0, ...numbers) + 1}`);
}

/** A new name in a folder is on the disk when the folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Whether what is behind the last whole line, if anything, is the begin of a line of this store's. */
async function isOurTail(file: FileHandle, from: number, size: number, origin: string): Promise<boolean> {
  const start = Buffer.from(`{"origin":${JSON.stringify(origin)},`);
  const tail = Buffer.alloc(Math.min(start.length, size - from));
  await file.read(tail, 0, tail.length, from);
  return tail.equals(start.subarray(0, tail.length));
}

/** Where the lines before `whole` begin that begin with `mark`; `whole` where there are none. */
async function endWithout(file: FileHandle, whole: number, mark: Buffer): Promise<number> {
  let end = whole;
  const head = Buffer.alloc(mark.length);
  while (end > 0) {
    const start = (await newlineBefore(file, end - 1)) + 1;
    const { bytesRead } = await file.read(head, 0, head.length, start);
    if (bytesRead < head.length || !head.equals(mark)) return end;
    end = start;
  }
  return 0;
}

/** Where the last line end before `end` is; -1 where there is none. */
async function newlineBefore(file: FileHandle, end: number): Promise<number> {
  const piece = Buffer.alloc(Math.min(readBytes, end));
  for (let to = end; to > 0; to -= piece.length) {
    const from = Math.max(0, to - piece.length);
    const { bytesRead } = await file.read(piece, 0, to - from, from);
    const at = piece.subarray(0, bytesRead).lastIndexOf(newline);
    if (at >= 0) return from + at;
  }
  return -1;
}

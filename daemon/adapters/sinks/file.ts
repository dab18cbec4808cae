// A file as a sink (PROTOCOL.md 7): one item a line, with the batch that it came in, fsynced before it is acknowledged. A batch
// that was cut off, or whose acknowledgement was lost, is at the end of the file: it is cut away and written whole.
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, readdir, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Delivered, Outgoing, Sink } from '../adapter.ts';

/** Beyond it the file is renamed, before the next batch: to `.1`, then `.2`. None of them is ever removed. */
const maxFileBytes = 256 * 1024 * 1024;
const readBytes = 64 * 1024;
const newline = 0x0a;

/** What time does not mend: somebody must look. */
const lasting = ['EACCES', 'EPERM', 'EEXIST', 'EISDIR', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EROFS'];

export class FileSink implements Sink {
  readonly #path: string;
  readonly #maxBytes: number;

  constructor(path: string, maxBytes = maxFileBytes) {
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  async deliver(outgoing: Outgoing, signal: AbortSignal): Promise<Delivered> {
    if (signal.aborted) return { kind: 'retry', reason: 'it was stopped' };
    try {
      return await this.#write(outgoing);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (!lasting.includes(code ?? '')) throw error;
      return { kind: 'refused', reason: `${message}: the sink must be able to write there` };
    }
  }

  async close(): Promise<void> {}

  async #write({ origin, batchId, items }: Outgoing): Promise<Delivered> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    const mark = JSON.stringify({ origin, batchId }).slice(0, -1);
    let file = await open(this.#path, 'a+', 0o600);
    try {
      const stat = await file.stat();
      if (!stat.isFile()) return { kind: 'refused', reason: `${this.#path} is no file: give the sink one` };
      const end = await endWithout(file, stat.size, Buffer.from(`${mark},`));
      if (end < stat.size) await file.truncate(end);
      // Before a batch and not behind it: one that is sent again is found in the file that it was written to.
      if (end >= this.#maxBytes) {
        await file.sync();
        await file.close();
        await rename(this.#path, await this.#nextName());
        file = await open(this.#path, 'ax+', 0o600);
      }
      const lines = (JSON.parse(items) as unknown[]).map((item) => `${mark},${JSON.stringify(item).slice(1)}\n`);
      await file.appendFile(lines.join(''));
      await file.sync();
      await syncFolder(dirname(this.#path));
      return { kind: 'acked', rejected: [] };
    } finally {
      await file.close().catch(() => {});
    }
  }

  /** One more than the highest there is. */
  async #nextName(): Promise<string> {
    const prefix = `${basename(this.#path)}.`;
    const numbers = (await readdir(dirname(this.#path)))
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
      .filter((rest) => /^[1-9]\d{0,8}$/.test(rest))
      .map(Number);
    return join(dirname(this.#path), `${prefix}${Math.max(0, ...numbers) + 1}`);
  }
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

/** Where the lines at the end of a file begin that begin with `mark`, or were cut off; its size where there are none. */
async function endWithout(file: FileHandle, size: number, mark: Buffer): Promise<number> {
  let end = (await newlineBefore(file, size)) + 1;
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

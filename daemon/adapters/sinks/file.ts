// A file as a sink (PROTOCOL.md 7): one item a line, with the batch that it came in, fsynced before it is acknowledged. A batch
// that was cut off, or whose acknowledgement was lost, is at the end of the file: it is cut away and written whole.
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Delivered, Outgoing, Sink } from '../adapter.ts';

/** Beyond it the file is renamed to `.1`, in place of what was there, and a new one begun; between two batches. */
const maxFileBytes = 256 * 1024 * 1024;
const readBytes = 64 * 1024;

export class FileSink implements Sink {
  readonly #path: string;
  readonly #maxBytes: number;

  constructor(path: string, maxBytes = maxFileBytes) {
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  async deliver({ origin, batchId, items }: Outgoing): Promise<Delivered> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    const file = await open(this.#path, 'a+', 0o600);
    try {
      const mark = JSON.stringify({ origin, batchId }).slice(0, -1);
      const { size } = await file.stat();
      const end = await endWithout(file, size, `${mark},`);
      if (end < size) await file.truncate(end);
      const lines = (JSON.parse(items) as unknown[]).map((item) => `${mark},${JSON.stringify(item).slice(1)}\n`);
      await file.appendFile(lines.join(''));
      await file.sync();
      if (end >= this.#maxBytes) await rename(this.#path, `${this.#path}.1`);
      return { kind: 'acked', rejected: [] };
    } finally {
      await file.close();
    }
  }

  async close(): Promise<void> {}
}

/** Where the lines at the end of a file begin that begin with `mark`, or were cut off; its size where there are none. */
async function endWithout(file: FileHandle, size: number, mark: string): Promise<number> {
  let tail = Buffer.alloc(0);
  for (let from = size; from > 0; ) {
    const start = Math.max(0, from - readBytes);
    const piece = Buffer.alloc(from - start);
    await file.read(piece, 0, piece.length, start);
    tail = Buffer.concat([piece, tail]);
    from = start;
    // Whole lines of what was read, the last first; the first of them may have its beginning before.
    let end = size;
    for (;;) {
      const lineEnd = tail.lastIndexOf(0x0a, end - start - 1);
      if (lineEnd < 0) break;
      if (lineEnd !== end - start - 1) end = start + lineEnd + 1;
      const before = tail.lastIndexOf(0x0a, lineEnd - 1);
      if (before < 0 && start > 0) break;
      const line = tail.subarray(before + 1, lineEnd);
      if (!line.subarray(0, mark.length).equals(Buffer.from(mark))) return end;
      end = start + before + 1;
      if (before < 0) return end;
    }
  }
  return 0;
}

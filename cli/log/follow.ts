// Reads a log file that another process writes, as `tail -F` does: what is there, then what comes, also over rotation,
// truncation, and while there is no file yet.
import { unwatchFile, watchFile } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, stat } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';

/** A stat at this interval is all that following costs; it works on every file system, and before the file exists. */
const lookMs = 250;
const chunkBytes = 64 * 1024;
/** A line that grows beyond this is given in pieces: memory is bounded whatever is in the file. */
const maxLineUnits = 8 * 1024 * 1024;

type OpenFile = { handle: FileHandle; ino: number; position: number; decoder: StringDecoder; partial: string };

export class LogFile {
  readonly #path: string;
  #open: OpenFile | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** The complete lines from where it stands to the end of what is there now. */
  async *read(): AsyncGenerator<string, void, void> {
    for (;;) {
      yield* this.#readOpen();
      const next = await this.#findNext();
      if (!next) return;
      // A file that was renamed away is read to its end first, also what came since we stood there.
      yield* this.#readOpen();
      await this.close();
      this.#open = next;
    }
  }

  /** What stands behind the last line end; a process that was killed leaves such a piece. */
  get rest(): string {
    return this.#open?.partial ?? '';
  }

  /** Resolves when the file holds more, or other, than was read. Rejects when the signal fires. */
  changed(signal: AbortSignal): Promise<void> {
    const path = this.#path;
    const known = this.#open;
    return new Promise((resolve, reject) => {
      const look = ({ ino, size }: { ino: number; size: number }) => {
        // ino 0: it is not there. What was read of it stays open, and is read on when another has come in its place.
        if (ino === 0 || (ino === known?.ino && size === known.position)) return;
        stop();
        resolve();
      };
      const abort = () => {
        stop();
        reject(signal.reason);
      };
      const stop = () => {
        unwatchFile(path, look);
        signal.removeEventListener('abort', abort);
      };
      if (signal.aborted) return abort();
      signal.addEventListener('abort', abort);
      watchFile(path, { interval: lookMs }, look);
      // It tells of changes behind its own first look; what came before that is seen here.
      stat(path).then(look, () => {});
    });
  }

  /** Whether there was a file to read. */
  get found(): boolean {
    return this.#open !== undefined;
  }

  async close(): Promise<void> {
    await this.#open?.handle.close();
    this.#open = undefined;
  }

  async *#readOpen(): AsyncGenerator<string, void, void> {
    const file = this.#open;
    if (!file) return;
    if ((await file.handle.stat()).size < file.position) restart(file);
    const chunk = Buffer.allocUnsafe(chunkBytes);
    for (;;) {
      const { bytesRead } = await file.handle.read(chunk, 0, chunkBytes, file.position);
      if (bytesRead === 0) return;
      file.position += bytesRead;
      const lines = (file.partial + file.decoder.write(chunk.subarray(0, bytesRead))).split('\n');
      file.partial = lines.pop()!;
      yield* lines;
      if (file.partial.length > maxLineUnits) {
        yield file.partial;
        file.partial = '';
      }
    }
  }

  /** Opens what is at the path now, when that is another file than the one that is open. */
  async #findNext(): Promise<OpenFile | undefined> {
    let handle: FileHandle;
    try {
      handle = await open(this.#path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    const { ino } = await handle.stat();
    if (ino === this.#open?.ino) {
      await handle.close();
      return undefined;
    }
    return { handle, ino, position: 0, decoder: new StringDecoder('utf8'), partial: '' };
  }
}

/** A file that became shorter was emptied: it is read from its start. */
function restart(file: { position: number; decoder: StringDecoder; partial: string }): void {
  Object.assign(file, { position: 0, decoder: new StringDecoder('utf8'), partial: '' });
}

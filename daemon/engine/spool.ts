// Long sessions for snapshots. A reader takes as long as it likes and the session changes meanwhile; a cursor into the
// tables would show it at several versions, an open transaction would keep the write-ahead log growing. So the session is
// written out at one version, at the daemon's own speed, into a file without a name, and read from there.
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Reader } from '../store/reader.ts';
import { sessionItems } from './session-items.ts';

/** The items of one session at one version. Memory: the length of each. */
export class Spool {
  readonly #fd: number;
  readonly #offsets: number[] = [0];

  constructor(path: string) {
    this.#fd = openSync(path, 'wx+', 0o600);
    // Without a name it goes with the process, however that ends.
    rmSync(path);
  }

  get length(): number {
    return this.#offsets.length - 1;
  }

  add(item: string): void {
    const bytes = Buffer.from(item);
    const from = this.#offsets.at(-1)!;
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.#fd, bytes, done, bytes.length - done, from + done);
    this.#offsets.push(from + bytes.length);
  }

  read(index: number): string {
    const from = this.#offsets[index]!;
    const bytes = Buffer.alloc(this.#offsets[index + 1]! - from);
    for (let done = 0; done < bytes.length; ) done += readSync(this.#fd, bytes, done, bytes.length - done, from + done);
    return bytes.toString('utf8');
  }

  close(): void {
    closeSync(this.#fd);
  }
}

export type TakenSpool = { spool: Spool; release(): Promise<void> };
type Shared = { users: number; making: Promise<Spool> };

export class Spools {
  readonly #folder: string;
  readonly #openReader: () => Reader;
  /** Readers of the same version of a session share one. */
  readonly #shared = new Map<string, Shared>();

  /** `openReader`: opens the tables as they stand at the moment of the call. */
  constructor(folder: string, openReader: () => Reader) {
    this.#folder = folder;
    this.#openReader = openReader;
  }

  /** So many files are held now. */
  get count(): number {
    return this.#shared.size;
  }

  /**
   * The session as it stands at the moment of the call, which is at `version`. What was taken must be released. Rejects
   * with Node's error when it cannot be written.
   */
  async take(sessionId: string, version: number, withMessages: boolean, maxItemBytes: number): Promise<TakenSpool> {
    const key = JSON.stringify([sessionId, version, withMessages, maxItemBytes]);
    let shared = this.#shared.get(key);
    if (!shared) {
      shared = { users: 0, making: this.#make(sessionId, withMessages, maxItemBytes) };
      this.#shared.set(key, shared);
    }
    const { making } = shared;
    // Before the wait: whoever releases it meanwhile must not close it.
    shared.users += 1;
    const release = async () => {
      shared.users -= 1;
      if (shared.users > 0) return;
      this.#shared.delete(key);
      await making.then(
        (spool) => spool.close(),
        () => {},
      );
    };
    try {
      return { spool: await making, release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  async #make(sessionId: string, withMessages: boolean, maxItemBytes: number): Promise<Spool> {
    const reader = this.#openReader();
    try {
      // A name that no process had before: one that was killed may have left its file.
      const spool = new Spool(join(this.#folder, `spool-${randomUUID()}`));
      try {
        for (const { text } of sessionItems(reader.lists, sessionId, withMessages, maxItemBytes)) {
          spool.add(text);
          await nextTurn();
        }
        return spool;
      } catch (error) {
        spool.close();
        throw error;
      }
    } finally {
      reader.close();
    }
  }
}

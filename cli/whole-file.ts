// A file that is there whole or not at all: written beside its name and then put in its place. What is no plain file (a
// pipe, /dev/stdout) is written as it stands.
import type { FileHandle } from 'node:fs/promises';
import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export class WholeFile {
  readonly #handle: FileHandle;
  readonly #target: string;
  /** Where it is written to until it is whole; undefined where there is no other place. */
  readonly #beside: string | undefined;

  private constructor(handle: FileHandle, target: string, beside: string | undefined) {
    this.#handle = handle;
    this.#target = target;
    this.#beside = beside;
  }

  /** Rejects with Node's own error where nothing can be written. A file that is there keeps its mode, and its links. */
  static async open(path: string): Promise<WholeFile> {
    const there = await stat(path).catch(() => undefined);
    if (there && !there.isFile()) return new WholeFile(await open(path, 'w'), path, undefined);
    const target = there ? await realpath(path) : path;
    const beside = join(dirname(target), `.${basename(target)}.${process.pid}`);
    return new WholeFile(await open(beside, 'wx', there ? there.mode & 0o777 : 0o666), target, beside);
  }

  /** Whether it is a file that stays, and no pipe or device. */
  get isPlain(): boolean {
    return this.#beside !== undefined;
  }

  async write(text: string): Promise<void> {
    await this.#handle.writeFile(text);
  }

  /** Puts it in its place. */
  async finish(): Promise<void> {
    if (this.#beside !== undefined) await this.#handle.sync();
    await this.#handle.close();
    if (this.#beside !== undefined) await rename(this.#beside, this.#target);
  }

  /** Leaves nothing of it. */
  async abandon(): Promise<void> {
    await this.#handle.close().catch(() => {});
    if (this.#beside !== undefined) await rm(this.#beside, { force: true });
  }
}

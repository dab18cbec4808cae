// A disk that loses its power under a daemon (disk.c): what was written and not synced is gone, and so is the process.
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { constants as constantsOfSystem } from 'node:os';
import { dirname, join } from 'node:path';
import { root } from './build.ts';

const source = join(root, 'test/support/disk.c');
const library = join(root, 'node_modules/.cache/sessiond-disk.so');

export type DiskOptions = {
  /** Draws what of the unsynced writes is kept all the same. */
  seed?: number;
  /** Of 100 unsynced writes, so many reach the disk, some of them in half; 0: none. */
  keeps?: number;
};

/** Below one folder. Made anew for each process that writes there. */
export class Disk {
  /** For the process that is to write to it. */
  readonly env: NodeJS.ProcessEnv;
  readonly #fifo: string;
  readonly #fails: string;
  readonly #holds: string;

  constructor(folder: string, { seed = 1, keeps = 0 }: DiskOptions = {}) {
    build();
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#fifo = join(dirname(folder), 'power');
    this.#fails = join(dirname(folder), 'fails');
    this.#holds = join(dirname(folder), 'holds');
    if (!existsSync(this.#fifo)) execFileSync('mkfifo', [this.#fifo]);
    this.env = {
      LD_PRELOAD: library,
      DISK_FOLDER: realpathSync(folder),
      DISK_LOSES: this.#fifo,
      DISK_SEED: String(seed),
      DISK_KEEPS: String(keeps),
      DISK_FAILS: this.#fails,
      DISK_HOLDS: this.#holds,
    };
  }

  /** From here no fsync ends; gives what ends that. */
  holdSyncs(): () => void {
    writeFileSync(this.#holds, '');
    return () => rmSync(this.#holds);
  }

  /** From here each write fails with the error; gives what ends that. */
  failWrites(error: 'EDQUOT' | 'EROFS' | 'EIO'): () => void {
    writeFileSync(`${this.#fails}.new`, String(constantsOfSystem.errno[error]));
    renameSync(`${this.#fails}.new`, this.#fails);
    return () => rmSync(this.#fails);
  }

  /** Takes the power away: the process is gone a moment later. Throws where none writes to this disk. */
  losePower(): void {
    const fifo = openSync(this.#fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    writeSync(fifo, 'x');
    closeSync(fifo);
  }
}

function build(): void {
  if (existsSync(library) && statSync(library).mtimeMs > statSync(source).mtimeMs) return;
  mkdirSync(dirname(library), { recursive: true });
  const draft = `${library}.${process.pid}`;
  execFileSync('cc', [
    '-Wall',
    '-Wextra',
    '-Werror',
    '-O2',
    '-shared',
    '-fPIC',
    '-o',
    draft,
    source,
    '-ldl',
    '-lpthread',
  ]);
  renameSync(draft, library);
}

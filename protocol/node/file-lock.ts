// A lock that a process holds by a file and loses with its life. Node has no flock; a file that is left behind by kill -9 must not
// lock for ever, and two who find it must not both take it.
//
// The lock is the file `PATH.N` with the highest N; it names its holder. Whoever finds that holder gone makes N + 1, which only one
// can, and removes what is below. The highest is never removed: so a number is not made again by one who looked long ago. A file
// that names no process, as an empty one, is held by nobody.
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

export class FileLock {
  /** Open for as long as it is held: what is at its path by then may be another's. */
  #file: number | undefined;

  private constructor(file: number) {
    this.#file = file;
  }

  /** Takes the lock at `path`; returns who holds it where it is held, as text for people. Its folder must be there. */
  static take(path: string): FileLock | string {
    for (;;) {
      const held = numbersOf(path);
      const last = held.at(-1) ?? 0;
      const holder = last === 0 ? undefined : read(`${path}.${last}`);
      if (holder !== undefined && isAlive(holder)) return `the process ${holder.split(' ')[0]}`;
      const file = `${path}.${last + 1}`;
      const made = make(file);
      if (made === undefined) continue;
      // One who was faster by more than one number has the lock, and has removed what this one looked at.
      if (numbersOf(path).at(-1) !== last + 1) {
        closeSync(made);
        rmSync(file, { force: true });
        continue;
      }
      for (const n of held) rmSync(`${path}.${n}`, { force: true });
      return new FileLock(made);
    }
  }

  /** Whether somebody removed its file, so that another may hold a lock at this path; or it was released. */
  isLost(): boolean {
    return this.#file === undefined || fstatSync(this.#file).nlink === 0;
  }

  /** Idempotent. Leaves the file, empty: one step, that needs no room on the disk. */
  release(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    try {
      ftruncateSync(file);
    } finally {
      closeSync(file);
    }
  }
}

/** Rising. */
function numbersOf(path: string): number[] {
  const start = `${basename(path)}.`;
  const ends = readdirSync(dirname(path)).flatMap((name) => (name.startsWith(start) ? [name.slice(start.length)] : []));
  return ends
    .filter((end) => /^[1-9][0-9]*$/.test(end))
    .map(Number)
    .sort((a, b) => a - b);
}

/** Makes the file with its holder in it at once, and returns it, open; undefined where it is there. */
function make(file: string): number | undefined {
  const folder = mkdtempSync(join(dirname(file), '.lock-'));
  let made: number | undefined;
  try {
    const draft = join(folder, 'holder');
    made = openSync(draft, 'wx', 0o600);
    writeFileSync(made, holderOf(process.pid) ?? String(process.pid));
    linkSync(draft, file);
    return made;
  } catch (error) {
    if (made !== undefined) closeSync(made);
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined; // somebody has just taken it, and removed this one
  }
}

function isAlive(holder: string): boolean {
  const [name] = holder.split(' ') as [string];
  // Number('') is 0, and the process 0 is the own group.
  if (!/^[1-9]\d*$/.test(name)) return false;
  const pid = Number(name);
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  // The number may be another process's by now. Where the system does not tell when it was started, it is taken for alive.
  return !holder.includes(' ') || holderOf(pid) === holder;
}

/** The process, and what no other of its number has: when it was started, since which start of the machine. */
function holderOf(pid: number): string | undefined {
  try {
    // Behind the name, which may hold anything: state, and 19 fields later the start.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined; // dead, and not yet waited for
    return `${pid} ${fields[19]} ${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()}`;
  } catch {
    return undefined;
  }
}

// A lock that a process holds by a file and loses with its life. Node has no flock; a file that is left behind by kill -9 must not
// lock for ever, and two who find it must not both take it.
//
// The lock is the file `PATH.N` with the highest N; it names its holder. Whoever finds that holder gone makes N + 1, which only one
// can, and removes what is below. The highest is never removed: so a number is not made again by one who looked long ago.
import { linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

export class FileLock {
  readonly #file: string;

  private constructor(file: string) {
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
      if (!make(file)) continue;
      // One who was faster by more than one number has the lock, and has removed what this one looked at.
      if (numbersOf(path).at(-1) !== last + 1) {
        rmSync(file, { force: true });
        continue;
      }
      for (const n of held) rmSync(`${path}.${n}`, { force: true });
      return new FileLock(file);
    }
  }

  /** Idempotent. */
  release(): void {
    writeFileSync(this.#file, 'released', { mode: 0o600 });
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

/** Makes the file with its holder in it at once; false where it is there. */
function make(file: string): boolean {
  const folder = mkdtempSync(join(dirname(file), '.lock-'));
  const draft = join(folder, 'holder');
  try {
    writeFileSync(draft, holderOf(process.pid) ?? String(process.pid), { mode: 0o600 });
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
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
  const pid = Number(holder.split(' ')[0]);
  if (!Number.isInteger(pid)) return false; // released
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
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

// What could not be read of a source's files, or not to their end, and when it is worth to look at it again: a file that
// cannot be read yet is read again only when it changed or what it waits for came, one that failed also after a while. What
// was read in vain is left alone ten times as long as that took, so that no file costs more than a tenth of the time (P24).
// In memory: each process looks once at everything that is not read to its end.
import type { FileState, Scan } from './transcript.ts';

/** `bytes`: of the file, not taken in. */
export type Rest = {
  file: FileState;
  bytes: number;
  /** Op ids that the source asked for and that were not there: one of them may be what the file waits for. */
  awaits?: string[];
  /** How far the line under way was looked through. */
  scan?: Scan | undefined;
};

type Entry = Rest & { error?: string; waitMs: number; retryAt: number; restUntil: number };

const firstRetryMs = 1_000;
/** Of what it costs to read: so many times as long it is left alone. */
const restTimes = 10;

export class Unread {
  readonly #entries = new Map<string, Entry>();
  /** What is awaited -> the files that wait for it. */
  readonly #awaited = new Map<string, Set<string>>();
  /** Files of which something that they wait for came. */
  readonly #woken = new Set<string>();

  get bytes(): number {
    let sum = 0;
    for (const { bytes } of this.#entries.values()) sum += bytes;
    return sum;
  }

  get lastError(): string | undefined {
    let last: string | undefined;
    for (const { error } of this.#entries.values()) last = error ?? last;
    return last;
  }

  get paths(): IterableIterator<string> {
    return this.#entries.keys();
  }

  find(path: string): Rest | undefined {
    return this.#entries.get(path);
  }

  /** Something of the file is left: nothing could be made of it yet. */
  put(path: string, rest: Rest): void {
    this.forget(path);
    this.#entries.set(path, { ...rest, waitMs: 0, retryAt: Number.POSITIVE_INFINITY, restUntil: 0 });
    for (const opId of rest.awaits ?? []) {
      const waiting = this.#awaited.get(opId) ?? new Set();
      this.#awaited.set(opId, waiting.add(path));
    }
  }

  /** It could not be read: it is tried again, each time after twice as long. Returns whether the error is a new one. */
  fail(path: string, rest: Rest, error: string, now: number, maxMs: number): boolean {
    const before = this.#entries.get(path);
    const waitMs = Math.min(maxMs, Math.max(firstRetryMs, 2 * (before?.waitMs ?? 0)));
    this.forget(path);
    this.#entries.set(path, { ...rest, error, waitMs, retryAt: now + waitMs, restUntil: 0 });
    return before?.error !== error;
  }

  forget(path: string): void {
    for (const opId of this.#entries.get(path)?.awaits ?? []) {
      const waiting = this.#awaited.get(opId);
      waiting?.delete(path);
      if (waiting?.size === 0) this.#awaited.delete(opId);
    }
    this.#entries.delete(path);
    this.#woken.delete(path);
  }

  /** A read of it took so long. Returns until when it is left alone, if something of it is left. */
  rest(path: string, tookMs: number, now: number): number | undefined {
    const entry = this.#entries.get(path);
    if (entry) entry.restUntil = now + tookMs * restTimes;
    return entry?.restUntil;
  }

  /** From when on a read may bring more than the last one did. Undefined for a file of which nothing is left. */
  dueAt(path: string, file: FileState): number | undefined {
    const entry = this.#entries.get(path);
    if (!entry) return undefined;
    if (this.#woken.has(path)) return 0;
    return isSame(entry.file, file) ? entry.retryAt : entry.restUntil;
  }

  /** A person asks: what failed is tried at once, and nothing is left alone any longer. What waits goes on waiting. */
  retryNow(now: number): void {
    for (const entry of this.#entries.values()) {
      entry.restUntil = now;
      if (entry.error !== undefined) entry.retryAt = now;
    }
  }

  /** Ops that are in the store now. */
  arrived(ops: { opId: string }[]): void {
    if (this.#awaited.size === 0) return;
    for (const { opId } of ops) for (const path of this.#awaited.get(opId) ?? []) this.#woken.add(path);
  }

  /** The files that are worth to be read since something came: once. They are due until they are read. */
  woken(): string[] {
    return [...this.#woken];
  }
}

/** Of `ctimeMs` too: a file that may be read now has changed in no other way. */
function isSame(a: FileState, b: FileState): boolean {
  return a.size === b.size && a.mtimeMs === b.mtimeMs && a.inode === b.inode && a.ctimeMs === b.ctimeMs;
}

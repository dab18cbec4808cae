// Named subscribers (PROTOCOL.md 5): how far each has come is kept with the journal, so that it goes on from there after any
// restart. One connection holds a name at a time, and only that one acknowledges.
import type { Cursor } from '../../protocol/cursor.ts';
import { formatCursor, isNewer } from '../../protocol/cursor.ts';
import { RefusedError, refuse } from '../../protocol/errors.ts';
import type { Journal } from '../store/journal.ts';
import type { SubscriberRow, SubscriberRows } from '../store/subscriber-rows.ts';
import type { Runtime } from './runtime.ts';
import type { Writer } from './writer.ts';

/** Who reads by a name now. `end`: its subscription is over, since another took the name or it was removed. */
export type Holder = { connectionId: string; end(reason: 'takenOver' | 'unsubscribed'): void };

export type SubscribersDeps = {
  rows: SubscriberRows;
  journal: Journal;
  writer: Pick<Writer, 'write' | 'closed'>;
  runtime: Pick<Runtime, 'now'>;
  /** Names that principals of one root may have together. */
  maxNames: number;
  /** What a principal came of: what it may have is not more because it is many. */
  rootOf(principal: string): string;
  /** Whether a principal never comes again: nothing is kept for it. */
  isGone(principal: string): boolean;
};

/** `root`: of the principal. `writtenAt`: what is on disk of `usedAt`. */
type Held = SubscriberRow & { root: string; holder: Holder | undefined; writtenAt: number };

/** One unused for so long is removed (PROTOCOL.md 5), ms. */
const expiryMs = 30 * 24 * 3600_000;
/** How often it is written down that a name which is held is in use, ms: so much earlier it may go after a crash. */
const touchMs = 3600_000;

export class Subscribers {
  readonly #deps: SubscribersDeps;
  /** By principal, then by name. */
  readonly #held = new Map<string, Map<string, Held>>();
  /** How many names those of a root have. */
  readonly #counts = new Map<string, number>();
  /** The least seq from `floor` on, as long as none of before it changes; Infinity where there is none. */
  #least: { floor: number; seq: number } | undefined;

  constructor(deps: SubscribersDeps) {
    this.#deps = deps;
    for (const row of deps.rows.all()) {
      this.#put({ ...row, root: deps.rootOf(row.principal), holder: undefined, writtenAt: row.usedAt });
    }
  }

  /** The cursor kept for a name; undefined for a new one. */
  cursorOf(principal: string, name: string): string | undefined {
    return this.#heldBy(principal, name)?.cursor;
  }

  /**
   * How far the one has come that is least far, of those from `floor` (seq) on, for retention; none where nobody is there. A
   * cursor from before a restore can never be resumed from: nothing is kept for it.
   */
  acknowledged(floor: number): number[] {
    const { storeId } = this.#deps.journal;
    if (!this.#least || this.#least.floor > floor || this.#least.seq < floor) {
      let least = Number.POSITIVE_INFINITY;
      for (const names of this.#held.values()) {
        for (const { seq, cursor } of names.values()) {
          if (seq >= floor && seq < least && cursor.startsWith(`${storeId}.`)) least = seq;
        }
      }
      this.#least = { floor, seq: least };
    }
    const { seq } = this.#least;
    return seq === Number.POSITIVE_INFINITY ? [] : [seq];
  }

  /**
   * Gives a name to `holder`; who had it is ended. A new name is kept with `cursor`. Resolves when that is on disk; throws
   * LimitExceeded where the principal has too many, or all have together that came of the same.
   */
  async hold(principal: string, name: string, holder: Holder, cursor: Cursor): Promise<void> {
    const { rows, writer, runtime, maxNames, rootOf } = this.#deps;
    const now = runtime.now();
    const known = this.#heldBy(principal, name);
    if (known) {
      known.holder?.end('takenOver');
      known.holder = holder;
      known.usedAt = now;
      known.writtenAt = now;
      try {
        // Whole: the one that made it may still be about to fail.
        await writer.write(() => rows.add(known));
      } catch (error) {
        this.release(principal, name, holder);
        throw error;
      }
      return;
    }
    const root = rootOf(principal);
    if ((this.#counts.get(root) ?? 0) >= maxNames) {
      const message = 'too many named subscribers: remove one with subscriber/remove';
      throw new RefusedError(refuse('LimitExceeded', message, { limit: maxNames, what: 'named subscribers' }));
    }
    const row = { principal, name, cursor: formatCursor(cursor), seq: cursor.seq, createdAt: now, usedAt: now };
    const held = { ...row, root, holder, writtenAt: now };
    this.#put(held);
    try {
      await writer.write(() => rows.add(row));
    } catch (error) {
      if (held.holder === holder) this.#drop(held);
      throw error;
    }
  }

  /** The holder is gone; the name stays. */
  release(principal: string, name: string, holder: Holder): void {
    const held = this.#heldBy(principal, name);
    if (held?.holder !== holder) return;
    held.holder = undefined;
    held.usedAt = this.#deps.runtime.now();
  }

  /**
   * Keeps how far the holder has come; a cursor behind what is kept changes nothing. Resolves, with the one that is kept,
   * when it is on disk. Throws NotFound, or Forbidden where another connection or none holds the name.
   */
  async acknowledge(principal: string, name: string, connectionId: string, cursor: Cursor): Promise<string> {
    const { rows, writer, runtime } = this.#deps;
    const held = this.#find(principal, name);
    if (held.holder?.connectionId !== connectionId) {
      // Nobody holds a name any more when the daemon ends: nobody took it either.
      if (writer.closed) throw new RefusedError(writer.closed);
      const message = `only the connection that is subscribed as ${name} acknowledges for it: subscribe by that name first`;
      throw new RefusedError(refuse('Forbidden', message, { right: 'read' }));
    }
    // One that is kept from before a restore is behind every cursor of this store.
    const text = formatCursor(cursor);
    const isAhead = () => isNewer(text, held.cursor) ?? true;
    if (!isAhead()) return held.cursor;
    const now = runtime.now();
    await writer.write(() => rows.acknowledge(principal, name, cursor, now));
    if (isAhead()) {
      this.#changed(held.seq, cursor.seq);
      Object.assign(held, { cursor: text, seq: cursor.seq, usedAt: now, writtenAt: now });
    }
    return held.cursor;
  }

  /** The names of a principal, in order, from behind `after` on. */
  list(principal: string, after = ''): (SubscriberRow & { connectionId: string | null })[] {
    return [...(this.#held.get(principal)?.values() ?? [])]
      .filter(({ name }) => name > after)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ holder, writtenAt, root: _, ...row }) => ({ ...row, connectionId: holder?.connectionId ?? null }));
  }

  /** Forgets a name; its subscription ends. Throws NotFound. */
  async remove(principal: string, name: string): Promise<void> {
    const held = this.#find(principal, name);
    // Before the wait: who takes the name meanwhile has a new one, which is written behind this.
    this.#drop(held);
    try {
      await this.#deps.writer.write(() => this.#deps.rows.drop(principal, name));
    } catch (error) {
      if (!this.#heldBy(principal, name)) this.#put(held);
      throw error;
    }
    held.holder?.end('unsubscribed');
  }

  /** Removes who was not there for long or never comes again, and writes down who is. A tick of the sweep, at `now` (ms since the epoch). */
  async expire(now: number): Promise<void> {
    const { rows, writer, isGone } = this.#deps;
    for (const held of [...this.#held.values()].flatMap((names) => [...names.values()])) {
      const { principal, name } = held;
      // It went while another was written.
      if (this.#heldBy(principal, name) !== held) continue;
      if (held.holder) held.usedAt = now;
      const { usedAt } = held;
      if (now - usedAt >= expiryMs || isGone(principal)) await this.remove(principal, name);
      else if (usedAt - held.writtenAt >= touchMs || (!held.holder && usedAt > held.writtenAt)) {
        await writer.write(() => rows.touch(principal, name, usedAt));
        held.writtenAt = usedAt;
      }
    }
  }

  #heldBy(principal: string, name: string): Held | undefined {
    return this.#held.get(principal)?.get(name);
  }

  #put(held: Held): void {
    const { principal, name, root, seq } = held;
    const names = this.#held.get(principal);
    if (names) names.set(name, held);
    else this.#held.set(principal, new Map([[name, held]]));
    this.#counts.set(root, (this.#counts.get(root) ?? 0) + 1);
    this.#changed(seq);
  }

  /** Unless another has its place already. */
  #drop(held: Held): void {
    const { principal, name, root, seq } = held;
    const names = this.#held.get(principal);
    if (!names || names.get(name) !== held) return;
    names.delete(name);
    if (names.size === 0) this.#held.delete(principal);
    const left = this.#counts.get(root)! - 1;
    if (left > 0) this.#counts.set(root, left);
    else this.#counts.delete(root);
    this.#changed(seq);
  }

  /** Of those that are farther than the least nothing is asked. */
  #changed(...seqs: number[]): void {
    if (this.#least && Math.min(...seqs) <= this.#least.seq) this.#least = undefined;
  }

  #find(principal: string, name: string): Held {
    const held = this.#heldBy(principal, name);
    if (held) return held;
    throw new RefusedError(
      refuse('NotFound', `there is no subscriber named ${name}`, { what: 'subscriber', id: name }),
    );
  }
}

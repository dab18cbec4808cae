// The state of the sessions that a subscription is about, in pages (PROTOCOL.md 5, "Snapshots"). No transaction spans it:
// each session is read whole at its own version, and what changed since the snapshot's start is in the events behind it.
import type { Lists } from '../store/lists.ts';
import type { SessionFilter, SessionWalk } from '../store/session-walk.ts';
import { sessionItems } from './session-items.ts';
import type { Spools, TakenSpool } from './spool.ts';

export type SnapshotDeps = { lists: Lists; walk: SessionWalk; spools: Spools };

export class Snapshot {
  readonly #deps: SnapshotDeps;
  readonly #filter: SessionFilter;
  readonly #maxBytes: number;
  /** Where the walk goes on; undefined at its end. Who is added behind `#lastKey` is told by its events. */
  #after: number | undefined = 0;
  readonly #lastKey: number;
  #ids: string[] = [];
  #isLarge = false;
  #taken: TakenSpool | undefined;
  #nextItem = 0;

  /** `maxBytes`: of the text of a page, unless one record alone is larger. */
  constructor(deps: SnapshotDeps, filter: SessionFilter, maxBytes: number) {
    this.#deps = deps;
    this.#filter = filter;
    this.#maxBytes = maxBytes;
    this.#lastKey = deps.walk.lastKey;
  }

  get isDone(): boolean {
    return this.#after === undefined && this.#ids.length === 0 && !this.#taken;
  }

  /** Must have resolved before each `take`: a long session is written out first. Rejects when the disk is full. */
  async prepare(): Promise<void> {
    const [id] = this.#ids;
    if (!this.#isLarge) return;
    const session = this.#deps.lists.findSession(id!);
    this.#ids.shift();
    this.#isLarge = false;
    if (session === undefined) return;
    const { version } = JSON.parse(session) as { version: number };
    this.#taken = await this.#deps.spools.take(id!, version, this.#withMessages, this.#maxBytes);
    this.#nextItem = 0;
  }

  /** The items of the next page, each as JSON text; none where a bounded look at the sessions found none. */
  take(): string[] {
    if (this.#taken) return [this.#takeSpooled(this.#taken)];
    const items: string[] = [];
    let bytes = 0;
    if (this.#ids.length === 0 && this.#after !== undefined) {
      const { ids, after } = this.#deps.walk.step(this.#filter, this.#after, this.#lastKey);
      this.#ids = ids;
      this.#after = after;
    }
    while (this.#ids.length > 0) {
      const [item] = sessionItems(this.#deps.lists, this.#ids[0]!, this.#withMessages, this.#maxBytes);
      this.#isLarge = item?.last === false;
      if (this.#isLarge) break;
      const size = item ? Buffer.byteLength(item.text) : 0;
      if (items.length > 0 && bytes + size > this.#maxBytes) break;
      if (item) items.push(item.text);
      bytes += size;
      this.#ids.shift();
    }
    return items;
  }

  /** Gives back what is held; idempotent. */
  close(): void {
    // Nobody waits for a file that goes, and it cannot fail in a way that matters to who read it.
    void this.#taken?.release();
    this.#taken = undefined;
  }

  get #withMessages(): boolean {
    return this.#filter.sessions !== undefined;
  }

  #takeSpooled({ spool }: TakenSpool): string {
    const item = spool.read(this.#nextItem);
    this.#nextItem += 1;
    if (this.#nextItem === spool.length) this.close();
    return item;
  }
}

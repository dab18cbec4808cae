// All sessions that a sink must be sent whole, one after another: nobody knows what it has, or the journal does not hold what it
// lacks. Begun anew after a restart; what was sent meanwhile is left out then.
import type { Cursor } from '../../protocol/cursor.ts';
import type { Journal } from '../store/journal.ts';
import type { Lists } from '../store/lists.ts';
import type { OutboxRows } from '../store/outbox-rows.ts';
import type { SessionFilter, SessionWalk } from '../store/session-walk.ts';

export type ResyncDeps = { rows: OutboxRows; journal: Journal; lists: Lists; walk: SessionWalk };

/** Marks looked at in one turn of the loop. */
const marksAtOnce = 500;

export class Resync {
  /** What it brings up to here, all events behind it will. */
  readonly head: Cursor;
  readonly #deps: ResyncDeps;
  readonly #sink: string;
  readonly #filter: SessionFilter;
  readonly #lastKey: number;
  readonly #leavesOut: (sessionId: string) => boolean;
  /** Where the walk over the sessions goes on; undefined at its end. */
  #after: number | undefined = 0;
  #ids: string[] = [];
  /** Where the walk over what was sent goes on. */
  #afterMark = '';
  #isDone = false;

  constructor(deps: ResyncDeps, sink: string, filter: SessionFilter, leavesOut: (sessionId: string) => boolean) {
    this.#leavesOut = leavesOut;
    this.#deps = deps;
    this.#sink = sink;
    this.#filter = filter;
    this.head = deps.journal.head;
    this.#lastKey = deps.walk.lastKey;
  }

  /** The next that must be sent whole; undefined at the end, or when the signal fired. */
  async next(signal: AbortSignal): Promise<string | undefined> {
    const { rows, lists, walk } = this.#deps;
    while (!signal.aborted) {
      for (let id = this.#ids.shift(); id !== undefined; id = this.#ids.shift()) {
        if (this.#leavesOut(id)) continue;
        const mark = rows.markOf(this.#sink, id);
        const session = lists.findSession(id);
        const version = session === undefined ? undefined : (JSON.parse(session) as { version: number }).version;
        if (
          mark?.state === 'gone' ||
          mark?.state === 'large' ||
          (mark?.state === 'at' && version !== undefined && mark.seen >= version)
        )
          continue;
        if (version === undefined && mark === undefined) continue;
        return id;
      }
      if (this.#isDone) return undefined;
      if (this.#after !== undefined) {
        const { ids, after } = walk.step(this.#filter, this.#after, this.#lastKey);
        this.#ids = ids;
        this.#after = after;
      } else {
        // Those that were deleted here.
        const marked = rows.marked(this.#sink, this.#afterMark, marksAtOnce);
        this.#ids = marked.filter((id) => lists.findSession(id) === undefined);
        this.#afterMark = marked.at(-1) ?? '';
        this.#isDone = marked.length < marksAtOnce;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    return undefined;
  }
}

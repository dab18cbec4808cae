// What a sink is to be sent next (PROTOCOL.md 7), written down as batches: the ops behind its cursor; and whole sessions, where
// the journal does not hold what it lacks, or nobody knows what it has.
import type { Cursor } from '../../protocol/cursor.ts';
import { formatCursor, parseCursor } from '../../protocol/cursor.ts';
import type { Refusal } from '../../protocol/errors.ts';
import { isRefusal } from '../../protocol/errors.ts';
import type { Journal } from '../store/journal.ts';
import type { BatchRow, Mark, OutboxRows } from '../store/outbox-rows.ts';
import type { Reader } from '../store/reader.ts';
import type { SessionFilter } from '../store/session-walk.ts';
import type { OutboxLimits } from './outbox-batch.ts';
import { cutBatch } from './outbox-batch.ts';
import type { ResyncDeps } from './outbox-resync.ts';
import { Resync } from './outbox-resync.ts';
import { deletionPiece, snapshotPieces } from './outbox-snapshot.ts';
import type { OutletState } from './outlet-state.ts';
import type { Runtime } from './runtime.ts';
import type { Writer } from './writer.ts';

export type OutletFillerDeps = ResyncDeps & {
  rows: OutboxRows;
  journal: Journal;
  writer: Pick<Writer, 'write'>;
  runtime: Runtime;
  limits: OutboxLimits;
  /** Masks secrets in items; rejects rather than give one unmasked. */
  mask(items: readonly string[], signal: AbortSignal): Promise<string[]>;
  openReader(): Reader;
};

/** Events that a sink may have passed without one for it, before it is written down how far it is. */
const passedEvents = 1_000;

export class OutletFiller {
  readonly filter: SessionFilter;
  readonly #deps: OutletFillerDeps;
  readonly #state: OutletState;
  /** Whether a session is not this sink's to send, whatever the filter says. */
  readonly #isForeign: (sessionId: string) => boolean;
  #lookedAt: Cursor;
  #resync: Resync | undefined;
  /** Marks of what was looked at and is not for the sink: written with the next that is. */
  readonly #passed = new Map<string, Mark>();

  constructor(deps: OutletFillerDeps, state: OutletState, isForeign: (sessionId: string) => boolean) {
    this.#deps = deps;
    this.#state = state;
    this.#isForeign = isForeign;
    const { filter, seq, name } = state.row;
    this.filter = filter === null ? {} : (JSON.parse(filter) as SessionFilter);
    this.#lookedAt = deps.journal.cursorAt(Math.max(seq, deps.rows.lastSeq(name) ?? 0));
  }

  /** How far (seq) the journal was looked at. */
  get lookedAt(): number {
    return this.#lookedAt.seq;
  }

  /** What is to be sent: what was written down before, else what is new in the journal; undefined where there is nothing. */
  async next(signal: AbortSignal): Promise<BatchRow | undefined> {
    const { rows, journal, limits } = this.#deps;
    const { name } = this.#state.row;
    if (!this.#state.row.cursor.startsWith(`${journal.storeId}.`)) await this.#beginAnew();
    while (!signal.aborted && this.#state.row.state !== 'paused') {
      const held = rows.next(name);
      if (held) return held;
      const stale = rows.stale(name);
      if (stale !== undefined) {
        await this.#addSnapshot(stale, signal);
        continue;
      }
      if (this.#lookedAt.seq < journal.floorSeq && !this.#state.row.resync) await this.#state.save({ resync: true });
      if (this.#state.row.resync) {
        await this.#resyncFurther(signal);
        continue;
      }
      const query = {
        ...{ filter: this.filter, deltas: !this.#state.row.mask, limits },
        markOf: (id: string) => (this.#isForeign(id) ? noMore : this.markOf(id)),
      };
      const { through, items, marks, whole } = cutBatch(journal, this.#lookedAt, query);
      if (items.length > 0) {
        await this.#addBatch(items, through, marks, signal);
        continue;
      }
      for (const [id, mark] of marks) this.#passed.set(id, mark);
      this.#lookedAt = through;
      if (through.seq - this.#state.row.seq >= passedEvents) await this.#saveAt(through);
      if (whole !== undefined) await this.#addSnapshot(whole, signal);
      else if (through.seq >= journal.head.seq) return undefined;
      // A filter that matches nothing holds nobody up.
      else await nextTurn();
    }
    return undefined;
  }

  /** A store that was restored is another (PROTOCOL.md 2): nothing of its past says what the other side has of it. */
  async #beginAnew(): Promise<void> {
    const { rows, journal } = this.#deps;
    const { head } = journal;
    await this.#state.save({ cursor: formatCursor(head), seq: head.seq, held: null, resync: true }, () => {
      rows.dropUnsent(this.#state.row.name);
      rows.setMarks(this.#state.row.name, 'stale', true);
    });
    this.#lookedAt = head;
  }

  /** Another cursor is held there than was acknowledged. What was deleted here may be there again. */
  async goOnFrom(held: string | undefined): Promise<void> {
    const { rows } = this.#deps;
    const { name } = this.#state.row;
    const cursor = this.#place(held);
    if (cursor === undefined || isRefusal(cursor)) {
      // A cursor that is of another store is none that the other side could be asked for.
      const isOwn = held?.startsWith(`${this.#deps.journal.storeId}.`);
      await this.#state.save({ resync: true, held: isOwn ? held! : null }, () => {
        rows.dropUnsent(name);
        rows.setMarks(name, 'stale', true);
      });
      this.#resync = undefined;
    } else if (cursor.seq >= this.#state.row.seq) {
      // It holds what was given up here, say.
      await this.#state.save({ held: held! });
      return;
    } else {
      await this.#state.save({ cursor: held!, seq: cursor.seq, held: held! }, () => {
        rows.dropUnsent(name);
        rows.setMarks(name, 'unknown', true);
      });
      this.#lookedAt = cursor;
    }
    this.#passed.clear();
  }

  /** Where in this journal it is that the other side holds; undefined or a refusal where that is nowhere. */
  #place(held: string | undefined): Cursor | Refusal | undefined {
    const { journal } = this.#deps;
    const given = held === undefined ? undefined : parseCursor(held);
    if (given?.storeId === journal.storeId && given.seq === 0 && journal.floorSeq === 0) return journal.beginning;
    return held === undefined ? undefined : journal.check(held);
  }

  markOf(id: string): Mark | undefined {
    return this.#passed.get(id) ?? this.#deps.rows.markOf(this.#state.row.name, id);
  }

  async #addBatch(items: string[], through: Cursor, marks: Map<string, Mark>, signal: AbortSignal): Promise<void> {
    const masked = this.#state.row.mask ? await this.#deps.mask(items, signal) : items;
    const batch = this.#newBatch(masked, formatCursor(through), through.seq);
    await this.#deps.writer.write(() => {
      this.#writePassed();
      for (const [id, mark] of marks) this.#deps.rows.setMark(this.#state.row.name, id, mark);
      this.#deps.rows.addBatch(batch);
    });
    this.#passed.clear();
    this.#lookedAt = through;
  }

  #newBatch(items: string[], through: string, toSeq: number): BatchRow {
    const { runtime } = this.#deps;
    return {
      ...{
        id: runtime.newId('bat'),
        sink: this.#state.row.name,
        fromSeq: this.#state.row.seq,
        toSeq,
        through,
        state: 'pending',
      },
      ...{ attempts: 0, nextRetryAt: null, lastError: null, items: `[${items.join(',')}]`, count: items.length },
      rejected: '[]',
    };
  }

  /** Writes down what a session is now, to be sent next; does not move the cursor. */
  async #addSnapshot(sessionId: string, signal: AbortSignal): Promise<void> {
    const { rows, journal, runtime, writer, limits, openReader, mask } = this.#deps;
    const { name, cursor, seq } = this.#state.row;
    const of = {
      sessionId,
      id: runtime.newId('snp'),
      seq: journal.head.seq,
      maxBytes: limits.maxBytes,
      streamed: !this.#state.row.mask,
    };
    // At the same moment as the head: there is no await in between.
    const reader = openReader();
    const add = async (piece: string, mark: Mark | undefined) => {
      const items = this.#state.row.mask ? await mask([piece], signal) : [piece];
      const batch = this.#newBatch(items, cursor, seq);
      await writer.write(() => {
        rows.addBatch(batch);
        if (mark) rows.setMark(name, sessionId, mark);
      });
    };
    try {
      let isThere = false;
      for (const { item, version, isLast } of snapshotPieces(reader.lists, of)) {
        isThere = true;
        await add(item, isLast ? { version, seen: version, state: 'at' } : undefined);
        signal.throwIfAborted();
      }
      if (isThere) return;
      // Deleted: who holds nothing of it need not hear of it.
      const sent = this.markOf(sessionId)?.version ?? 0;
      const gone: Mark = { version: sent, seen: sent, state: 'gone' };
      if (sent > 0) await add(deletionPiece(of, sent, runtime.now()), gone);
      else await writer.write(() => rows.setMark(name, sessionId, gone));
    } finally {
      reader.close();
      this.#passed.delete(sessionId);
    }
  }

  /** One session further in sending all of them whole. */
  async #resyncFurther(signal: AbortSignal): Promise<void> {
    const { rows } = this.#deps;
    const { name } = this.#state.row;
    this.#resync ??= new Resync(this.#deps, name, this.filter, this.#isForeign);
    const session = await this.#resync.next(signal);
    if (session !== undefined) return this.#addSnapshot(session, signal);
    if (signal.aborted) return;
    // All that was there when it began is acknowledged: one waits for the other.
    const { head } = this.#resync;
    this.#resync = undefined;
    await this.#state.save({ cursor: formatCursor(head), seq: head.seq, resync: false }, () =>
      rows.setMarks(name, 'at', false),
    );
    this.#passed.clear();
    this.#lookedAt = head;
  }

  /** Passes on what is behind, where none of it was for the sink. */
  async #saveAt(through: Cursor): Promise<void> {
    await this.#state.save({ cursor: formatCursor(through), seq: through.seq }, () => this.#writePassed());
    this.#passed.clear();
  }

  #writePassed(): void {
    for (const [id, mark] of this.#passed) this.#deps.rows.setMark(this.#state.row.name, id, mark);
  }
}

const noMore: Mark = { version: 0, seen: 0, state: 'gone' };

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

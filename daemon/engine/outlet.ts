// One sink's loop (PROTOCOL.md 7): a durable cursor over the journal. What is next is written down, then sent, and sent again
// unchanged until it is acknowledged; that, and how far the sink has come, are one transaction. Where the journal does not
// hold what the sink lacks, sessions are sent whole.
import type { Cursor } from '../../protocol/cursor.ts';
import { formatCursor, parseCursor } from '../../protocol/cursor.ts';
import type { Refusal } from '../../protocol/errors.ts';
import { isRefusal, RefusedError } from '../../protocol/errors.ts';
import type { Delivered, Sink } from '../adapters/adapter.ts';
import type { Backoff } from '../core/outbox.ts';
import { retryDelayMs } from '../core/outbox.ts';
import type { Journal } from '../store/journal.ts';
import type { BatchRow, Mark, OutboxRows, SinkRow } from '../store/outbox-rows.ts';
import type { Reader } from '../store/reader.ts';
import type { SessionFilter } from '../store/session-walk.ts';
import type { Bell } from './bell.ts';
import { failpoint } from './failpoint.ts';
import type { OutboxLimits } from './outbox-batch.ts';
import { cutBatch } from './outbox-batch.ts';
import type { ResyncDeps } from './outbox-resync.ts';
import { Resync } from './outbox-resync.ts';
import { deletionPiece, snapshotPieces } from './outbox-snapshot.ts';
import type { Runtime } from './runtime.ts';
import { within } from './within.ts';
import type { OnRollback, Writer } from './writer.ts';

export type OutletDeps = ResyncDeps & {
  rows: OutboxRows;
  journal: Journal;
  writer: Pick<Writer, 'write'>;
  bell: Bell;
  runtime: Runtime;
  backoff: Backoff;
  limits: OutboxLimits;
  /** How long one delivery may take, ms. */
  deliverMs: number;
  /** Masks secrets in items; rejects rather than give one unmasked. */
  mask(items: readonly string[], signal: AbortSignal): Promise<string[]>;
  openReader(): Reader;
  /** Whether a session's home is another store. */
  isReplica(sessionId: string): boolean;
  /** Whether a share sends it to the same host. */
  isSharedBeside(sessionId: string, sink: Pick<SinkRow, 'name' | 'url'>): boolean;
};

/** Acknowledged batches that are still listed, and those of which something was not taken. */
const keptWhole = 100;
const keptPartly = 1_000;
/** How often it is looked whether a host to which nothing is sent still holds what it said, ms. */
const checkMs = 15 * 60_000;
/** No delay before the next try is longer, ms. */
const maxWaitMs = 3_600_000;
/** Events that a sink may have passed without one for it, before it is written down how far it is. */
const passedEvents = 1_000;

export class Outlet {
  readonly row: SinkRow;
  readonly #deps: OutletDeps;
  readonly #sink: Sink;
  readonly filter: SessionFilter;
  /** How far the journal was looked at. */
  #lookedAt: Cursor;
  #resync: Resync | undefined;
  /** Marks of what was looked at and is not for the sink: written with the next that is. */
  readonly #passed = new Map<string, Mark>();
  /** What is on its way now. */
  #inFlight: string | undefined;
  /** When (monotonic, ms) it was last looked whether the other side still holds what it said. */
  #checkedAt: number | undefined;
  /** How often one after another the other side was behind. */
  #timesBehind = 0;
  #wake: () => void = () => {};

  constructor(deps: OutletDeps, row: SinkRow, sink: Sink) {
    this.#deps = deps;
    this.row = row;
    this.#sink = sink;
    this.tried = new Promise((resolve) => {
      this.#hasTried = resolve;
    });
    this.filter = row.filter === null ? {} : (JSON.parse(row.filter) as SessionFilter);
    this.#lookedAt = deps.journal.cursorAt(Math.max(row.seq, deps.rows.lastSeq(row.name) ?? 0));
  }

  /** Where the other side is a sessiond. */
  get host(): Sink['host'] {
    return this.#sink.host;
  }

  /** Resolves when the first delivery has ended, however it did. */
  readonly tried: Promise<void>;
  #hasTried: () => void = () => {};

  isInFlight(batchId: string): boolean {
    return this.#inFlight === batchId;
  }

  /** How many events it may still be sent, of those that are there. */
  get lag(): number {
    const { rows, journal } = this.#deps;
    if (this.row.resync) return journal.head.seq;
    const isWaiting = rows.lastSeq(this.row.name) !== undefined || this.row.state === 'paused';
    return journal.head.seq - (isWaiting ? this.row.seq : this.#lookedAt.seq);
  }

  /** Something about it was changed from outside. */
  wake(): void {
    this.#wake();
  }

  /** A batch was given up: what was looked at is looked at no more, and what waits behind it is as it was. */
  async discard(batch: BatchRow): Promise<void> {
    const { rows } = this.#deps;
    const isOver = this.row.state === 'failing';
    const moved = { cursor: batch.through, seq: Math.max(this.row.seq, batch.toSeq) };
    await this.#save({ ...moved, ...(isOver && { state: 'active', lastError: null }) }, () => rows.dropBatch(batch.id));
    this.wake();
  }

  /** Changes its state from outside. `revive`: what waits is sent now. Rejects with RefusedError when it cannot be written. */
  async change(
    patch: Partial<Pick<SinkRow, 'state' | 'token' | 'held' | 'lastError'>>,
    revive: boolean,
  ): Promise<void> {
    const { rows, writer } = this.#deps;
    await writer.write((onRollback) => {
      this.#patch(patch, onRollback);
      if (revive) {
        rows.revive(this.row.name);
        rows.reviveLarge(this.row.name);
      }
    });
    this.wake();
  }

  /** Runs until the signal fires; never rejects for what the other side does. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = () => this.#wake();
    signal.addEventListener('abort', stop);
    try {
      while (!signal.aborted) {
        const batch = this.row.state === 'paused' ? undefined : await this.#nextOrFail(signal);
        if (signal.aborted) break;
        // No await between these: a ring, or a word from outside, in between would be missed.
        if (batch === 'later') continue;
        if (!batch) {
          if (await this.#nextRing(signal)) await this.#check(signal);
        } else if (this.#waitMs(batch) > 0) await this.#sleep(this.#waitMs(batch), signal);
        else await this.#deliver(batch, signal);
      }
    } finally {
      signal.removeEventListener('abort', stop);
      await this.#sink.close();
    }
  }

  /** What could not be made ready (the disk is full, say) is tried again. */
  async #nextOrFail(signal: AbortSignal): Promise<BatchRow | 'later' | undefined> {
    try {
      return await this.#next(signal);
    } catch (error) {
      if (signal.aborted) return undefined;
      const { runtime, backoff } = this.#deps;
      if (!(error instanceof RefusedError)) runtime.log.error({ err: error, sink: this.row.name }, 'a sink waits');
      const lastError = error instanceof RefusedError ? error.message : 'what is to be sent could not be made ready';
      if (this.row.state !== 'paused') Object.assign(this.row, { state: 'failing', lastError });
      await this.#sleep(backoff.baseMs * 2, signal);
      return 'later';
    }
  }

  /** A store that was restored is another (PROTOCOL.md 2): nothing of its past says what the other side has of it. */
  async #beginAnew(): Promise<void> {
    const { rows, journal } = this.#deps;
    const { head } = journal;
    await this.#save({ cursor: formatCursor(head), seq: head.seq, held: null, resync: true }, () => {
      rows.dropUnsent(this.row.name);
      rows.setMarks(this.row.name, 'stale', true);
    });
    this.#lookedAt = head;
  }

  /** What is to be sent: what was written down before, else what is new in the journal; undefined where there is nothing. */
  async #next(signal: AbortSignal): Promise<BatchRow | undefined> {
    const { rows, journal, limits } = this.#deps;
    const { name } = this.row;
    if (!this.row.cursor.startsWith(`${journal.storeId}.`)) await this.#beginAnew();
    while (!signal.aborted && this.row.state !== 'paused') {
      const held = rows.next(name);
      if (held) return held;
      const stale = rows.stale(name);
      if (stale !== undefined) {
        await this.#addSnapshot(stale, signal);
        continue;
      }
      if (this.#lookedAt.seq < journal.floorSeq && !this.row.resync) await this.#save({ resync: true });
      if (this.row.resync) {
        await this.#resyncFurther(signal);
        continue;
      }
      const query = {
        ...{ filter: this.filter, deltas: !this.row.mask, limits },
        markOf: (id: string) => (this.#isForeign(id) ? noMore : this.#markOf(id)),
      };
      const { through, items, marks, whole } = cutBatch(journal, this.#lookedAt, query);
      if (items.length > 0) {
        await this.#addBatch(items, through, marks, signal);
        continue;
      }
      for (const [id, mark] of marks) this.#passed.set(id, mark);
      this.#lookedAt = through;
      if (through.seq - this.row.seq >= passedEvents) await this.#saveAt(through);
      if (whole !== undefined) await this.#addSnapshot(whole, signal);
      else if (through.seq >= journal.head.seq) return undefined;
      // A filter that matches nothing holds nobody up.
      else await nextTurn();
    }
    return undefined;
  }

  /** A replica is handed on by its home alone, but for what is written down here; and a host is sent a session by one sink. */
  #isForeign(id: string): boolean {
    const { isReplica, isSharedBeside } = this.#deps;
    return this.#sink.host !== undefined && (isReplica(id) || isSharedBeside(id, this.row));
  }

  #markOf(id: string): Mark | undefined {
    return this.#passed.get(id) ?? this.#deps.rows.markOf(this.row.name, id);
  }

  async #addBatch(items: string[], through: Cursor, marks: Map<string, Mark>, signal: AbortSignal): Promise<void> {
    const masked = this.row.mask ? await this.#deps.mask(items, signal) : items;
    const batch = this.#newBatch(masked, formatCursor(through), through.seq);
    await this.#deps.writer.write(() => {
      this.#writePassed();
      for (const [id, mark] of marks) this.#deps.rows.setMark(this.row.name, id, mark);
      this.#deps.rows.addBatch(batch);
    });
    this.#passed.clear();
    this.#lookedAt = through;
  }

  #newBatch(items: string[], through: string, toSeq: number): BatchRow {
    const { runtime } = this.#deps;
    return {
      ...{ id: runtime.newId('bat'), sink: this.row.name, fromSeq: this.row.seq, toSeq, through, state: 'pending' },
      ...{ attempts: 0, nextRetryAt: null, lastError: null, items: `[${items.join(',')}]`, count: items.length },
      rejected: '[]',
    };
  }

  /** Writes down what a session is now, to be sent next; does not move the cursor. */
  async #addSnapshot(sessionId: string, signal: AbortSignal): Promise<void> {
    const { rows, journal, runtime, writer, limits, openReader, mask } = this.#deps;
    const { name, cursor, seq } = this.row;
    const of = {
      sessionId,
      id: runtime.newId('snp'),
      seq: journal.head.seq,
      maxBytes: limits.maxBytes,
      streamed: !this.row.mask,
    };
    // At the same moment as the head: there is no await in between.
    const reader = openReader();
    const add = async (piece: string, mark: Mark | undefined) => {
      const items = this.row.mask ? await mask([piece], signal) : [piece];
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
      const sent = this.#markOf(sessionId)?.version ?? 0;
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
    const { name } = this.row;
    this.#resync ??= new Resync(this.#deps, name, this.filter, (id) => this.#isForeign(id));
    const session = await this.#resync.next(signal);
    if (session !== undefined) return this.#addSnapshot(session, signal);
    if (signal.aborted) return;
    // All that was there when it began is acknowledged: one waits for the other.
    const { head } = this.#resync;
    this.#resync = undefined;
    await this.#save({ cursor: formatCursor(head), seq: head.seq, resync: false }, () =>
      rows.setMarks(name, 'at', false),
    );
    this.#passed.clear();
    this.#lookedAt = head;
  }

  async #deliver(batch: BatchRow, signal: AbortSignal): Promise<void> {
    const { journal, runtime, deliverMs } = this.#deps;
    this.#inFlight = batch.id;
    let delivered: Delivered;
    try {
      const outgoing = { batchId: batch.id, through: batch.through, items: batch.items };
      const expectedCursor = this.row.held ?? undefined;
      delivered = await within(runtime, deliverMs, signal, (either) =>
        this.#sink.deliver({ origin: journal.storeId, expectedCursor, ...outgoing }, either),
      );
    } catch (error) {
      delivered = { kind: 'retry', reason: (error as Error).message };
    }
    this.#inFlight = undefined;
    if (signal.aborted && delivered.kind !== 'acked') return;
    // Given up meanwhile, or its sink removed.
    if (!this.#deps.rows.find(batch.id)) return;
    try {
      await this.#settle(batch, delivered);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      // The disk is full: it is sent again, and is a duplicate then.
      await this.#sleep(this.#deps.backoff.baseMs * 2, signal);
    } finally {
      this.#hasTried();
    }
  }

  async #settle(batch: BatchRow, delivered: Delivered): Promise<void> {
    const { rows, runtime, backoff } = this.#deps;
    switch (delivered.kind) {
      case 'acked':
        this.#timesBehind = 0;
        return this.#acked(batch, delivered.rejected, delivered.held, []);
      case 'behind':
        this.#timesBehind += 1;
        await this.#behind(batch, delivered.held, delivered.sessions);
        return;
      case 'retry': {
        const attempts = batch.attempts + 1;
        const delay = retryDelayMs(attempts, backoff, runtime.random(), delivered.atLeastMs);
        const failed = { ...batch, attempts, nextRetryAt: runtime.now() + delay, lastError: delivered.reason };
        return this.#save({ state: 'failing', lastError: delivered.reason }, () => rows.setBatch(failed));
      }
      case 'tooLarge':
        // Of several the limit is too small for what is sent at all; one alone is set aside, and its session with it.
        if (batch.count > 1) return this.#settle(batch, { kind: 'refused', reason: delivered.reason });
        return this.#setAside(batch, delivered.reason);
      case 'refused': {
        const { reason: lastError } = delivered;
        const failed = {
          ...batch,
          state: 'failed' as const,
          attempts: batch.attempts + 1,
          nextRetryAt: null,
          lastError,
        };
        return this.#save({ state: 'paused', lastError }, () => rows.setBatch(failed));
      }
    }
  }

  /** What is behind it in its session would leave a hole there: nothing more is sent of that until the sink is resumed. */
  async #setAside(batch: BatchRow, reason: string): Promise<void> {
    const { rows } = this.#deps;
    const { name } = this.row;
    const [item] = JSON.parse(batch.items) as { opId: string; sessionId: string }[];
    const { opId, sessionId } = item!;
    const rejected = [{ opId, reason }];
    await this.#acked(batch, rejected, undefined, [], () => {
      rows.dropUnsentOf(name, sessionId);
      rows.setMark(name, sessionId, { ...(this.#markOf(sessionId) ?? noMark), state: 'large' });
    });
  }

  /** `stale`: sessions of which something was missing before it: what is in it of them is sent whole, later. */
  async #acked(
    batch: BatchRow,
    rejected: readonly { opId: string; reason: string }[],
    held: string | undefined,
    stale: readonly string[],
    also: () => void = () => {},
  ): Promise<void> {
    const { rows } = this.#deps;
    const { name } = this.row;
    const acked: BatchRow = {
      ...batch,
      ...{ state: 'acked', attempts: batch.attempts + 1, items: '', rejected: JSON.stringify(rejected) },
      ...{ nextRetryAt: null, lastError: null },
    };
    const [first] = rejected;
    const lastError = first ? `${rejected.length} of ${batch.count} ops were not taken: ${first.reason}` : null;
    const moved = { cursor: batch.through, seq: batch.toSeq, state: 'active' as const, lastError };
    this.#checkedAt = this.#deps.runtime.monotonic();
    failpoint('beforeSettle');
    await this.#save({ ...moved, ...(held !== undefined && { held }) }, () => {
      rows.setBatch(acked);
      for (const id of stale) rows.setMark(name, id, { ...(this.#markOf(id) ?? noMark), state: 'stale' });
      also();
      rows.forget(name, keptWhole, keptPartly);
      failpoint('settling');
    });
    failpoint('afterSettle');
  }

  /**
   * The other side does not hold what comes before the batch. Where it says of which sessions, these are sent whole. Else one of
   * the two was put back: it goes on from what is held there, if that is of this journal, and is sent all sessions whole if not.
   */
  async #behind(batch: BatchRow, held: string | undefined, sessions: readonly string[]): Promise<void> {
    const { rows, runtime, backoff } = this.#deps;
    if (this.#timesBehind > 3) {
      const nextRetryAt = runtime.now() + retryDelayMs(this.#timesBehind, backoff, runtime.random());
      const lastError = 'the other side says again and again that it lacks what was sent';
      await this.#save({ state: 'failing', lastError }, () =>
        rows.setBatch({ ...batch, attempts: batch.attempts + 1, nextRetryAt, lastError }),
      );
      if (this.#timesBehind % 2 === 0) return;
    }
    if (sessions.length > 0) return this.#acked(batch, [], held, sessionsIn(batch, sessions));
    return this.#putBack(held);
  }

  /** Another cursor is held there than was acknowledged. What was deleted here may be there again. */
  async #putBack(held: string | undefined): Promise<void> {
    const { rows } = this.#deps;
    const { name } = this.row;
    const cursor = this.#place(held);
    if (cursor === undefined || isRefusal(cursor)) {
      await this.#save({ resync: true, held: held ?? null }, () => {
        rows.dropUnsent(name);
        rows.setMarks(name, 'stale', true);
      });
      this.#resync = undefined;
    } else if (cursor.seq >= this.row.seq) {
      // It holds what was given up here, say.
      await this.#save({ held: held! });
      return;
    } else {
      await this.#save({ cursor: held!, seq: cursor.seq, held: held! }, () => {
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

  /** Passes on what is behind, where none of it was for the sink. */
  async #saveAt(through: Cursor): Promise<void> {
    await this.#save({ cursor: formatCursor(through), seq: through.seq }, () => this.#writePassed());
    this.#passed.clear();
  }

  #writePassed(): void {
    for (const [id, mark] of this.#passed) this.#deps.rows.setMark(this.row.name, id, mark);
  }

  /** Rejects with RefusedError where the disk is full. What was paused meanwhile stays so. */
  async #save({ state, ...patch }: Partial<SinkRow>, work: () => void = () => {}): Promise<void> {
    await this.#deps.writer.write((onRollback) => {
      work();
      const isHalted = state === undefined || this.row.state === 'paused';
      this.#patch(isHalted ? patch : { ...patch, state }, onRollback);
    });
  }

  /** Memory and disk together, in the order of the writes: else of two at a time the later could be overruled. */
  #patch(patch: Partial<SinkRow>, onRollback: OnRollback): void {
    const before = { ...this.row };
    onRollback(() => Object.assign(this.row, before));
    Object.assign(this.row, patch);
    this.#deps.rows.setSink(this.row);
  }

  /** None where it would be longer than anybody asks for: the clock was put back. */
  #waitMs({ nextRetryAt }: BatchRow): number {
    const ms = (nextRetryAt ?? 0) - this.#deps.runtime.now();
    return ms > maxWaitMs ? 0 : ms;
  }

  /** Until the time is over, or it is woken. */
  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    this.#wake = () => over.abort();
    await this.#deps.runtime.sleep(Math.max(0, ms), AbortSignal.any([signal, over.signal])).catch(() => {});
    this.#wake = () => {};
  }

  /** True where the time has come to look whether the other side still holds what it said. */
  #nextRing(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    const { bell, runtime } = this.#deps;
    return new Promise((resolve) => {
      const over = new AbortController();
      const end = (isTime: boolean) => {
        cancel();
        over.abort();
        this.#wake = () => {};
        resolve(isTime);
      };
      const cancel = bell.onRing(() => end(false));
      this.#wake = () => end(false);
      const isHost = this.#sink.host !== undefined && this.row.held !== null && this.row.state === 'active';
      const due = this.#checkedAt === undefined ? 0 : this.#checkedAt + checkMs - runtime.monotonic();
      if (isHost)
        runtime.sleep(Math.max(0, due), over.signal).then(
          () => end(true),
          () => {},
        );
    });
  }

  /** Where nothing is to be sent, a host that was put back would never be told what it has lost. */
  async #check(signal: AbortSignal): Promise<void> {
    const { journal, runtime, deliverMs } = this.#deps;
    const { held } = this.row;
    this.#checkedAt = runtime.monotonic();
    if (held === null) return;
    const asked = {
      origin: journal.storeId,
      batchId: runtime.newId('chk'),
      expectedCursor: held,
      through: held,
      items: '[]',
    };
    try {
      const told = await within(runtime, deliverMs, signal, (either) => this.#sink.deliver(asked, either));
      if (told.kind === 'behind' && this.row.held === held) await this.#putBack(told.held);
    } catch (error) {
      // What goes wrong is told when there is something to send.
      if (!(error instanceof RefusedError) && !signal.aborted)
        runtime.log.warn({ err: error, sink: this.row.name }, 'a host could not be asked what it holds');
    }
  }
}

/** Those of `named` that were in the batch: who is sent one session must not ask for others. */
function sessionsIn(batch: BatchRow, named: readonly string[]): string[] {
  const sent = new Set((JSON.parse(batch.items) as { sessionId: string }[]).map(({ sessionId }) => sessionId));
  return named.filter((id) => sent.has(id));
}

const noMore: Mark = { version: 0, seen: 0, state: 'gone' };
const noMark: Mark = { version: 0, seen: 0, state: 'at' };

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

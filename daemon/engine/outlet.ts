// One sink's loop (PROTOCOL.md 7): a durable cursor over the journal. What is next is written down, then sent, and sent again
// unchanged until it is acknowledged; that, and how far the sink has come, are one transaction.
import { formatCursor, parseCursor } from '../../protocol/cursor.ts';
import { RefusedError } from '../../protocol/errors.ts';
import type { Delivered, Sink } from '../adapters/adapter.ts';
import type { Backoff } from '../core/outbox.ts';
import { retryDelayMs } from '../core/outbox.ts';
import type { EventFilter, Journal } from '../store/journal.ts';
import type { BatchRow, OutboxRows, SinkRow } from '../store/outbox-rows.ts';
import type { Bell } from './bell.ts';
import type { OutboxLimits } from './outbox-batch.ts';
import { cutBatch } from './outbox-batch.ts';
import type { Runtime } from './runtime.ts';
import type { Writer } from './writer.ts';

export type OutletDeps = {
  rows: OutboxRows;
  journal: Journal;
  writer: Pick<Writer, 'write'>;
  bell: Bell;
  runtime: Runtime;
  backoff: Backoff;
  limits: OutboxLimits;
};

/** Acknowledged batches that are still listed. */
const keptBatches = 100;
/** Events that a sink may have passed without one for it, before it is written down how far it is. */
const passedEvents = 1_000;

export class Outlet {
  readonly row: SinkRow;
  readonly #deps: OutletDeps;
  readonly #sink: Sink;
  readonly #filter: EventFilter;
  /** How far the journal was looked at, and nothing of it waits to be sent. */
  #lookedAt: number;
  /** What is on its way now. */
  #inFlight: string | undefined;
  #wake: () => void = () => {};

  constructor(deps: OutletDeps, row: SinkRow, sink: Sink) {
    this.#deps = deps;
    this.row = row;
    this.#sink = sink;
    this.#filter = row.filter === null ? {} : (JSON.parse(row.filter) as EventFilter);
    this.#lookedAt = row.seq;
  }

  /** Behind this it needs the journal. */
  get needsFrom(): number {
    return this.#lookedAt;
  }

  isInFlight(batchId: string): boolean {
    return this.#inFlight === batchId;
  }

  /** Something about it was changed from outside. */
  wake(): void {
    this.#wake();
  }

  /** Runs until the signal fires; never rejects for what the other side does. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = () => this.#wake();
    signal.addEventListener('abort', stop);
    try {
      while (!signal.aborted) {
        const batch = this.row.state === 'paused' ? undefined : await this.#next();
        // No await between these: a ring, or a word from outside, in between would be missed.
        if (!batch) await this.#nextRing(signal);
        else if ((batch.nextRetryAt ?? 0) > this.#deps.runtime.now()) await this.#waitFor(batch, signal);
        else await this.#deliver(batch, signal);
      }
    } finally {
      signal.removeEventListener('abort', stop);
      await this.#sink.close();
    }
  }

  /** What is to be sent: what was written down before, else what is new in the journal; undefined where there is nothing. */
  async #next(): Promise<BatchRow | undefined> {
    const { rows, journal, runtime, limits } = this.#deps;
    const { name } = this.row;
    const held = rows.next(name);
    if (held) return held;
    for (;;) {
      const after = journal.cursorAt(this.#lookedAt);
      const { through, items } = cutBatch(journal, after, this.#filter, limits);
      if (items !== undefined) {
        const batch: BatchRow = {
          ...{ id: runtime.newId('bat'), sink: name, fromSeq: this.row.seq, toSeq: through.seq },
          ...{ through: formatCursor(through), state: 'pending', attempts: 0, nextRetryAt: null, lastError: null },
          ...{ items, rejected: '[]' },
        };
        if (!(await this.#written(() => rows.addBatch(batch)))) return undefined;
        this.#lookedAt = through.seq;
        return batch;
      }
      this.#lookedAt = through.seq;
      if (through.seq - this.row.seq >= passedEvents) await this.#moveTo(formatCursor(through), through.seq);
      if (through.seq >= journal.head.seq) return undefined;
      // A filter that matches nothing holds nobody up.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #deliver(batch: BatchRow, signal: AbortSignal): Promise<void> {
    const { journal } = this.#deps;
    this.#inFlight = batch.id;
    let delivered: Delivered;
    try {
      delivered = await this.#sink.deliver({ origin: journal.storeId, batchId: batch.id, items: batch.items }, signal);
    } catch (error) {
      delivered = { kind: 'retry', reason: (error as Error).message };
    }
    this.#inFlight = undefined;
    if (signal.aborted && delivered.kind !== 'acked') return;
    await this.#settle(batch, delivered);
  }

  /** False where the disk took nothing of it: it is sent again then, later. */
  async #settle(batch: BatchRow, delivered: Delivered): Promise<void> {
    const { rows, runtime, backoff } = this.#deps;
    switch (delivered.kind) {
      case 'acked': {
        const { through, toSeq, sink } = batch;
        const rejected = JSON.stringify(delivered.rejected);
        const acked = { ...batch, state: 'acked' as const, items: '', rejected, nextRetryAt: null, lastError: null };
        const moved: SinkRow = { ...this.row, state: 'active', cursor: through, seq: toSeq, lastError: null };
        const isWritten = await this.#written(() => {
          rows.setBatch(acked);
          rows.setSink(moved);
          rows.forget(sink, keptBatches);
        });
        if (isWritten) Object.assign(this.row, moved);
        return;
      }
      case 'retry': {
        const attempts = batch.attempts + 1;
        const delay = retryDelayMs(attempts, backoff, runtime.random(), delivered.atLeastMs);
        const nextRetryAt = runtime.now() + delay;
        await this.#failed({ ...batch, attempts, nextRetryAt, lastError: delivered.reason }, 'failing');
        return;
      }
      case 'refused':
        await this.#failed({ ...batch, attempts: batch.attempts + 1, lastError: delivered.reason }, 'paused');
        return;
      case 'behind':
        throw new Error(`not there yet: ${delivered.sessionId}`);
    }
  }

  async #failed(batch: BatchRow, state: SinkRow['state']): Promise<void> {
    const { rows } = this.#deps;
    const moved: SinkRow = { ...this.row, state, lastError: batch.lastError };
    const isWritten = await this.#written(() => {
      rows.setBatch(batch);
      rows.setSink(moved);
    });
    if (isWritten) Object.assign(this.row, moved);
  }

  async #moveTo(cursor: string, seq: number): Promise<void> {
    const moved: SinkRow = { ...this.row, cursor, seq };
    if (await this.#written(() => this.#deps.rows.setSink(moved))) Object.assign(this.row, moved);
  }

  /** False where the disk is full: what is to be written is made again when the disk may have room. */
  async #written(work: () => void): Promise<boolean> {
    try {
      await this.#deps.writer.write(work);
      return true;
    } catch (error) {
      if (error instanceof RefusedError) return false;
      throw error;
    }
  }

  async #waitFor({ nextRetryAt }: BatchRow, signal: AbortSignal): Promise<void> {
    const { runtime } = this.#deps;
    const over = new AbortController();
    this.#wake = () => over.abort();
    const either = AbortSignal.any([signal, over.signal]);
    await runtime.sleep(Math.max(0, nextRetryAt! - runtime.now()), either).catch(() => {});
    this.#wake = () => {};
  }

  #nextRing(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#deps.bell.onRing(() => this.#wake());
      this.#wake = () => {
        cancel();
        this.#wake = () => {};
        resolve();
      };
    });
  }
}

/** The seq of a cursor that the store itself wrote. */
export function seqOf(cursor: string): number {
  return parseCursor(cursor)!.seq;
}

// Sinks and the batches on their way to them (PROTOCOL.md 7). A batch is written before it is sent; that it was acknowledged and
// how far its sink has come move in one transaction. All writes happen inside the writer's transaction.
import type { BatchState } from '../core/outbox.ts';
import type { Db } from './open.ts';

/** `cursor`, `seq`: what was acknowledged last. `filter`: JSON; null: all. */
export type SinkRow = {
  name: string;
  kind: string;
  url: string;
  token: string | null;
  filter: string | null;
  state: 'active' | 'paused' | 'failing';
  cursor: string;
  seq: number;
  lastError: string | null;
  createdAt: number;
};

/** Covers the events behind `fromSeq` up to and with `toSeq`, of which `through` is the cursor. Times in ms since the epoch. */
export type BatchRow = {
  id: string;
  sink: string;
  fromSeq: number;
  toSeq: number;
  through: string;
  state: BatchState;
  attempts: number;
  nextRetryAt: number | null;
  lastError: string | null;
  /** The JSON text that is sent; '' once it was acknowledged. */
  items: string;
  /** JSON of what the other side does not take. */
  rejected: string;
};

const batchColumns = `
  id, sink, from_seq AS fromSeq, to_seq AS toSeq, through, state, attempts, next_retry_at AS nextRetryAt,
  last_error AS lastError, items, rejected`;

export class OutboxRows {
  readonly #sql;

  constructor(db: Db) {
    this.#sql = {
      sinks: db.prepare(`
        SELECT name, kind, url, token, filter, state, cursor, seq, last_error AS lastError, created_at AS createdAt
          FROM sink ORDER BY created_at, name`),
      addSink: db.prepare(`
        INSERT INTO sink VALUES ($name, $kind, $url, $token, $filter, $state, $cursor, $seq, $lastError, $createdAt)`),
      setSink: db.prepare(`
        UPDATE sink SET state = $state, cursor = $cursor, seq = $seq, last_error = $lastError WHERE name = $name`),
      dropSink: db.prepare('DELETE FROM sink WHERE name = ?'),
      dropBatches: db.prepare('DELETE FROM batch WHERE sink = ?'),
      next: db.prepare(`
        SELECT ${batchColumns} FROM batch WHERE sink = ? AND state IN ('pending', 'inFlight') ORDER BY key LIMIT 1`),
      find: db.prepare(`SELECT ${batchColumns} FROM batch WHERE id = ?`),
      addBatch: db.prepare(`
        INSERT INTO batch (id, sink, from_seq, to_seq, through, state, attempts, next_retry_at, last_error, items, rejected)
        VALUES ($id, $sink, $fromSeq, $toSeq, $through, $state, $attempts, $nextRetryAt, $lastError, $items, $rejected)`),
      setBatch: db.prepare(`
        UPDATE batch SET state = $state, attempts = $attempts, next_retry_at = $nextRetryAt, last_error = $lastError,
               items = $items, rejected = $rejected WHERE id = $id`),
      dropBatch: db.prepare('DELETE FROM batch WHERE id = ?'),
      forget: db.prepare(`
        DELETE FROM batch WHERE sink = $sink AND state = 'acked' AND rejected = '[]' AND key <= (
          SELECT key FROM batch WHERE sink = $sink AND state = 'acked' ORDER BY key DESC LIMIT 1 OFFSET $count)`),
      page: db.prepare(`
        SELECT key, ${batchColumns} FROM batch WHERE sink = $sink AND ($state IS NULL OR state = $state) AND key > $after
         ORDER BY key LIMIT $limit`),
    };
  }

  sinks(): SinkRow[] {
    return this.#sql.sinks.all() as SinkRow[];
  }

  addSink(sink: SinkRow): void {
    this.#sql.addSink.run(sink);
  }

  /** Writes what changes in the life of a sink: state, cursor, lastError. */
  setSink({ name, state, cursor, seq, lastError }: SinkRow): void {
    this.#sql.setSink.run({ name, state, cursor, seq, lastError });
  }

  /** With all of its batches. */
  dropSink(name: string): void {
    this.#sql.dropSink.run(name);
    this.#sql.dropBatches.run(name);
  }

  /** The oldest that is not acknowledged and not set aside. */
  next(sink: string): BatchRow | undefined {
    return this.#sql.next.get(sink) as BatchRow | undefined;
  }

  find(id: string): BatchRow | undefined {
    return this.#sql.find.get(id) as BatchRow | undefined;
  }

  addBatch(batch: BatchRow): void {
    this.#sql.addBatch.run(batch);
  }

  setBatch({ id, state, attempts, nextRetryAt, lastError, items, rejected }: BatchRow): void {
    this.#sql.setBatch.run({ id, state, attempts, nextRetryAt, lastError, items, rejected });
  }

  dropBatch(id: string): void {
    this.#sql.dropBatch.run(id);
  }

  /** Of those that were acknowledged, without anything that was not taken, the newest `count` stay. */
  forget(sink: string, count: number): void {
    this.#sql.forget.run({ sink, count });
  }

  /** In the order in which they were made, behind the row `after`. */
  page(sink: string, state: BatchState | undefined, limit: number, after = 0): (BatchRow & { key: number })[] {
    return this.#sql.page.all({ sink, state: state ?? null, limit, after }) as (BatchRow & { key: number })[];
  }
}

// Sinks, how far each has come, and the batches on their way to them (PROTOCOL.md 7). A batch is written before it is sent; that
// it was acknowledged and how far its sink has come move in one transaction. All writes happen inside the writer's transaction.
import type { BatchState } from '../core/outbox.ts';
import type { Db } from './open.ts';

/** See sql/0007.sql. `filter`: JSON; null: all. */
export type SinkRow = {
  name: string;
  kind: string;
  url: string;
  token: string | null;
  filter: string | null;
  mask: boolean;
  state: 'active' | 'paused' | 'failing';
  cursor: string;
  seq: number;
  held: string | null;
  resync: boolean;
  lastError: string | null;
  createdAt: number;
};

/** How far a session was put into batches for a sink; see sql/0007.sql. */
export type Mark = { version: number; seen: number; state: 'at' | 'unknown' | 'stale' | 'gone' | 'large' };

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
  count: number;
  /** JSON of what the other side does not take. */
  rejected: string;
};

/** What is listed of a batch. `key`: its place in the list. */
export type BatchEntry = Omit<BatchRow, 'items' | 'through'> & { key: number };

type SinkSql = Omit<SinkRow, 'mask' | 'resync'> & { mask: number; resync: number };

const listedColumns = `
  id, sink, from_seq AS fromSeq, to_seq AS toSeq, state, attempts, next_retry_at AS nextRetryAt,
  last_error AS lastError, count, rejected`;

export class OutboxRows {
  readonly #sql;

  constructor(db: Db) {
    this.#sql = {
      sinks: db.prepare(`
        SELECT name, kind, url, token, filter, mask, state, cursor, seq, held, resync, last_error AS lastError,
               created_at AS createdAt
          FROM sink ORDER BY created_at, name`),
      addSink: db.prepare(`
        INSERT INTO sink VALUES ($name, $kind, $url, $token, $filter, $mask, $state, $cursor, $seq, $held, $resync, $lastError,
          $createdAt)`),
      setSink: db.prepare(`
        UPDATE sink SET token = $token, state = $state, cursor = $cursor, seq = $seq, held = $held, resync = $resync,
               last_error = $lastError
         WHERE name = $name`),
      dropSink: db.prepare('DELETE FROM sink WHERE name = ?'),
      dropBatches: db.prepare('DELETE FROM batch WHERE sink = ?'),
      dropUnsent: db.prepare(`DELETE FROM batch WHERE sink = ? AND state <> 'acked'`),
      dropMarks: db.prepare('DELETE FROM sink_session WHERE sink = ?'),
      mark: db.prepare('SELECT version, seen, state FROM sink_session WHERE sink = ? AND session = ?'),
      setMark: db.prepare('INSERT OR REPLACE INTO sink_session VALUES (?, ?, ?, ?, ?)'),
      setMarks: db.prepare(`
        UPDATE sink_session SET state = $state WHERE sink = $sink AND state <> 'large' AND ($gone OR state <> 'gone')`),
      reviveLarge: db.prepare(`UPDATE sink_session SET state = 'stale' WHERE sink = ? AND state = 'large'`),
      dropUnsentOf: db.prepare(`
        DELETE FROM batch WHERE sink = $sink AND state <> 'acked'
           AND NOT EXISTS (SELECT 1 FROM json_each(items) WHERE value ->> 'sessionId' <> $session)`),
      stale: db.prepare(`SELECT session FROM sink_session WHERE sink = ? AND state = 'stale' LIMIT 1`).pluck(),
      marked: db
        .prepare('SELECT session FROM sink_session WHERE sink = ? AND session > ? ORDER BY session LIMIT ?')
        .pluck(),
      next: db.prepare(`
        SELECT ${listedColumns}, through, items FROM batch
         WHERE sink = ? AND state IN ('pending', 'inFlight') ORDER BY key LIMIT 1`),
      lastSeq: db.prepare(`SELECT max(to_seq) FROM batch WHERE sink = ? AND state <> 'acked'`).pluck(),
      find: db.prepare(`SELECT ${listedColumns}, through, items FROM batch WHERE id = ?`),
      addBatch: db.prepare(`
        INSERT INTO batch (id, sink, from_seq, to_seq, through, state, attempts, next_retry_at, last_error, items, count, rejected)
        VALUES ($id, $sink, $fromSeq, $toSeq, $through, $state, $attempts, $nextRetryAt, $lastError, $items, $count, $rejected)`),
      setBatch: db.prepare(`
        UPDATE batch SET state = $state, attempts = $attempts, next_retry_at = $nextRetryAt, last_error = $lastError,
               items = $items, rejected = $rejected WHERE id = $id`),
      revive: db.prepare(
        `UPDATE batch SET state = 'pending', next_retry_at = NULL WHERE sink = ? AND state <> 'acked'`,
      ),
      dropBatch: db.prepare('DELETE FROM batch WHERE id = ?'),
      forget: db.prepare(`
        DELETE FROM batch WHERE sink = $sink AND state = 'acked' AND (rejected = '[]') = $whole AND key <= (
          SELECT key FROM batch WHERE sink = $sink AND state = 'acked' AND (rejected = '[]') = $whole
           ORDER BY key DESC LIMIT 1 OFFSET $count)`),
      page: db.prepare(`
        SELECT key, ${listedColumns} FROM batch
         WHERE ($sink IS NULL OR sink = $sink) AND key > $after AND ($state IS NULL OR $state = CASE
           WHEN state = 'pending' AND id IN (SELECT value FROM json_each($inFlight)) THEN 'inFlight' ELSE state END)
         ORDER BY key LIMIT $limit`),
    };
  }

  sinks(): SinkRow[] {
    const rows = this.#sql.sinks.all() as SinkSql[];
    return rows.map((row) => ({ ...row, mask: row.mask === 1, resync: row.resync === 1 }));
  }

  addSink(sink: SinkRow): void {
    this.#sql.addSink.run({ ...sink, mask: Number(sink.mask), resync: Number(sink.resync) });
  }

  /** Writes what changes in the life of a sink: token, state, cursor, held, resync, lastError. */
  setSink({ name, token, state, cursor, seq, held, resync, lastError }: SinkRow): void {
    this.#sql.setSink.run({ name, token, state, cursor, seq, held, resync: Number(resync), lastError });
  }

  /** With all of its batches. */
  dropSink(name: string): void {
    for (const drop of [this.#sql.dropBatches, this.#sql.dropMarks, this.#sql.dropSink]) drop.run(name);
  }

  markOf(sink: string, session: string): Mark | undefined {
    return this.#sql.mark.get(sink, session) as Mark | undefined;
  }

  setMark(sink: string, session: string, { version, seen, state }: Mark): void {
    this.#sql.setMark.run(sink, session, version, seen, state);
  }

  /** Of all its sessions but those that are too large; with `gone` also of those of which nothing more is sent. */
  setMarks(sink: string, state: Mark['state'], gone: boolean): void {
    this.#sql.setMarks.run({ sink, state, gone: Number(gone) });
  }

  /** Those that were too large are to be sent whole. */
  reviveLarge(sink: string): void {
    this.#sql.reviveLarge.run(sink);
  }

  /** Those that are not acknowledged and hold nothing but this session. */
  dropUnsentOf(sink: string, session: string): void {
    this.#sql.dropUnsentOf.run({ sink, session });
  }

  /** A session that must be sent whole. */
  stale(sink: string): string | undefined {
    return this.#sql.stale.get(sink) as string | undefined;
  }

  /** The sessions of which something was sent, in order, behind `after`. */
  marked(sink: string, after: string, limit: number): string[] {
    return this.#sql.marked.all(sink, after, limit) as string[];
  }

  /** The oldest that is not acknowledged and not set aside. */
  next(sink: string): BatchRow | undefined {
    return this.#sql.next.get(sink) as BatchRow | undefined;
  }

  /** How far those go that are not acknowledged. */
  lastSeq(sink: string): number | undefined {
    return (this.#sql.lastSeq.get(sink) as number | null) ?? undefined;
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

  /** What waits or was set aside is to be sent now. */
  revive(sink: string): void {
    this.#sql.revive.run(sink);
  }

  dropBatch(id: string): void {
    this.#sql.dropBatch.run(id);
  }

  /** Those that are not acknowledged. */
  dropUnsent(sink: string): void {
    this.#sql.dropUnsent.run(sink);
  }

  /** Of those that were acknowledged the newest `whole` stay; and of those of which something was not taken, `partly`. */
  forget(sink: string, whole: number, partly: number): void {
    this.#sql.forget.run({ sink, whole: 1, count: whole });
    this.#sql.forget.run({ sink, whole: 0, count: partly });
  }

  /**
   * In the order in which they were made, behind the row `after`; without `sink` of all. `inFlight`: those that are on their way
   * now, which is not written down.
   */
  page(
    sink: string | undefined,
    state: BatchState | undefined,
    limit: number,
    after: number,
    inFlight: readonly string[],
  ): BatchEntry[] {
    const asked = { sink: sink ?? null, state: state ?? null, limit, after, inFlight: JSON.stringify(inFlight) };
    return this.#sql.page.all(asked) as BatchEntry[];
  }
}

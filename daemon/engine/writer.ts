// The only writer. It collects what one turn of the event loop brings, applies it in one transaction with one fsync, then
// replies, then rings the bell: an acknowledged op is on disk, and nobody hears of an event before (P10).
import { createHash, hash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { formatCursor } from '../../protocol/cursor.ts';
import type { Refusal, Rejection } from '../../protocol/errors.ts';
import { isRefusal, RefusedError, refuse, toRejection, toWireError } from '../../protocol/errors.ts';
import type { Event, Op, Part } from '../../protocol/schema.ts';
import type { SourceOp } from '../adapters/adapter.ts';
import type { Decision } from '../core/decide.ts';
import { decide } from '../core/decide.ts';
import type { Journal } from '../store/journal.ts';
import { Ledger } from '../store/ledger.ts';
import type { Db } from '../store/open.ts';
import { storeFault } from '../store/open.ts';
import type { Position } from '../store/positions.ts';
import { Positions } from '../store/positions.ts';
import type { Tables } from '../store/tables.ts';
import type { Bell } from './bell.ts';
import { failpoint } from './failpoint.ts';
import type { Runtime } from './runtime.ts';

/** Who writes: ops are idempotent for a principal, events are marked with the actor. */
export type Author = { principal: string; actorId: string };

export type Applied = { opId: string; seq: number | null; version: number; ids: Record<string, string> };
export type AppendResult = { cursor: string; applied: Applied[]; duplicates: Applied[]; rejected: Rejection[] };
export type AppendOptions = {
  batchId?: string | undefined;
  atomic?: boolean | undefined;
  expectedCursor?: string | undefined;
};

/** What one read of a source brought, with the position it stands for. */
export type SourceBatch = {
  source: string;
  actorId: string;
  ops: (SourceOp & { opId: string })[];
  position: Position;
  /** A newer version of the source reads anew what an older one read: the record may know better by now. */
  upgrade?: boolean;
};
export type SourceResult = { applied: number; refused: { op: SourceOp; refusal: Refusal }[] };

type OpResult = { outcome: 'applied' | 'duplicate'; entry: Applied } | { outcome: 'refused'; refusal: Refusal };
type Job = { run(at: number): () => void; reject(error: unknown): void; ops: number };

/** Ops in one transaction: beyond it the next turn of the loop goes on, so that reads and timers get theirs. */
const maxTransactionOps = 2_000;

export class Writer {
  readonly #db: Db;
  readonly #journal: Journal;
  readonly #tables: Tables;
  readonly #ledger: Ledger;
  readonly #positions: Positions;
  readonly #bell: Bell;
  readonly #runtime: Runtime;
  readonly #onFatal: (error: unknown) => void;
  #queue: Job[] = [];
  #scheduled = false;
  #closed: Refusal | undefined;

  /** `onFatal`: an I/O error at commit, after which nothing may be written (P11); the process must end. */
  constructor(
    db: Db,
    journal: Journal,
    tables: Tables,
    bell: Bell,
    runtime: Runtime,
    onFatal: (error: unknown) => void,
  ) {
    this.#db = db;
    this.#journal = journal;
    this.#tables = tables;
    this.#ledger = new Ledger(db);
    this.#positions = new Positions(db);
    this.#bell = bell;
    this.#runtime = runtime;
    this.#onFatal = onFatal;
  }

  /** Applies a batch. Resolves when it is on disk; rejects with RefusedError when the batch as a whole is refused. */
  append(author: Author, ops: Op[], options: AppendOptions = {}): Promise<AppendResult> {
    return this.#enqueue(ops.length, (at) => this.#appendBatch(author, ops, options, at));
  }

  /** Applies one op. Rejects with RefusedError when it is refused. */
  appendOne(author: Author, op: Op): Promise<Applied & { cursor: string; duplicate: boolean }> {
    return this.#enqueue(1, (at) => {
      const result = this.#applyOp(author, op, at);
      if (result.outcome === 'refused') throw new RefusedError(result.refusal);
      const cursor = formatCursor(this.#journal.cursorAt(result.entry.seq));
      return { ...result.entry, cursor, duplicate: result.outcome === 'duplicate' };
    });
  }

  /** Applies what a source read, and its position, in one transaction. */
  takeIn(batch: SourceBatch): Promise<SourceResult> {
    return this.#enqueue(batch.ops.length, (at) => this.#applySourceBatch(batch, at));
  }

  /** Writes something beside the journal, in a transaction like any other. */
  write<T>(work: () => T): Promise<T> {
    return this.#enqueue(0, work);
  }

  /** From here everything is refused; what was taken before is still applied. Resolves when it is. */
  async close(refusal: Refusal): Promise<void> {
    const drained = this.#closed ? Promise.resolve() : this.#enqueue(0, () => undefined);
    this.#closed ??= refusal;
    await drained.catch(() => {});
  }

  #enqueue<T>(ops: number, work: (at: number) => T): Promise<T> {
    if (this.#closed) return Promise.reject(new RefusedError(this.#closed));
    return new Promise<T>((resolve, reject) => {
      const run = (at: number) => {
        try {
          const result = work(at);
          return () => resolve(result);
        } catch (error) {
          // A refusal is an answer of this job, not a failure of the transaction.
          if (error instanceof RefusedError) return () => reject(error);
          throw error;
        }
      };
      this.#queue.push({ run, reject, ops });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => this.#drain());
    });
  }

  #drain(): void {
    this.#scheduled = false;
    const jobs: Job[] = [];
    let ops = 0;
    while (this.#queue.length > 0 && (jobs.length === 0 || ops + this.#queue[0]!.ops <= maxTransactionOps)) {
      const job = this.#queue.shift()!;
      ops += job.ops;
      jobs.push(job);
    }
    const replies = this.#commit(jobs) ?? jobs.flatMap((job) => this.#commit([job], true) ?? []);
    failpoint('beforeReply');
    for (const reply of replies) reply();
    // After the replies: those are sent within the promises' turn that follows this one, and the bell in the next.
    setImmediate(() => this.#bell.ring());
    if (this.#queue.length > 0 && !this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.#drain());
    }
  }

  /** The replies of the jobs, committed. Undefined when a write threw: the caller tries the jobs one by one. */
  #commit(jobs: Job[], alone = false): (() => void)[] | undefined {
    const before = this.#journal.head.seq;
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      const at = this.#journal.begin(this.#runtime.now());
      const replies = jobs.map((job) => job.run(at));
      this.#tables.flush();
      if (this.#journal.head.seq !== before) this.#journal.saveHead();
      failpoint('beforeCommit');
      this.#commitOrDie();
      failpoint('afterCommit');
      return replies;
    } catch (error) {
      this.#rollback();
      const fault = storeFault(error);
      if (!fault && !alone && jobs.length > 1) return undefined;
      const answer = fault ? unavailable(fault) : error;
      if (fault === 'io') this.#die(error, answer);
      return jobs.map((job) => () => job.reject(answer));
    }
  }

  #commitOrDie(): void {
    try {
      this.#db.exec('COMMIT');
    } catch (error) {
      // A failed fsync may have lost pages that a later one would call safe (fsyncgate): the outcome is unknown. A full
      // disk is not that: SQLite found out before it wrote the commit record.
      const fault = storeFault(error);
      if (fault === 'full' || fault === 'readOnly') throw error;
      const answer = unavailable('io');
      this.#die(error, answer);
      throw answer;
    }
  }

  #die(error: unknown, answer: unknown): void {
    this.#closed = refuse('StoreUnavailable', 'the store could not be written; sessiond is ending', { reason: 'io' });
    const waiting = this.#queue;
    this.#queue = [];
    for (const job of waiting) job.reject(answer);
    setImmediate(() => this.#onFatal(error));
  }

  #rollback(): void {
    if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
    this.#tables.reset();
    this.#journal.reload();
  }

  #appendBatch(author: Author, ops: Op[], options: AppendOptions, at: number): AppendResult {
    this.#checkBatchId(author, ops, options.batchId);
    this.#checkExpectedCursor(author, ops, options.expectedCursor);
    const result: AppendResult = { cursor: '', applied: [], duplicates: [], rejected: [] };
    const apply = () => {
      for (const op of ops) {
        const done = this.#applyOp(author, op, at);
        if (done.outcome !== 'refused') {
          (done.outcome === 'applied' ? result.applied : result.duplicates).push(done.entry);
        } else if (options.atomic) {
          throw new RefusedError(aborted(op, done.refusal));
        } else {
          result.rejected.push(toRejection(op.opId, done.refusal));
        }
      }
    };
    if (options.atomic) this.#atomically(apply);
    else apply();
    const last = result.applied.at(-1) ?? result.duplicates.at(-1);
    // A batch of which nothing was applied leaves no trace, as its ops do.
    if (options.batchId && last) this.#ledger.putBatch(author.principal, options.batchId, batchDigest(ops), at);
    result.cursor = formatCursor(this.#journal.cursorAt(last?.seq ?? null));
    return result;
  }

  #atomically(apply: () => void): void {
    // What is cached but unsaved belongs to the jobs before this one: it must be written before the savepoint, since a
    // rollback to it forgets the caches.
    this.#tables.flush();
    this.#journal.saveHead();
    this.#db.exec('SAVEPOINT batch');
    try {
      apply();
      this.#tables.flush();
      this.#db.exec('RELEASE batch');
    } catch (error) {
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK TO batch; RELEASE batch');
      this.#tables.reset();
      this.#journal.reload();
      throw error;
    }
  }

  #checkBatchId(author: Author, ops: Op[], batchId: string | undefined): void {
    if (batchId === undefined) return;
    const held = this.#ledger.findBatch(author.principal, batchId);
    if (!held || held.equals(batchDigest(ops))) return;
    const message = `the batch ${batchId} was sent before with other ops: send it unchanged, or under a new batchId`;
    throw new RefusedError(refuse('OpIdReused', message, { opId: batchId }));
  }

  /** Compare and append: head must be where the caller saw it, unless all of it was applied before and this is a retry. */
  #checkExpectedCursor(author: Author, ops: Op[], expected: string | undefined): void {
    if (expected === undefined) return;
    const cursor = this.#journal.check(expected);
    if (isRefusal(cursor)) throw new RefusedError(cursor);
    const { seq } = this.#journal.head;
    if (cursor.seq === seq || ops.every((op) => this.#ledger.find(author.principal, op.opId))) return;
    const data = { sessionId: '', expected: cursor.seq, actual: seq };
    throw new RefusedError(refuse('VersionConflict', 'the journal has gone on since expectedCursor', data));
  }

  /** The checks in the order that PROTOCOL.md 3 fixes: ledger, dependsOn, expectedVersion, the op's own rules. */
  #applyOp(author: Author, op: Op, at: number): OpResult {
    const digest = opDigest(op);
    const held = this.#ledger.find(author.principal, op.opId);
    if (held) {
      if (!held.digest.equals(digest)) return refused(opIdReused(op.opId));
      return { outcome: 'duplicate', entry: { opId: op.opId, seq: held.seq, version: held.version, ids: held.ids } };
    }
    const missing = op.dependsOn?.filter((opId) => !this.#ledger.find(author.principal, opId)) ?? [];
    if (missing.length > 0) {
      const message = `op ${op.opId} depends on ops that were not applied: ${missing.join(', ')}`;
      return refused(refuse('DependencyMissing', message, { opId: op.opId, missing }));
    }
    const conflict = this.#versionConflict(op);
    if (conflict) return refused(conflict);
    const context = {
      now: at,
      occurredAt: op.occurredAt,
      actorId: author.actorId,
      newId: this.#runtime.newId,
      fromSource: false,
    };
    const decision = decide(this.#tables, op, context);
    if (isRefusal(decision)) return refused(decision);
    const { seq, version } = this.#write(decision, op.opId, op.occurredAt, author.actorId, at);
    this.#ledger.put(author.principal, op.opId, { digest, seq, version, ids: decision.ids }, at);
    const entry = { opId: op.opId, seq, version, ids: decision.ids };
    return { outcome: seq === null ? 'duplicate' : 'applied', entry };
  }

  #versionConflict(op: Op): Refusal | undefined {
    const expected = op.expectedVersion;
    if (expected === undefined) return undefined;
    const sessionId = op.params.sessionId ?? '';
    const actual = this.#tables.findSession(sessionId)?.version ?? 0;
    if (actual === expected) return undefined;
    const message = `session ${sessionId} is at version ${actual}, not ${expected}: read it again`;
    return refuse('VersionConflict', message, { sessionId, expected, actual });
  }

  #write(
    decision: Decision,
    opId: string,
    occurredAt: number | undefined,
    actorId: string,
    at: number,
    partJson?: string,
  ): { seq: number | null; version: number } {
    const sessionId = decision.ids.sessionId!;
    let version = this.#tables.findSession(sessionId)?.version ?? 0;
    let seq: number | null = null;
    const actor = this.#tables.actorKey(actorId);
    for (const [index, draft] of decision.events.entries()) {
      version += 1;
      const session = this.#tables.sessionKey(draft);
      const opRest = decision.events.length - 1 - index;
      const json = partJson === undefined ? JSON.stringify(draft.data) : wholePart(draft.data as Part, partJson);
      seq = this.#journal.append({ session, version, type: draft.type, occurredAt, actor, opId, opRest, json });
      const event = { ...draft, seq, version, at, actorId, opId, ...(occurredAt === undefined ? {} : { occurredAt }) };
      this.#tables.apply(event as Event);
    }
    return { seq, version };
  }

  #applySourceBatch(batch: SourceBatch, at: number): SourceResult {
    const result: SourceResult = { applied: 0, refused: [] };
    // A record that is put in several versions ends with the last of them, also when only an earlier one is another now.
    const changed = new Set<string>();
    // Then each record is put once, as it ends: a tool that has completed must not be seen running again.
    const last = new Map(batch.upgrade ? batch.ops.map((op) => [targetOf(op), op]) : []);
    for (const given of batch.ops) {
      const sessionId = given.params.sessionId!;
      const content = contentOf(given);
      const digest = hash('sha256', given.opId + content, 'buffer').subarray(0, 16);
      const target = targetOf(given);
      if (!changed.has(target) && this.#ledger.findRecord(sessionId, given.opId)?.equals(digest)) continue;
      if (batch.upgrade && (last.get(target) !== given || this.#isEdited(given, batch.actorId))) {
        this.#ledger.putRecord(sessionId, given.opId, digest);
        continue;
      }
      const op = this.#withoutOverruledTitle(given);
      const context = {
        now: at,
        occurredAt: op.occurredAt,
        actorId: batch.actorId,
        newId: this.#runtime.newId,
        fromSource: true,
      };
      const decision = decide(this.#tables, op, context);
      if (isRefusal(decision)) {
        result.refused.push({ op, refusal: decision });
        continue;
      }
      const partJson = op.type === 'part/put' ? content.slice(content.indexOf('{')) : undefined;
      const { seq } = this.#write(decision, op.opId, op.occurredAt, batch.actorId, at, partJson);
      if (seq !== null) {
        result.applied += 1;
        changed.add(target);
      }
      this.#ledger.putRecord(sessionId, op.opId, digest);
      this.#noteTitle(op);
    }
    this.#positions.put(batch.position);
    return result;
  }

  /** Whether somebody else was the last to write the record. */
  #isEdited({ type, params }: SourceOp, actorId: string): boolean {
    const held =
      type === 'part/put'
        ? this.#tables.findPart(params.partId!)
        : type === 'message/put'
          ? this.#tables.findMessage(params.messageId!)
          : this.#tables.findSession(params.sessionId!);
    return held !== undefined && held.actorId !== actorId;
  }

  /** A title that somebody else gave since the source gave its own is not overruled by the agent's next one. */
  #withoutOverruledTitle(op: SourceBatch['ops'][number]): SourceBatch['ops'][number] {
    if (op.type !== 'session/update' || op.params.title === undefined) return op;
    const { sessionId } = op.params;
    const given = this.#ledger.findRecord(sessionId, titleKey);
    const held = this.#tables.findSession(sessionId)?.title;
    if (held === undefined || !given || given.equals(titleDigest(held))) return op;
    const { title: _, ...params } = op.params;
    return { ...op, params };
  }

  /** Keeps what title the source gave last. */
  #noteTitle({ type, params }: SourceBatch['ops'][number]): void {
    if ((type !== 'session/create' && type !== 'session/update') || params.title === undefined) return;
    this.#ledger.putRecord(params.sessionId!, titleKey, titleDigest(params.title));
  }
}

/** Stands for the title in the records of each session. */
const titleKey = 'src_title---';
const titleDigest = (title: string | null) => hash('sha256', JSON.stringify([title]), 'buffer').subarray(0, 16);

/** What a put sets: a record; of a session, the field. */
function targetOf({ params }: SourceOp): string {
  if ('partId' in params) return params.partId!;
  return 'messageId' in params ? params.messageId! : Object.keys(params).join();
}

function refused(refusal: Refusal): OpResult {
  return { outcome: 'refused', refusal };
}

function opIdReused(opId: string): Refusal {
  return refuse('OpIdReused', `the opId ${opId} was used before with other content: use a new one`, { opId });
}

function aborted(op: Op, cause: Refusal): Refusal {
  const message = `nothing was applied, since op ${op.opId} was refused: ${cause.message}`;
  return refuse('BatchAborted', message, { opId: op.opId, cause: toWireError(cause) });
}

function unavailable(reason: 'full' | 'readOnly' | 'io'): RefusedError {
  const messages = {
    full: 'the disk is full: nothing was applied; make room and send it again',
    readOnly: 'the store is read-only: nothing was applied; make it writable and send it again',
    io: 'the store could not be written and the outcome is unknown: start sessiond again and send it with the same opId',
  };
  return new RefusedError(refuse('StoreUnavailable', messages[reason], { reason }));
}

/** SHA-256 of the RFC 8785 form of type and params: the same content, however its members are ordered. */
function opDigest(op: Op): Buffer {
  return createHash('sha256')
    .update(canonicalize({ type: op.type, params: op.params })!)
    .digest();
}

/** A source always makes its params in the same order, so that plain JSON is canonical. A part's own comes last. */
function contentOf({ type, params }: SourceOp): string {
  if (type !== 'part/put') return JSON.stringify(params);
  return `${params.messageId} ${params.partId} ${JSON.stringify(params.part)}`;
}

/** The JSON of a part, of which its own content is encoded already: as JSON.stringify would give it. */
function wholePart({ id, messageId, sessionId, index, actorId, schemaVersion }: Part, partJson: string): string {
  const rest = JSON.stringify({ id, messageId, sessionId, index, actorId, schemaVersion });
  return `${rest.slice(0, -1)},${partJson.slice(1)}`;
}

function batchDigest(ops: Op[]): Buffer {
  return createHash('sha256')
    .update(JSON.stringify(ops.map((op) => op.opId)))
    .digest();
}

// The only writer. It collects what one turn of the event loop brings, applies it in one transaction with one fsync, then
// replies, then rings the bell: an acknowledged op is on disk, and nobody hears of an event before (P10).
import { dirname } from 'node:path';
import { formatCursor } from '../../protocol/cursor.ts';
import type { Refusal } from '../../protocol/errors.ts';
import { RefusedError, refuse } from '../../protocol/errors.ts';
import type { Op } from '../../protocol/schema.ts';
import type { Context, Decision } from '../core/decide.ts';
import { AuditRows } from '../store/audit-rows.ts';
import type { Journal } from '../store/journal.ts';
import { Ledger } from '../store/ledger.ts';
import type { Db, OpenStore } from '../store/open.ts';
import { isDamage } from '../store/open.ts';
import { Positions } from '../store/positions.ts';
import { ReplicaRows } from '../store/replica-rows.ts';
import type { Tables } from '../store/tables.ts';
import { damagedStore, writeFault } from '../store/write-fault.ts';
import type { Bell } from './bell.ts';
import { KeyedBell } from './bell.ts';
import { failpoint, failpointsOf } from './failpoint.ts';
import { Leases } from './leases.ts';
import type { MakeRoom } from './log-sync.ts';
import { LogSync } from './log-sync.ts';
import type { Applied, Author, EffectsMark, Once, OpResult } from './op-applier.ts';
import { OpApplier } from './op-applier.ts';
import type { AppendOptions, AppendResult } from './op-batch.ts';
import { OpBatchApplier } from './op-batch.ts';
import type { Kin, ReplicaBatch } from './replica-batch.ts';
import { ReplicaApplier } from './replica-batch.ts';
import { ReplicaSet } from './replica-set.ts';
import type { Runtime } from './runtime.ts';
import type { SourceBatch, SourceResult } from './source-batch.ts';
import { SourceApplier } from './source-batch.ts';

export type { Applied, Author } from './op-applier.ts';
export type { AppendOptions, AppendResult } from './op-batch.ts';

export type AppendedOne = Applied & { cursor: string; duplicate: boolean };
/** What one op of a series does. */
export type Step = Once & { decide(context: Context): Decision | Refusal };
/** A series of ops as it stands in the audit: by its first, and by what cut it off. `opId`: of its first. */
export type SeriesName = { opId: string; method: string; sessionId: string | null };

/** Has `undo` done when the transaction is rolled back: it puts back what was changed in memory beside the rows. */
export type OnRollback = (undo: () => void) => void;

type Job = { run(at: number): () => void; reject(error: unknown): void; ops(): number };

/** Ops in one transaction: beyond it the next turn of the loop goes on, so that reads and timers get theirs. Some 25 ms. */
const maxTransactionOps = 500;

export class Writer {
  readonly #store: Pick<OpenStore, 'path' | 'isThere' | 'lostFile'>;
  readonly #db: Db;
  readonly #journal: Journal;
  readonly #tables: Tables;
  readonly #applier: OpApplier;
  readonly #batches: OpBatchApplier;
  readonly #sources: SourceApplier;
  readonly #replicas: ReplicaApplier;
  /** Whether a session's home is another store. */
  readonly isReplica: (sessionId: string) => boolean;
  /** Of all who read or prune it: it holds the last op ids in memory. */
  readonly ledger: Ledger;
  /** Of the turns that are open. */
  readonly leases = new Leases();
  /** Rings by the id of a blocker that was asked or resolved, and for all when a session was deleted. */
  readonly blockerBell = new KeyedBell();
  readonly #bell: Bell;
  readonly #runtime: Runtime;
  readonly #onFatal: (error: unknown) => void;
  #queue: Job[] = [];
  /** What the transactions before the one under way have left to do. */
  #effectsBefore: EffectsMark = { turns: 0, blockers: 0 };
  /** What puts back, in memory, what the transaction under way has changed there. */
  #undos: (() => void)[] = [];
  readonly #onRollback: OnRollback = (undo) => void this.#undos.push(undo);
  readonly #sync: LogSync;
  /** A transaction is to come, or on its way to the disk. */
  #busy = false;
  /** Nothing may be written any more. */
  #isDead = false;
  #closed: Refusal | undefined;

  /** `onFatal`: an I/O error, after which nothing may be written (P11), or a store that was taken away; the process must end. */
  constructor(
    store: Pick<OpenStore, 'db' | 'log' | 'path' | 'isThere' | 'lostFile'>,
    journal: Journal,
    tables: Tables,
    bell: Bell,
    runtime: Runtime,
    onFatal: (error: unknown) => void,
    makeRoom: MakeRoom = () => undefined,
  ) {
    const { db } = store;
    this.#store = store;
    this.#db = db;
    this.#journal = journal;
    this.#tables = tables;
    const ledger = new Ledger(db);
    this.ledger = ledger;
    const audit = new AuditRows(db);
    const rows = new ReplicaRows(db);
    const replicas = new ReplicaSet(rows);
    this.isReplica = (sessionId) => replicas.has(sessionId);
    const applier = new OpApplier({ journal, tables, ledger, audit, replicas, runtime });
    this.#applier = applier;
    const atomically = (work: () => void) => this.#atomically(work);
    this.#batches = new OpBatchApplier({ applier, ledger, journal, atomically });
    const positions = new Positions(db);
    this.#sources = new SourceApplier({ applier, tables, ledger, positions, replicas, runtime });
    this.#replicas = new ReplicaApplier({ applier, tables, ledger, rows, set: replicas, atomically });
    this.#sync = new LogSync(store.log, journal, runtime, makeRoom);
    this.#bell = bell;
    this.#runtime = runtime;
    this.#onFatal = onFatal;
  }

  /** Applies a batch. Resolves when it is on disk; rejects with RefusedError when the batch as a whole is refused. */
  append(author: Author, ops: Op[], options: AppendOptions = {}): Promise<AppendResult> {
    return this.#enqueue(
      () => ops.length,
      (at) => this.#batches.apply(author, ops, options, at),
    );
  }

  /** Applies one op. Rejects with RefusedError when it is refused. */
  appendOne(author: Author, op: Op): Promise<AppendedOne> {
    return this.#enqueue(
      () => 1,
      (at) => this.#answer(this.#applier.apply(author, op, at)),
    );
  }

  /**
   * Does several things in one transaction, each once for its op id and each for itself: the ops of a series. Resolves with
   * the result of the last; rejects with the RefusedError of the first that is refused, and does none behind it.
   */
  appendSeries(author: Author, series: SeriesName, steps: Step[]): Promise<AppendedOne> {
    return this.#enqueue(
      () => steps.length,
      (at) => {
        let last: AppendedOne | undefined;
        for (const { decide, ...once } of steps) {
          const refusal = author.grant?.invalid();
          const result: OpResult = refusal
            ? { outcome: 'refused', refusal }
            : this.#applier.once(author, once, at, decide);
          if (once.opId === series.opId || result.outcome === 'refused') {
            this.#applier.auditOp(author, series.method, series.sessionId, result, at);
          }
          last = this.#answer(result);
        }
        return last!;
      },
    );
  }

  /** Applies an op unless `still` says, at the moment of applying it, that its reason is gone. */
  appendIf(author: Author, op: Op, still: () => boolean): Promise<void> {
    return this.#enqueue(
      () => 1,
      (at) => {
        if (still()) this.#answer(this.#applier.apply(author, op, at));
      },
    );
  }

  /** Whether an op of the transaction under way is on the turn. */
  isOnTurn(turnId: string): boolean {
    return this.#applier.isOnTurn(turnId);
  }

  /** Applies what a source read, and its position, in one transaction. */
  takeIn(batch: SourceBatch): Promise<SourceResult> {
    return this.#enqueue(
      () => batch.ops.length,
      (at) => this.#sources.apply(batch, at),
    );
  }

  /** Applies what the home of other sessions sent, in one transaction. Rejects with RefusedError when all of it is refused. */
  takeReplica(author: Author, batch: ReplicaBatch, kin: Kin): Promise<AppendResult> {
    return this.#enqueue(
      () => batch.items.reduce((events, item) => events + item.events.length, 1),
      (at) => this.#replicas.apply(batch, { author, kin, at, onRollback: this.#onRollback }),
    );
  }

  /**
   * Writes something beside the journal, in a transaction like any other. `cost`: about so many ops it takes as long as, asked
   * when its turn comes. What `work` changes in memory is put back by what it gives to `onRollback`: it may run again, and
   * memory agrees with the disk.
   */
  write<T>(work: (onRollback: OnRollback) => T, cost: () => number = () => 1): Promise<T> {
    return this.#enqueue(cost, () => work(this.#onRollback));
  }

  /**
   * While a commit is on its way to the disk: resolves when it has arrived, for who answers from what it has changed in memory,
   * or from a connection of its own. Rejects with RefusedError when nobody knows whether it has.
   */
  async settled(): Promise<void> {
    await this.#sync.arriving?.catch(() => {
      throw unavailable('io');
    });
  }

  /** Why everything is refused, once it is. */
  get closed(): Refusal | undefined {
    return this.#closed;
  }

  /** From here everything is refused; what was taken before is still applied. Resolves when it is. */
  async close(refusal: Refusal): Promise<void> {
    const drained = this.#closed
      ? Promise.resolve()
      : this.#enqueue(
          () => 0,
          () => undefined,
        );
    this.#closed ??= refusal;
    await drained.catch(() => {});
  }

  #answer(result: OpResult): AppendedOne {
    if (result.outcome === 'refused') throw new RefusedError(result.refusal);
    const { opId, seq, version, ids } = result.entry;
    const cursor = formatCursor(this.#journal.cursorAt(seq));
    return { opId, seq, version, ids, cursor, duplicate: result.outcome === 'duplicate' };
  }

  #enqueue<T>(ops: () => number, work: (at: number) => T): Promise<T> {
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
      if (!this.#busy) this.#schedule();
    });
  }

  #schedule(): void {
    this.#busy = true;
    setImmediate(() => this.#drain());
  }

  #drain(): void {
    const jobs: Job[] = [];
    let ops = 0;
    while (this.#queue.length > 0) {
      ops += this.#queue[0]!.ops();
      if (jobs.length > 0 && ops > maxTransactionOps) break;
      jobs.push(this.#queue.shift()!);
    }
    this.#sync.begin();
    const replies = this.#commit(jobs) ?? jobs.flatMap((job) => this.#commit([job], true) ?? []);
    const lost = () => {
      for (const job of jobs) job.reject(unavailable('io'));
    };
    const failed = (error: unknown) => {
      this.#die(error, unavailable('io'));
      lost();
    };
    const arrived = (room: Promise<void> | undefined) => {
      // The store was taken away meanwhile.
      if (this.#isDead) return lost();
      this.#reply(replies);
      if (room) void room.then(() => this.#next());
      else this.#next();
    };
    if (this.#isDead) this.#reply(replies);
    else this.#sync.end(arrived, failed);
  }

  #next(): void {
    this.#busy = false;
    if (this.#queue.length > 0) this.#schedule();
  }

  #reply(replies: (() => void)[]): void {
    failpoint('beforeReply');
    for (const reply of replies) reply();
    // After the replies: those are sent within the promises' turn that follows this one, and the bell in the next.
    const { turns, blockers, sessionsDeleted } = this.#applier.takeEffects();
    for (const turn of turns) this.leases.note(turn, this.#runtime.monotonic());
    setImmediate(() => {
      this.#bell.ring();
      this.blockerBell.ring(sessionsDeleted ? undefined : blockers);
    });
  }

  /** The replies of the jobs, committed. Undefined when a write threw: the caller tries the jobs one by one. */
  #commit(jobs: Job[], alone = false): (() => void)[] | undefined {
    const before = this.#journal.head.seq;
    this.#effectsBefore = this.#applier.effectsMark;
    const lost = this.#store.isThere() ? undefined : this.#endIfLost();
    if (lost) return jobs.map((job) => () => job.reject(lost));
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      const at = this.#journal.begin(this.#runtime.now());
      const replies = jobs.map((job) => job.run(at));
      this.#tables.flush();
      this.ledger.flush();
      if (this.#journal.head.seq !== before) this.#journal.saveHead();
      failpoint('beforeCommit');
      this.#commitOrDie();
      this.#undos = [];
      failpoint('afterCommit');
      failpointsOf(undefined);
      return replies;
    } catch (error) {
      this.#rollback();
      const fault = this.#faultOf(error);
      if (!fault && !alone && jobs.length > 1) return undefined;
      const answer = isDamage(error) ? damagedStore() : fault ? unavailable(fault) : error;
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
      const fault = this.#faultOf(error);
      if (fault === 'full' || fault === 'readOnly') throw error;
      const answer = isDamage(error) ? damagedStore() : unavailable('io');
      this.#die(error, answer);
      throw answer;
    }
  }

  /** Ends the writing, and the process, when the store was taken away: nothing may be acknowledged that no disk has. */
  checkStore(): void {
    if (!this.#closed) this.#endIfLost();
  }

  #endIfLost(): RefusedError | undefined {
    const path = this.#store.lostFile();
    if (path === undefined) return undefined;
    const message = `${path} was removed or replaced while sessiond used it`;
    const answer = new RefusedError(refuse('StoreUnavailable', `${message}: nothing was applied`, { reason: 'io' }));
    this.#die(new Error(message), answer);
    return answer;
  }

  #faultOf(error: unknown) {
    return writeFault(error, dirname(this.#store.path));
  }

  #die(error: unknown, answer: unknown): void {
    this.#isDead = true;
    this.#closed = refuse('StoreUnavailable', 'the store could not be written; sessiond is ending', { reason: 'io' });
    const waiting = this.#queue;
    this.#queue = [];
    for (const job of waiting) job.reject(answer);
    setImmediate(() => this.#onFatal(error));
  }

  #rollback(): void {
    if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
    // The last first: it may have changed what one before it had.
    for (const undo of this.#undos.splice(0).reverse()) undo();
    this.#tables.reset();
    this.ledger.reset();
    this.#journal.reload();
    this.#applier.dropEffects(this.#effectsBefore);
  }

  #atomically(apply: () => void): void {
    // What is cached but unsaved belongs to the jobs before this one: it must be written before the savepoint, since a
    // rollback to it forgets the caches.
    this.#tables.flush();
    this.#journal.saveHead();
    this.#db.exec('SAVEPOINT batch');
    const effects = this.#applier.effectsMark;
    try {
      apply();
      this.#tables.flush();
      this.#db.exec('RELEASE batch');
    } catch (error) {
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK TO batch; RELEASE batch');
      this.#tables.reset();
      this.#journal.reload();
      this.#applier.dropEffects(effects);
      throw error;
    }
  }
}

function unavailable(reason: 'full' | 'readOnly' | 'io'): RefusedError {
  const messages = {
    full: 'the disk is full: nothing was applied; make room and send it again',
    readOnly: 'the store is read-only: nothing was applied; make it writable and send it again',
    io: 'the store could not be written and the outcome is unknown: start sessiond again and send it with the same opId',
  };
  return new RefusedError(refuse('StoreUnavailable', messages[reason], { reason }));
}

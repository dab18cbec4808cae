// A batch of ops, applied inside the writer's transaction (PROTOCOL.md 3): in order, each for itself unless all stand together.
import { createHash } from 'node:crypto';
import { formatCursor } from '../../protocol/cursor.ts';
import type { Refusal, Rejection } from '../../protocol/errors.ts';
import { isRefusal, RefusedError, refuse, toRejection, toWireError } from '../../protocol/errors.ts';
import type { Op } from '../../protocol/schema.ts';
import type { Journal } from '../store/journal.ts';
import type { Ledger } from '../store/ledger.ts';
import type { Applied, Author, OpApplier } from './op-applier.ts';

export type AppendResult = { cursor: string; applied: Applied[]; duplicates: Applied[]; rejected: Rejection[] };
export type AppendOptions = {
  batchId?: string | undefined;
  atomic?: boolean | undefined;
  expectedCursor?: string | undefined;
  /** The seq up to which events are not to be served any more (retention): a cursor before it is expired. */
  floor?: number;
};

export type OpBatchDeps = {
  applier: OpApplier;
  ledger: Ledger;
  journal: Journal;
  /** Does all that `work` does, or nothing where it throws. */
  atomically(work: () => void): void;
};

export class OpBatchApplier {
  readonly #deps: OpBatchDeps;

  constructor(deps: OpBatchDeps) {
    this.#deps = deps;
  }

  /** Throws RefusedError where the batch is refused as a whole. */
  apply(author: Author, ops: Op[], options: AppendOptions, at: number): AppendResult {
    try {
      return this.#apply(author, ops, options, at);
    } catch (error) {
      if (error instanceof RefusedError) {
        const { refusal } = error;
        this.#deps.applier.auditOp(author, 'ops/append', null, { outcome: 'refused', refusal }, at);
      }
      throw error;
    }
  }

  #apply(author: Author, ops: Op[], options: AppendOptions, at: number): AppendResult {
    const { applier, ledger, journal } = this.#deps;
    this.#checkBatchId(author, ops, options.batchId);
    this.#checkExpectedCursor(author, ops, options);
    const result: AppendResult = { cursor: '', applied: [], duplicates: [], rejected: [] };
    const apply = () => {
      for (const op of ops) {
        const done = applier.apply(author, op, at);
        if (done.outcome !== 'refused') {
          (done.outcome === 'applied' ? result.applied : result.duplicates).push(done.entry);
        } else if (options.atomic) {
          throw new RefusedError(aborted(op, done.refusal));
        } else {
          result.rejected.push(toRejection(op.opId, done.refusal));
        }
      }
    };
    if (options.atomic) this.#deps.atomically(apply);
    else apply();
    const last = result.applied.at(-1) ?? result.duplicates.at(-1);
    // A batch of which nothing was applied leaves no trace, as its ops do.
    if (options.batchId && last) ledger.putBatch(author.principal, options.batchId, batchDigest(ops), at);
    result.cursor = formatCursor(journal.cursorAt(last?.seq ?? null));
    return result;
  }

  #checkBatchId(author: Author, ops: Op[], batchId: string | undefined): void {
    if (batchId === undefined) return;
    const held = this.#deps.ledger.findBatch(author.principal, batchId);
    if (!held || held.equals(batchDigest(ops))) return;
    const message = `the batch ${batchId} was sent before with other ops: send it unchanged, or under a new batchId`;
    throw new RefusedError(refuse('OpIdReused', message, { opId: batchId }));
  }

  /**
   * Compare and append: head must be where the caller saw it, unless all of it was applied before and this is a retry, which
   * is answered like the first time even where its cursor is not kept any more.
   */
  #checkExpectedCursor(author: Author, ops: Op[], { expectedCursor, floor }: AppendOptions): void {
    if (expectedCursor === undefined || ops.every((op) => this.#deps.ledger.find(author.principal, op.opId))) return;
    const cursor = this.#deps.journal.check(expectedCursor, floor);
    if (isRefusal(cursor)) throw new RefusedError(cursor);
    const { seq } = this.#deps.journal.head;
    if (cursor.seq === seq) return;
    const data = { sessionId: '', expected: cursor.seq, actual: seq };
    throw new RefusedError(refuse('VersionConflict', 'the journal has gone on since expectedCursor', data));
  }
}

function aborted(op: Op, cause: Refusal): Refusal {
  const message = `nothing was applied, since op ${op.opId} was refused: ${cause.message}`;
  return refuse('BatchAborted', message, { opId: op.opId, cause: toWireError(cause) });
}

function batchDigest(ops: Op[]): Buffer {
  return createHash('sha256')
    .update(JSON.stringify(ops.map((op) => op.opId)))
    .digest();
}

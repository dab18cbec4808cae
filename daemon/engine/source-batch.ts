// What one read of a source brought, applied inside the writer's transaction: each record is put once for each content it
// had, and nothing is taken back that somebody else changed since.
import { hash } from 'node:crypto';
import type { Refusal } from '../../protocol/errors.ts';
import { isRefusal } from '../../protocol/errors.ts';
import type { SourceOp } from '../adapters/adapter.ts';
import { decide } from '../core/decide.ts';
import type { Ledger } from '../store/ledger.ts';
import type { Position, Positions } from '../store/positions.ts';
import type { Tables } from '../store/tables.ts';
import type { OpApplier } from './op-applier.ts';
import type { ReplicaSet } from './replica-set.ts';
import { isReplica } from './replica-set.ts';
import type { Runtime } from './runtime.ts';

/** A put with the id that it has as an op. */
export type KeyedOp = SourceOp & { opId: string };

/** What one read of a source brought, with the position it stands for. */
export type SourceBatch = {
  source: string;
  actorId: string;
  ops: KeyedOp[];
  position: Position;
  /** A newer version of the source reads anew what an older one read: the record may know better by now. */
  upgrade?: boolean;
};
export type SourceResult = { applied: number; refused: { op: SourceOp; refusal: Refusal }[] };

export type SourceApplierDeps = {
  applier: OpApplier;
  tables: Tables;
  ledger: Ledger;
  positions: Positions;
  replicas: ReplicaSet;
  runtime: Runtime;
};

export class SourceApplier {
  readonly #deps: SourceApplierDeps;

  constructor(deps: SourceApplierDeps) {
    this.#deps = deps;
  }

  apply(batch: SourceBatch, at: number): SourceResult {
    const { applier, tables, ledger, positions, replicas, runtime } = this.#deps;
    const result: SourceResult = { applied: 0, refused: [] };
    // A record that is put in several versions ends with the last of them, also when only an earlier one is another now.
    const changed = new Set<string>();
    // Then each record that was there is put once, as it ends: a tool that has completed must not be seen running again.
    const known = new Map<string, boolean>();
    const last = new Map(batch.upgrade ? batch.ops.map((op) => [targetOf(op), op]) : []);
    // Sessions that this batch made: nothing was put for them before.
    const made = new Set<string>();
    for (const given of batch.ops) {
      const sessionId = given.params.sessionId!;
      // A part is encoded once, for the digest and to be stored.
      const partJson = given.type === 'part/put' ? JSON.stringify(given.params.part) : undefined;
      const digest = digestOf(given, partJson);
      const target = targetOf(given);
      const isKnown = !made.has(sessionId) && !changed.has(target);
      if (isKnown && ledger.findRecord(sessionId, given.opId)?.equals(digest)) continue;
      if (batch.upgrade && !known.has(target)) known.set(target, this.#isHeld(given));
      const seen = known.get(target) && (last.get(target) !== given || this.#isEdited(given, batch.actorId));
      if (batch.upgrade && seen) {
        ledger.putRecord(sessionId, given.opId, digest);
        continue;
      }
      const op = this.#withoutOverruledTitle(given);
      const context = {
        now: at,
        occurredAt: op.occurredAt,
        actorId: batch.actorId,
        newId: runtime.newId,
        fromSource: true,
      };
      const decision = replicas.has(sessionId) ? isReplica(sessionId, op.type) : decide(tables, op, context);
      if (isRefusal(decision)) {
        result.refused.push({ op, refusal: decision });
        continue;
      }
      const { seq } = applier.write(decision, op.opId, op.occurredAt, batch.actorId, at, partJson);
      if (seq !== null) {
        result.applied += 1;
        changed.add(target);
        if (op.type === 'session/create') made.add(sessionId);
      }
      ledger.putRecord(sessionId, op.opId, digest);
      this.#noteTitle(op);
    }
    positions.put(batch.position);
    return result;
  }

  #isHeld({ type, params }: SourceOp): boolean {
    const { tables } = this.#deps;
    if (type === 'part/put') return tables.findPartLengths(params.partId!) !== undefined;
    if (type === 'message/put') return tables.findMessage(params.messageId!) !== undefined;
    return tables.findSession(params.sessionId!) !== undefined;
  }

  /** Whether somebody else was the last to write the record. */
  #isEdited({ type, params }: SourceOp, actorId: string): boolean {
    const held =
      type === 'part/put'
        ? this.#deps.tables.findPart(params.partId!)
        : type === 'message/put'
          ? this.#deps.tables.findMessage(params.messageId!)
          : this.#deps.tables.findSession(params.sessionId!);
    return held !== undefined && held.actorId !== actorId;
  }

  /** A title that somebody else gave since the source gave its own is not overruled by the agent's next one. */
  #withoutOverruledTitle(op: KeyedOp): KeyedOp {
    if (op.type !== 'session/update' || op.params.title === undefined) return op;
    const { sessionId } = op.params;
    const given = this.#deps.ledger.findRecord(sessionId, titleKey);
    const held = this.#deps.tables.findSession(sessionId)?.title;
    if (held === undefined || !given || given.equals(titleDigest(held))) return op;
    const { title: _, ...params } = op.params;
    return { ...op, params };
  }

  /** Keeps what title the source gave last. */
  #noteTitle({ type, params }: KeyedOp): void {
    if ((type !== 'session/create' && type !== 'session/update') || params.title === undefined) return;
    this.#deps.ledger.putRecord(params.sessionId!, titleKey, titleDigest(params.title));
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

/** A source always makes its params in the same order, so that plain JSON is canonical. `partJson`: of a part. */
function digestOf({ opId, type, params }: KeyedOp, partJson?: string): Buffer {
  const content = type === 'part/put' ? `${params.messageId} ${params.partId} ${partJson}` : JSON.stringify(params);
  // As text first: Node makes a text in half the time that it makes a Buffer in.
  return Buffer.from(hash('sha256', opId + content, 'hex').slice(0, 32), 'hex');
}

// What another store sent of its sessions, applied inside the writer's transaction (PROTOCOL.md 7): each op once, in the order of
// its home, with the versions and times that it has there. An item that does not fit leaves no trace and stops no other.
import { createHash } from 'node:crypto';
import type { Capability } from '../../protocol/capability.ts';
import { formatCursor, parseCursor } from '../../protocol/cursor.ts';
import type { Refusal } from '../../protocol/errors.ts';
import { isRefusal, RefusedError, refuse, refuseParams, toRejection } from '../../protocol/errors.ts';
import type { ReplicaItem } from '../../protocol/outbox.ts';
import { sees } from '../core/capability.ts';
import type { ReplicaStand } from '../core/replica.ts';
import { draftOf, eventMisfit, judgeItem } from '../core/replica.ts';
import type { Ledger } from '../store/ledger.ts';
import type { ReplicaRow, ReplicaRows } from '../store/replica-rows.ts';
import type { Tables } from '../store/tables.ts';
import type { Grant } from './grant.ts';
import { unauthorized } from './grant.ts';
import type { Applied, Author, OpApplier, OpResult } from './op-applier.ts';
import type { AppendResult } from './op-batch.ts';
import type { ReplicaSet } from './replica-set.ts';
import type { OnRollback } from './writer.ts';

/** `through`: the home's cursor behind the items. */
export type ReplicaBatch = {
  origin: string;
  batchId: string;
  capabilityEpoch?: number | undefined;
  expectedCursor?: string | undefined;
  through?: string | undefined;
  items: ReplicaItem[];
};

/** What is to be known of other capabilities than the caller's. */
export type Kin = {
  /** Whether one is the other, or came of it. */
  isUnder(id: string, ancestor: string): boolean;
  /** Whether nobody can act with it any more. */
  isOver(id: string): boolean;
};

export type ReplicaApplierDeps = {
  applier: OpApplier;
  tables: Tables;
  ledger: Ledger;
  rows: ReplicaRows;
  set: ReplicaSet;
  /** Does all that `work` does, or nothing where it throws. */
  atomically(work: () => void): void;
};

/** `stand`: how far it is held, for who sends now; undefined where it is not. */
type Bound = { capability: string; stand: ReplicaStand | undefined };

type Around = { author: Author; origin: string; kin: Kin; at: number; onRollback: OnRollback };

export class ReplicaApplier {
  readonly #deps: ReplicaApplierDeps;

  constructor(deps: ReplicaApplierDeps) {
    this.#deps = deps;
  }

  /** Throws RefusedError where the batch is refused as a whole. */
  apply(batch: ReplicaBatch, around: Omit<Around, 'origin'>): AppendResult {
    const { author, at } = around;
    try {
      return this.#apply(batch, { ...around, origin: batch.origin });
    } catch (error) {
      if (error instanceof RefusedError) {
        const { refusal } = error;
        this.#deps.applier.auditOp(author, 'replica/append', null, { outcome: 'refused', refusal }, at);
      }
      throw error;
    }
  }

  #apply(batch: ReplicaBatch, around: Around): AppendResult {
    const { ledger, rows } = this.#deps;
    const { origin, items } = batch;
    const { author, at } = around;
    const holder = holderOf(author);
    const held = rows.cursorOf(holder, origin);
    this.#check(batch, author, held);
    const batchName = `replica ${origin} ${batch.batchId}`;
    const digest = digestOf(items);
    const before = ledger.findBatch(author.principal, batchName);
    if (before && !before.equals(digest)) throw new RefusedError(batchReused(batch.batchId));
    const result: AppendResult = { cursor: '', applied: [], duplicates: [], rejected: [] };
    const told = new Set<string>();
    let lastSeq: number | undefined;
    let isBehind = false;
    for (const item of items) {
      const done = this.#take(item, around);
      this.#audit(author, item, done, told, at);
      if (done.outcome === 'refused') {
        isBehind ||= done.refusal.refused === 'VersionConflict';
        result.rejected.push(toRejection(item.opId, done.refusal));
        continue;
      }
      (done.outcome === 'applied' ? result.applied : result.duplicates).push(done.entry);
      lastSeq = item.seq;
    }
    if (lastSeq !== undefined) ledger.putBatch(author.principal, batchName, digest, at);
    const reached = batch.through ?? (lastSeq === undefined ? undefined : cursorAt(origin, lastSeq));
    const mayMove = items.length > 0 && !isBehind && reached !== undefined;
    // What comes late, and was there before, takes nothing back.
    const moves = mayMove && (result.applied.length > 0 || seqOf(reached) >= seqOf(held ?? reached));
    if (moves && reached !== held) rows.putCursor(holder, origin, reached, at);
    result.cursor = (moves ? reached : held) ?? cursorAt(origin, 0);
    return result;
  }

  #check(batch: ReplicaBatch, { grant }: Author, held: string | undefined): void {
    const { origin, capabilityEpoch, expectedCursor, through, items } = batch;
    const refusal = grant && (grant.invalid() ?? forbidden(grant, capabilityEpoch));
    if (refusal) throw new RefusedError(refusal);
    for (const [member, cursor] of Object.entries({ expectedCursor, through })) {
      if (cursor === undefined || parseCursor(cursor)?.storeId === origin) continue;
      throw new RefusedError(
        refuseParams(`${member}: not a cursor of ${origin}: ${JSON.stringify(cursor)}`, { member }),
      );
    }
    const actual = held ?? cursorAt(origin, 0);
    if (expectedCursor === undefined || expectedCursor === actual) return;
    // The very batch that came last, of which the answer was lost. Versions alone do not tell: a home that was put back by hand
    // gives them anew, to other events.
    const reached = through ?? cursorAt(origin, items.at(-1)?.seq ?? 0);
    const isHeld = (item: ReplicaItem) => judgeItem(item, this.#deps.rows.find(item.sessionId)) === 'duplicate';
    if (reached === actual && items.every(isHeld)) return;
    const data = { sessionId: '', expected: seqOf(expectedCursor), actual: seqOf(actual) };
    const message = `the journal of ${origin} is held up to ${actual}, not to expectedCursor`;
    throw new RefusedError(refuse('VersionConflict', message, data));
  }

  #take(item: ReplicaItem, around: Around): OpResult {
    const { opId, sessionId } = item;
    const { rows } = this.#deps;
    const row = rows.find(sessionId);
    const bound = this.#bind(item, row, around);
    if (isRefusal(bound)) return { outcome: 'refused', refusal: bound };
    const judged = judgeItem(item, bound.stand);
    if (isRefusal(judged)) return { outcome: 'refused', refusal: judged };
    const ids = { sessionId };
    if (judged === 'duplicate') {
      return { outcome: 'duplicate', entry: { opId, seq: null, version: this.#versionHere(row!), ids } };
    }
    const { capability, stand } = bound;
    const blank = { version: 0, ahead: 0, snapshot: null, piece: 0, state: 'held' as const };
    const next: ReplicaRow = { session: sessionId, ...(stand ?? blank), origin: around.origin, capability };
    let entry: Applied | undefined;
    const write = () => {
      entry = { opId, ids, ...this.#write(item, next, around) };
    };
    try {
      // What is one event is refused before it is written.
      if (item.events.length > 1) this.#deps.atomically(write);
      else write();
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      return { outcome: 'refused', refusal: error.refusal };
    }
    return { outcome: 'applied', entry: entry! };
  }

  /** What the replica is bound to from here, '' for the owner; or why it is not taken from who sends it. */
  #bind({ sessionId, snapshot }: ReplicaItem, row: ReplicaRow | undefined, around: Around): Bound | Refusal {
    const { author, origin, kin } = around;
    const { tables } = this.#deps;
    const { grant } = author;
    const own = holderOf(author);
    if (grant && !sees(grant.capability, sessionId)) {
      return refuse('NotFound', `there is no session ${sessionId}`, { what: 'session', id: sessionId });
    }
    const taken = () =>
      refuse('AlreadyExists', `the session id ${sessionId} is taken`, { what: 'session', id: sessionId });
    if (!row) return tables.isTaken(sessionId) ? taken() : { capability: own, stand: undefined };
    if (row.state === 'discarded') return taken();
    const isSameHome = row.origin === origin;
    const { capability } = row;
    // A home that was put back has another storeId, and then sends all of a session anew.
    if (own === capability) return isSameHome || snapshot?.index === 0 ? { capability, stand: row } : taken();
    if (!grant || kin.isUnder(capability, own)) {
      // It may be made up by somebody that they let in: nothing goes on from it but all of it anew, which is theirs from there.
      const blank = { version: 0, ahead: this.#versionHere(row), snapshot: null, piece: 0, state: 'arriving' as const };
      return { capability: own, stand: blank };
    }
    if (kin.isUnder(own, capability)) {
      const message = `session ${sessionId} is a replica: only its home sends it; send ops with guest/append`;
      return refuse('Forbidden', message, { right: 'append', sessionId });
    }
    if (capability === '' || !kin.isOver(capability)) return taken();
    const isTheirs = isSameHome || (snapshot?.index === 0 && !tables.findSession(sessionId));
    return isTheirs ? { capability: own, stand: row } : taken();
  }

  /** Writes an item that was judged new. `row`: as it was; a blank one where there was none. Throws RefusedError. */
  #write(item: ReplicaItem, row: ReplicaRow, { at, onRollback }: Around): Pick<Applied, 'seq' | 'version'> {
    const { applier, tables, rows, set } = this.#deps;
    const { opId, sessionId, events, snapshot } = item;
    let version = this.#versionHere(row);
    let seq: number | null = null;
    for (const [index, event] of events.entries()) {
      const held = tables.findSession(sessionId);
      // It is gone already: nothing is left to be deleted.
      if (event.type === 'session/deleted' && snapshot && !held) break;
      const draft = draftOf(event, version + 1, held);
      const misfit = eventMisfit(tables, draft);
      if (misfit) throw new RefusedError(misfit);
      version += 1;
      const happened = event.occurredAt ?? event.at;
      const place = {
        ...{ version, at, actorId: event.actorId, opId, opRest: events.length - 1 - index },
        // Of a session as it is now nothing happened behind the last of it.
        occurredAt:
          snapshot && held && draft.type !== 'session/created' ? Math.min(happened, held.updatedAt) : happened,
      };
      seq = applier.writeEvent(draft, place);
    }
    // It was never here.
    if (!tables.isTaken(sessionId)) return { seq, version };
    if (!snapshot) rows.put({ ...row, version: item.version, ahead: version - item.version });
    else {
      const { id, index, done } = snapshot;
      const came = { ...row, snapshot: id, piece: index + 1 };
      if (done) rows.put({ ...came, version: item.version, ahead: version - item.version, state: 'held' });
      else rows.put({ ...came, state: 'arriving' });
    }
    set.add(sessionId, onRollback);
    return { seq, version };
  }

  #versionHere({ session, version, ahead }: ReplicaRow): number {
    return this.#deps.tables.findSession(session)?.version ?? version + ahead;
  }

  /** Once for each session and what became of it: the items of a batch are many. */
  #audit(author: Author, { sessionId }: ReplicaItem, result: OpResult, told: Set<string>, at: number): void {
    const outcome = result.outcome === 'refused' ? result.refusal.refused : result.outcome;
    const what = `${outcome} ${sessionId}`;
    if (told.has(what)) return;
    told.add(what);
    this.#deps.applier.auditOp(author, 'replica/append', sessionId, result, at);
  }
}

function holderOf({ grant }: Author): string {
  return grant?.capability.id ?? '';
}

function forbidden({ capability }: Grant, epoch: number | undefined): Refusal | undefined {
  if (epoch !== undefined && epoch < capability.epoch) return unauthorized('staleEpoch');
  return noHome(capability);
}

/** Why what is narrowed to some ops, as guests of a share are, does nothing that is a home's: it brings none and takes none. */
export function noHome({ ops }: Capability): Refusal | undefined {
  if (ops === undefined) return undefined;
  return refuse('Forbidden', 'a capability that is narrowed to some ops is no home of replicas', { right: 'append' });
}

function cursorAt(origin: string, seq: number): string {
  return formatCursor({ storeId: origin, seq, tag: '0' });
}

function seqOf(cursor: string): number {
  return parseCursor(cursor)!.seq;
}

function digestOf(items: ReplicaItem[]): Buffer {
  const named = items.map(({ opId, seq, sessionId, version }) => [opId, seq, sessionId, version]);
  return createHash('sha256').update(JSON.stringify(named)).digest();
}

function batchReused(batchId: string): Refusal {
  const message = `the batch ${batchId} was sent before with other items: send it unchanged, or under a new batchId`;
  return refuse('OpIdReused', message, { opId: batchId });
}

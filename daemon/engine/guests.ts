// What guests do in a session whose home is another store (PROTOCOL.md 7): their ops are kept here until the home has taken them,
// applied them with the guest as actor, and said what became of them; their events come back as all others do. Kept like ops:
// once for each principal and op id, over restarts.
import { formatCursor } from '../../protocol/cursor.ts';
import type { Refusal, Rejection } from '../../protocol/errors.ts';
import { isRefusal, RefusedError, refuse, toRejection } from '../../protocol/errors.ts';
import type { GuestResult } from '../../protocol/outbox.ts';
import type { Op } from '../../protocol/schema.ts';
import { judgeGuestOp } from '../core/guest.ts';
import type { Records } from '../core/records.ts';
import type { AuditRows } from '../store/audit-rows.ts';
import type { GuestRow, GuestRows } from '../store/guest-rows.ts';
import type { Journal } from '../store/journal.ts';
import type { ReplicaRow, ReplicaRows } from '../store/replica-rows.ts';
import { KeyedBell } from './bell.ts';
import { contentDigest } from './content-digest.ts';
import type { Grant } from './grant.ts';
import { unauthorized } from './grant.ts';
import type { GuestLimits } from './guest-room.ts';
import { GuestRoom } from './guest-room.ts';
import type { Author } from './op-applier.ts';
import type { Kin } from './replica-batch.ts';
import { noHome } from './replica-batch.ts';
import type { Runtime } from './runtime.ts';
import type { AppendResult, Writer } from './writer.ts';

export type GuestsDeps = {
  rows: GuestRows;
  replicas: ReplicaRows;
  records: Records;
  journal: Pick<Journal, 'head'>;
  audit: Pick<AuditRows, 'add'>;
  /** `rootOf`: what the owner gave of which a capability came. */
  kin: Kin & { rootOf(id: string): string };
  writer: Pick<Writer, 'write'>;
  runtime: Pick<Runtime, 'now' | 'newId'>;
  limits: GuestLimits;
};

/** What became of a guest's op so far: it is not kept, or on its way. `isNew`: it was not sent before. */
export type KeptOp = { opId: string } & ({ refusal: Refusal } | { id: string; session: string; isNew: boolean });

type Entry = NonNullable<GuestResult['applied']>;

export class Guests {
  /** Rings by the id of a session when there is news for who waits: a result, or events of its home. */
  readonly news = new KeyedBell();
  /** Rings by the id of a home's store when there are ops for it. */
  readonly arrivals = new KeyedBell();
  readonly #deps: GuestsDeps;

  constructor(deps: GuestsDeps) {
    this.#deps = deps;
  }

  /** Keeps ops, each for itself and in order. Resolves when they are on disk. */
  async keep(author: Author, ops: Op[]): Promise<KeptOp[]> {
    const { writer, replicas, rows, kin, limits } = this.#deps;
    const work = () => {
      const room = new GuestRoom(rows.waiting(), (capability) => kin.rootOf(capability), limits);
      return ops.map((op) => this.#keep(author, op, room));
    };
    const kept = await writer.write(work, () => ops.length);
    const sessions = new Set(kept.flatMap((each) => ('session' in each ? each.session : [])));
    this.arrivals.ring(new Set([...sessions].flatMap((session) => replicas.find(session)?.origin ?? [])));
    return kept;
  }

  /** What is known of them by now. `isSettled`: of all of them, and what they did is here. */
  standing(kept: KeptOp[]): { result: AppendResult; isSettled: boolean } {
    const result: AppendResult = {
      cursor: formatCursor(this.#deps.journal.head),
      applied: [],
      duplicates: [],
      rejected: [],
    };
    let isSettled = true;
    for (const each of kept) {
      const { opId } = each;
      if ('refusal' in each) {
        result.rejected.push(toRejection(opId, each.refusal));
        continue;
      }
      const row = this.#deps.rows.find(each.id);
      if (row?.result === null) {
        isSettled = false;
        continue;
      }
      const { applied, duplicate, rejected } = row
        ? (JSON.parse(row.result!) as Omit<GuestResult, 'guestOpId'>)
        : gone(each);
      if (rejected) result.rejected.push({ ...(rejected as Rejection), opId });
      const entry = applied ?? duplicate;
      if (!entry) continue;
      (applied && each.isNew ? result.applied : result.duplicates).push({ ...entry, opId });
      isSettled &&= this.#isHere(each.session, entry);
    }
    return { result, isSettled };
  }

  /**
   * Ops that wait for a home which the caller sends, as GuestOp in JSON: the oldest, at most `limit` and about `maxUnits` of text.
   * Throws Forbidden.
   */
  take({ grant }: Author, origin: string, limit: number, maxUnits: number): string[] {
    checkHome(grant);
    const texts: string[] = [];
    let units = 0;
    for (const { id, capability } of this.#deps.rows.waitingFor(origin)) {
      if (!this.#isHome(grant, capability)) continue;
      const { principal, actor, op } = this.#deps.rows.find(id)!;
      const head = JSON.stringify({ guestOpId: id, principal, actorId: actor });
      const text = `${head.slice(0, -1)},"op":${op}}`;
      units += text.length;
      if (texts.length > 0 && units > maxUnits) break;
      texts.push(text);
      if (texts.length === limit) break;
    }
    return texts;
  }

  /**
   * Keeps what became of ops. Those that are not known, or not of a home which the caller sends, are passed over. Rejects with
   * Forbidden.
   */
  async settle({ grant }: Author, origin: string, results: readonly GuestResult[]): Promise<void> {
    const { writer, rows, replicas } = this.#deps;
    const work = () => {
      checkHome(grant);
      const sessions = new Set<string>();
      for (const { guestOpId, ...result } of results) {
        const row = rows.find(guestOpId);
        const replica = row?.result === null ? replicas.find(row.session) : undefined;
        if (replica?.origin !== origin || !this.#isHome(grant, replica.capability)) continue;
        rows.settle(guestOpId, JSON.stringify(result));
        sessions.add(replica.session);
      }
      return sessions;
    };
    this.news.ring(await writer.write(work, () => results.length));
  }

  #keep(author: Author, op: Op, room: GuestRoom): KeptOp {
    const kept = this.#judge(author, op, room);
    const { grant, actorId } = author;
    if (grant) {
      const sessionId =
        'session' in kept ? kept.session : 'sessionId' in op.params ? (op.params.sessionId ?? null) : null;
      const outcome = 'refusal' in kept ? kept.refusal.refused : kept.isNew ? 'ok' : 'duplicate';
      const { id: capabilityId } = grant.capability;
      this.#deps.audit.add({
        at: this.#deps.runtime.now(),
        capabilityId,
        actorId,
        method: 'guest/append',
        sessionId,
        outcome,
      });
    }
    return kept;
  }

  #judge(author: Author, op: Op, room: GuestRoom): KeptOp {
    const { rows, replicas, records, runtime } = this.#deps;
    const { grant, principal, actorId } = author;
    const { opId } = op;
    const isReplica = (id: string) => replicas.find(id) !== undefined;
    const judged = over(grant, op) ?? judgeGuestOp(op, records, isReplica, grant?.capability);
    if (isRefusal(judged)) return { opId, refusal: judged };
    const { sessionId } = judged;
    const digest = contentDigest(op);
    const held = rows.findOp(principal, opId);
    // What was rejected leaves no trace: sent again it is asked for again.
    const isRejected = held?.result ? 'rejected' in (JSON.parse(held.result) as object) : false;
    if (held && !isRejected) {
      if (held.digest.equals(digest)) return { opId, id: held.id, session: held.session, isNew: false };
      const message = `the opId ${opId} was used before with other content: use a new one`;
      return { opId, refusal: refuse('OpIdReused', message, { opId }) };
    }
    const replica = replicas.find(sessionId)!;
    const sent = this.#asOfHome(op, replica);
    if (isRefusal(sent)) return { opId, refusal: sent };
    const text = JSON.stringify(sent);
    const full = room.take(replica, text.length);
    if (full) return { opId, refusal: full };
    if (held) rows.drop(held.id);
    const id = runtime.newId('gop');
    rows.add({ id, session: sessionId, principal, actor: actorId, opId, digest, op: text }, runtime.now());
    return { opId, id, session: sessionId, isNew: true };
  }

  /** The op as its home shall see it: versions are counted there, and what the guest acts with is of this store. */
  #asOfHome({ capabilityEpoch: _, ...op }: Op, { session, version, state }: ReplicaRow): Op | Refusal {
    const expected = op.expectedVersion;
    if (expected === undefined) return op as Op;
    const actual = this.#deps.records.findSession(session)!.version;
    if (expected === actual && state === 'held') return { ...op, expectedVersion: version } as Op;
    const message = `session ${session} is at version ${actual}, not ${expected}: read it again`;
    return refuse('VersionConflict', message, { sessionId: session, expected, actual });
  }

  /** Whether what the caller acts with is what brings a replica, or that came of it. */
  #isHome(grant: Grant | undefined, capability: string): boolean {
    const own = grant?.capability.id;
    return own === undefined || own === capability || this.#deps.kin.isUnder(capability, own);
  }

  /** Whether the events of an op that its home has applied are here, or none will come. */
  #isHere(session: string, { seq, version }: Entry): boolean {
    const replica = this.#deps.replicas.find(session);
    if (seq === null || !replica || replica.state === 'discarded') return true;
    return replica.state === 'held' && replica.version >= version;
  }
}

function checkHome(grant: Grant | undefined): void {
  const refusal = grant && noHome(grant.capability);
  if (refusal) throw new RefusedError(refusal);
}

function over(grant: Grant | undefined, { capabilityEpoch }: Op): Refusal | undefined {
  if (!grant) return undefined;
  const isStale = capabilityEpoch !== undefined && capabilityEpoch < grant.capability.epoch;
  return grant.invalid() ?? (isStale ? unauthorized('staleEpoch') : undefined);
}

/** Of an op that went with its session. */
function gone({ opId, session }: Pick<KeptOp, 'opId'> & Pick<GuestRow, 'session'>): Omit<GuestResult, 'guestOpId'> {
  const refusal = refuse('NotFound', `there is no session ${session}`, { what: 'session', id: session });
  return { rejected: toRejection(opId, refusal) };
}

// How one op is applied inside the writer's transaction: once for its principal and op id, checks in the order that
// PROTOCOL.md 3 fixes, then its events into tables and journal. A refusal comes before the first write.
import type { Refusal } from '../../protocol/errors.ts';
import { isRefusal, refuse } from '../../protocol/errors.ts';
import { methods } from '../../protocol/methods.ts';
import type { Event, Op, Part } from '../../protocol/schema.ts';
import { allowsOp, holds, sees } from '../core/capability.ts';
import type { Context, Decision, Draft } from '../core/decide.ts';
import { decide, sessionIdOf } from '../core/decide.ts';
import { recordsOf } from '../core/hidden-records.ts';
import type { Records } from '../core/records.ts';
import type { AuditRows } from '../store/audit-rows.ts';
import type { Journal } from '../store/journal.ts';
import type { Ledger } from '../store/ledger.ts';
import type { Tables } from '../store/tables.ts';
import { contentDigest } from './content-digest.ts';
import { failpointsOf } from './failpoint.ts';
import type { Grant } from './grant.ts';
import { unauthorized } from './grant.ts';
import type { ReplicaSet } from './replica-set.ts';
import type { Runtime } from './runtime.ts';

/**
 * Who writes: ops are idempotent for a principal, events are marked with the actor. `grant`: what they act with; the owner and
 * the daemon itself act without.
 */
export type Author = { principal: string; actorId: string; grant?: Grant | undefined };

export type Applied = { opId: string; seq: number | null; version: number; ids: Record<string, string> };

export type OpResult = { outcome: 'applied' | 'duplicate'; entry: Applied } | { outcome: 'refused'; refusal: Refusal };

/** Something that is done once. `digest`: of its content; undefined where the op id alone stands for it (series). */
export type Once = { opId: string; digest: Buffer | undefined; occurredAt?: number | undefined };

/** Where an event stands. `at`, `occurredAt`: ms since the epoch; `opRest`: how many events of the same op follow. */
export type EventPlace = {
  version: number;
  at: number;
  occurredAt: number | undefined;
  actorId: string;
  opId: string;
  opRest: number;
};

/** Leases to note, waits to wake: in memory, so that they must not be ahead of the store. */
export type Effects = { turns: NonNullable<Decision['turn']>[]; blockers: string[]; sessionsDeleted: boolean };

export type EffectsMark = { turns: number; blockers: number };

const noEffects = (): Effects => ({ turns: [], blockers: [], sessionsDeleted: false });

export type OpApplierDeps = {
  journal: Journal;
  tables: Tables;
  ledger: Ledger;
  audit: AuditRows;
  replicas: ReplicaSet;
  runtime: Runtime;
};

export class OpApplier {
  readonly #deps: OpApplierDeps;
  #effects: Effects = noEffects();

  constructor(deps: OpApplierDeps) {
    this.#deps = deps;
  }

  apply(author: Author, op: Op, at: number): OpResult {
    const { opId, occurredAt } = op;
    failpointsOf(op.type);
    const { grant } = author;
    const records = grant ? recordsOf(this.#deps.tables, (id) => sees(grant.capability, id)) : this.#deps.tables;
    const forbidden = (grant && forbiddenOp(grant, op, records)) ?? this.#deps.replicas.refuses(author, op, records);
    const result = forbidden
      ? refused(forbidden)
      : this.once(author, { opId, occurredAt, digest: contentDigest(op) }, at, (context) => {
          return this.#missing(author, op) ?? this.#versionConflict(op, records) ?? decide(records, op, context);
        });
    if (op.type === 'session/delete' && result.outcome === 'applied') this.#deps.replicas.discard(op.params.sessionId);
    if (grant) this.auditOp(author, op.type, sessionIdOf(records, op) ?? null, result, at);
    return result;
  }

  /** Notes what became of something that was done with a capability. */
  auditOp(author: Author, method: string, sessionId: string | null, result: OpResult, at: number): void {
    if (!author.grant) return;
    const { outcome } = result;
    const [named, told] =
      outcome === 'refused'
        ? [sessionId, result.refusal.refused]
        : [result.entry.ids.sessionId ?? sessionId, outcome === 'applied' ? 'ok' : outcome];
    const { id: capabilityId } = author.grant.capability;
    const { actorId } = author;
    this.#deps.audit.add({ at, capabilityId, actorId, method, sessionId: named, outcome: told });
  }

  /** What `decided` says happens now, unless the op id was applied before: then its first result is given. */
  once(author: Author, given: Once, at: number, decided: (context: Context) => Decision | Refusal): OpResult {
    const { ledger, runtime } = this.#deps;
    const { opId, digest, occurredAt } = given;
    const held = ledger.find(author.principal, opId);
    if (held) {
      if (digest && !held.digest.equals(digest)) return refused(opIdReused(opId));
      return { outcome: 'duplicate', entry: { opId, seq: held.seq, version: held.version, ids: held.ids } };
    }
    const { actorId } = author;
    const decision = decided({ now: at, occurredAt, actorId, newId: runtime.newId, fromSource: false });
    if (isRefusal(decision)) return refused(decision);
    const { ids, silent, turn } = decision;
    const { seq, version } = this.write(decision, opId, occurredAt, actorId, at);
    ledger.put(author.principal, opId, { digest: digest ?? noDigest, seq, version, ids }, at);
    if (turn) this.#effects.turns.push(turn);
    return { outcome: seq === null && !silent ? 'duplicate' : 'applied', entry: { opId, seq, version, ids } };
  }

  /** Writes the events of a decision. `partJson`: the content of its part, where it is encoded already. */
  write(
    decision: Decision,
    opId: string,
    occurredAt: number | undefined,
    actorId: string,
    at: number,
    partJson?: string,
  ): { seq: number | null; version: number } {
    let version = this.#deps.tables.findSession(decision.ids.sessionId!)?.version ?? 0;
    let seq: number | null = null;
    for (const [index, draft] of decision.events.entries()) {
      version += 1;
      const opRest = decision.events.length - 1 - index;
      const json = partJson === undefined ? undefined : wholePart(draft.data as Part, partJson);
      seq = this.writeEvent(draft, { version, at, occurredAt, actorId, opId, opRest }, json);
    }
    return { seq, version };
  }

  /** Writes one event; returns its seq. `json`: its data, where that is encoded already. */
  writeEvent(draft: Draft, place: EventPlace, json = JSON.stringify(draft.data)): number {
    const { journal, tables } = this.#deps;
    const { version, at, occurredAt, actorId, opId, opRest } = place;
    const session = tables.sessionKey(draft);
    const actor = tables.actorKey(actorId);
    const seq = journal.append({ session, version, type: draft.type, occurredAt, actor, opId, opRest, json });
    // Member by member: spread, it was a tenth of an append.
    const { type, sessionId, data } = draft;
    tables.apply({ type, sessionId, data, seq, version, at, occurredAt, actorId, opId } as Event);
    if (draft.type === 'blocker/updated') this.#effects.blockers.push(draft.data.id);
    if (draft.type === 'session/deleted') this.#effects.sessionsDeleted = true;
    return seq;
  }

  /** What is to be done outside of the store once all that was applied is committed, and nothing of it if it is not. */
  takeEffects(): Effects {
    const effects = this.#effects;
    this.#effects = noEffects();
    return effects;
  }

  isOnTurn(turnId: string): boolean {
    return this.#effects.turns.some(({ id }) => id === turnId);
  }

  /** How far the effects go now. */
  get effectsMark(): EffectsMark {
    const { turns, blockers } = this.#effects;
    return { turns: turns.length, blockers: blockers.length };
  }

  /** Drops those behind a mark, with what was rolled back. */
  dropEffects({ turns, blockers }: EffectsMark): void {
    this.#effects.turns.length = turns;
    this.#effects.blockers.length = blockers;
  }

  #missing(author: Author, op: Op): Refusal | undefined {
    const missing = op.dependsOn?.filter((opId) => !this.#deps.ledger.find(author.principal, opId)) ?? [];
    if (missing.length === 0) return undefined;
    const message = `op ${op.opId} depends on ops that were not applied: ${missing.join(', ')}`;
    return refuse('DependencyMissing', message, { opId: op.opId, missing });
  }

  #versionConflict(op: Op, records: Records): Refusal | undefined {
    const expected = op.expectedVersion;
    if (expected === undefined) return undefined;
    const sessionId = sessionIdOf(records, op) ?? '';
    const actual = records.findSession(sessionId)?.version ?? 0;
    if (actual === expected) return undefined;
    const message = `session ${sessionId} is at version ${actual}, not ${expected}: read it again`;
    return refuse('VersionConflict', message, { sessionId, expected, actual });
  }
}

/** What a capability forbids of an op. A session that is hidden is none: what the op says of it is said of none. */
function forbiddenOp(grant: Grant, op: Op, records: Records): Refusal | undefined {
  const invalid = grant.invalid();
  if (invalid) return invalid;
  const { capability } = grant;
  if (op.capabilityEpoch !== undefined && op.capabilityEpoch < capability.epoch) return unauthorized('staleEpoch');
  const sessionId = sessionIdOf(records, op);
  const isNew = op.type === 'session/create';
  // Of what is not there the op's own rules say so.
  if (!isNew && (sessionId === undefined || !records.findSession(sessionId))) return undefined;
  const { right } = methods[op.type];
  const isAllowed =
    holds(capability, right) && allowsOp(capability, op.type) && !(isNew && capability.sessions !== '*');
  if (isAllowed) return undefined;
  const data = { right, ...(isNew || sessionId === undefined ? {} : { sessionId }) };
  return refuse('Forbidden', `the capability does not allow ${op.type}${isNew ? '' : ` in ${sessionId}`}`, data);
}

const noDigest = Buffer.alloc(0);

/** The JSON of a part, of which its own content is encoded already: as JSON.stringify would give it. Its ids need no escapes. */
function wholePart({ id, messageId, sessionId, index, actorId, schemaVersion }: Part, partJson: string): string {
  const ids = `"id":"${id}","messageId":"${messageId}","sessionId":"${sessionId}"`;
  const rest = `"index":${index},"actorId":${JSON.stringify(actorId)},"schemaVersion":${schemaVersion}`;
  return `{${ids},${rest},${partJson.slice(1)}`;
}

function refused(refusal: Refusal): OpResult {
  return { outcome: 'refused', refusal };
}

function opIdReused(opId: string): Refusal {
  return refuse('OpIdReused', `the opId ${opId} was used before with other content: use a new one`, { opId });
}

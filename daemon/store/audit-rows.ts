// The audit: who did what when with a capability, and what was refused (PROTOCOL.md 6). Written inside the writer's
// transaction, together with what it tells of.
import type { Db } from './open.ts';

/** `at`: ms since the epoch. `outcome`: `ok`, `duplicate`, or the kind of the refusal. */
export type AuditEntry = {
  at: number;
  capabilityId: string;
  actorId: string;
  method: string;
  sessionId: string | null;
  outcome: string;
};

type Entry = { id: number; capability: string };

/** Looked through one by one before the index is asked for each capability. */
const nearRows = 500;

export class AuditRows {
  readonly #sql;

  constructor(db: Db) {
    this.#sql = {
      add: db.prepare('INSERT INTO audit (at, capability, actor, method, session, outcome) VALUES (?, ?, ?, ?, ?, ?)'),
      get: db.prepare(`
        SELECT at, capability AS capabilityId, actor AS actorId, method, session AS sessionId, outcome
          FROM audit WHERE id = ?`),
      newest: db.prepare('SELECT id, capability FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?'),
      newestOf: db
        .prepare(`SELECT max(id) FROM audit WHERE capability = ? AND (outcome = 'ok') = ? AND id < ?`)
        .pluck(),
      hasBefore: db.prepare('SELECT 1 FROM audit WHERE at < ? AND id = (SELECT min(id) FROM audit)').pluck(),
      beyond: db
        .prepare(`
          SELECT id FROM audit WHERE capability = ? AND (outcome = 'ok') = ? ORDER BY id DESC LIMIT 1 OFFSET ?`)
        .pluck(),
      dropThrough: db.prepare(`
        DELETE FROM audit WHERE id IN (
          SELECT id FROM audit WHERE capability = ? AND (outcome = 'ok') = ? AND id <= ? ORDER BY id LIMIT ?)`),
      prune: db.prepare('DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ? ORDER BY id LIMIT ?)'),
    };
  }

  add({ at, capabilityId, actorId, method, sessionId, outcome }: AuditEntry): void {
    this.#sql.add.run(at, capabilityId, actorId, method, sessionId, outcome);
  }

  /** The newest first, from before the row `before` on. `capabilityIds`: only of these. `next`: undefined at the end. */
  read(
    capabilityIds: string[] | undefined,
    limit: number,
    before = Number.MAX_SAFE_INTEGER,
  ): { items: AuditEntry[]; next: number | undefined } {
    const ids = this.#newest(capabilityIds, limit + 1, before);
    const items = ids.slice(0, limit).map((id) => this.#sql.get.get(id) as AuditEntry);
    return { items, next: ids.length > limit ? ids[limit - 1]! : undefined };
  }

  #newest(capabilityIds: string[] | undefined, count: number, before: number): number[] {
    const found: number[] = [];
    const wanted = capabilityIds && new Set(capabilityIds);
    let from = before;
    let looked = 0;
    // Most often they are among the newest of all.
    const rows = this.#sql.newest.iterate(before, Math.max(count, nearRows)) as Iterable<Entry>;
    for (const { id, capability } of rows) {
      from = id;
      looked += 1;
      if (!wanted || wanted.has(capability)) found.push(id);
      if (found.length === count) return found;
    }
    const isAll = !capabilityIds || looked < Math.max(count, nearRows);
    return isAll ? found : [...found, ...this.#newestOf(capabilityIds, count - found.length, from)];
  }

  /** Merged from where each lies in the index: what it costs does not grow with how much is kept. */
  #newestOf(capabilityIds: string[], count: number, before: number): number[] {
    const newest = (id: string, isOk: number, from: number) => this.#sql.newestOf.get(id, isOk, from) as number | null;
    const heads = capabilityIds.flatMap((id) => [0, 1].map((isOk) => ({ id, isOk, at: newest(id, isOk, before) })));
    const found: number[] = [];
    while (found.length < count) {
      let first: (typeof heads)[number] | undefined;
      for (const head of heads) if (head.at !== null && head.at > (first?.at ?? 0)) first = head;
      if (!first) break;
      found.push(first.at!);
      first.at = newest(first.id, first.isOk, first.at!);
    }
    return found;
  }

  /** Whether the oldest entry is from before `time` (ms since the epoch). */
  hasBefore(time: number): boolean {
    return this.#sql.hasBefore.get(time) !== undefined;
  }

  /**
   * The newest entry of a capability that is one too many where `count` are kept; undefined where none is. `isOk`: of those
   * whose outcome is `ok`, or of all others.
   */
  beyond(capabilityId: string, isOk: boolean, count: number): number | undefined {
    return this.#sql.beyond.get(capabilityId, Number(isOk), count) as number | undefined;
  }

  /** Drops at most `limit` such entries of a capability, up to and with the row `id`, the oldest first. Gives how many. */
  dropThrough(capabilityId: string, isOk: boolean, id: number, limit: number): number {
    return this.#sql.dropThrough.run(capabilityId, Number(isOk), id, limit).changes;
  }

  /** Drops at most `limit` entries from before `time`, the oldest first. */
  prune(time: number, limit: number): void {
    this.#sql.prune.run(time, limit);
  }
}

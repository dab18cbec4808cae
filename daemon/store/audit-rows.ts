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

export class AuditRows {
  readonly #db: Db;
  readonly #sql;

  constructor(db: Db) {
    this.#db = db;
    this.#sql = {
      add: db.prepare('INSERT INTO audit (at, capability, actor, method, session, outcome) VALUES (?, ?, ?, ?, ?, ?)'),
      hasBefore: db.prepare('SELECT 1 FROM audit WHERE at < ? AND id = (SELECT min(id) FROM audit)').pluck(),
      beyond: db.prepare('SELECT id FROM audit WHERE capability = ? ORDER BY id DESC LIMIT 1 OFFSET ?').pluck(),
      dropThrough: db.prepare(`
        DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE capability = ? AND id <= ? ORDER BY id LIMIT ?)`),
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
    const of = capabilityIds ? 'AND capability IN (SELECT value FROM json_each(?))' : '';
    const rows = this.#db
      .prepare(
        `SELECT id, at, capability AS capabilityId, actor AS actorId, method, session AS sessionId, outcome
           FROM audit WHERE id < ? ${of} ORDER BY id DESC LIMIT ?`,
      )
      .all([before, ...(capabilityIds ? [JSON.stringify(capabilityIds)] : []), limit + 1]) as (AuditEntry & {
      id: number;
    })[];
    const items = rows.slice(0, limit).map(({ id: _, ...entry }) => entry);
    return { items, next: rows.length > limit ? rows[limit - 1]!.id : undefined };
  }

  /** Whether the oldest entry is from before `time` (ms since the epoch). */
  hasBefore(time: number): boolean {
    return this.#sql.hasBefore.get(time) !== undefined;
  }

  /** The newest entry of a capability that is one too many where `count` are kept; undefined where none is. */
  beyond(capabilityId: string, count: number): number | undefined {
    return this.#sql.beyond.get(capabilityId, count) as number | undefined;
  }

  /** Drops at most `limit` entries of a capability, up to and with the row `id`, the oldest first. Gives how many. */
  dropThrough(capabilityId: string, id: number, limit: number): number {
    return this.#sql.dropThrough.run(capabilityId, id, limit).changes;
  }

  /** Drops at most `limit` entries from before `time`, the oldest first. */
  prune(time: number, limit: number): void {
    this.#sql.prune.run(time, limit);
  }
}

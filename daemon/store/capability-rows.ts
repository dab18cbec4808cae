// Capabilities: a row each, with the hash of its token's secret (PROTOCOL.md 6). All writes happen inside the writer's
// transaction.
import type { Capability } from '../../protocol/capability.ts';
import type { Db } from './open.ts';

/**
 * `hash`: SHA-256 of the secret; `cookie`: of the cookie that stands for it, where one was given. `scopeUnits`: how long the
 * text of its scope is, in UTF-16 units.
 */
export type CapabilityRow = { capability: Capability; hash: Buffer; cookie: Buffer | null; scopeUnits: number };

type Row = Omit<Capability, 'rights' | 'sessions' | 'ops'> & { scope: string; hash: Buffer; cookie: Buffer | null };

export class CapabilityRows {
  readonly #sql;

  constructor(db: Db) {
    this.#sql = {
      all: db.prepare(`
        SELECT id, parent AS parentId, label, scope, epoch, expires_at AS expiresAt, revoked_at AS revokedAt,
               created_at AS createdAt, used_at AS lastUsedAt, hash, cookie FROM capability`),
      add: db.prepare('INSERT INTO capability VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)'),
      update: db.prepare('UPDATE capability SET epoch = ?, revoked_at = ?, used_at = ? WHERE id = ?'),
      setCookie: db.prepare('UPDATE capability SET cookie = ? WHERE id = ?'),
      drop: db.prepare('DELETE FROM capability WHERE id = ?'),
    };
  }

  /** One after another: who shares what they have in common never holds it twice. */
  *all(): Generator<CapabilityRow> {
    for (const { scope, hash, cookie, ...rest } of this.#sql.all.iterate() as Iterable<Row>) {
      const capability = { ...rest, ...(JSON.parse(scope) as Pick<Capability, 'rights' | 'sessions' | 'ops'>) };
      yield { capability, hash, cookie, scopeUnits: scope.length };
    }
  }

  /** Adds one that no cookie stands for yet. */
  add({ capability, hash }: CapabilityRow): void {
    const { id, parentId, label, epoch, expiresAt, revokedAt, createdAt, lastUsedAt } = capability;
    const scope = scopeText(capability);
    this.#sql.add.run(id, parentId, label, scope, epoch, expiresAt, revokedAt, createdAt, lastUsedAt, hash);
  }

  /** Writes what changes in the life of one: epoch, revokedAt, lastUsedAt. */
  update({ id, epoch, revokedAt, lastUsedAt }: Capability): void {
    this.#sql.update.run(epoch, revokedAt, lastUsedAt, id);
  }

  setCookie(id: string, cookie: Buffer): void {
    this.#sql.setCookie.run(cookie, id);
  }

  drop(id: string): void {
    this.#sql.drop.run(id);
  }
}

/** What is kept of how much it allows. */
export function scopeText({ rights, sessions, ops }: Pick<Capability, 'rights' | 'sessions' | 'ops'>): string {
  return JSON.stringify({ rights, sessions, ops });
}

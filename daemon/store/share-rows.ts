// Sessions that are shared through a host (PROTOCOL.md 7). Rows of their own: they outlive their session (P29). All writes happen
// inside the writer's transaction.
import type { Db } from './open.ts';

/** See sql/0007.sql. `rights`: JSON. Times in ms since the epoch. */
export type ShareRow = {
  id: string;
  session: string;
  host: string;
  rights: string;
  maker: string | null;
  capability: string | null;
  createdAt: number;
  expiresAt: number | null;
  endedAt: number | null;
};

export class ShareRows {
  readonly #sql;

  constructor(db: Db) {
    this.#sql = {
      all: db.prepare(`
        SELECT id, session, host, rights, maker, capability, created_at AS createdAt, expires_at AS expiresAt, ended_at AS endedAt
          FROM share ORDER BY created_at, id`),
      add: db.prepare(
        'INSERT INTO share VALUES ($id, $session, $host, $rights, $maker, $capability, $createdAt, $expiresAt, $endedAt)',
      ),
      end: db.prepare('UPDATE share SET ended_at = ? WHERE id = ?'),
      drop: db.prepare('DELETE FROM share WHERE id = ?'),
    };
  }

  all(): ShareRow[] {
    return this.#sql.all.all() as ShareRow[];
  }

  add(share: ShareRow): void {
    this.#sql.add.run(share);
  }

  end(id: string, at: number): void {
    this.#sql.end.run(at, id);
  }

  drop(id: string): void {
    this.#sql.drop.run(id);
  }
}

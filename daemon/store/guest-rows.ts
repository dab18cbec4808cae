// Ops of guests on their way to the home of their session (PROTOCOL.md 7), and what became of them there: kept as long as op ids
// are. All writes happen inside the writer's transaction.
import type { Db } from './open.ts';

/** `result`: JSON, null until there is one; `op`: '' then. `digest`: of the op's type and params. */
export type GuestRow = {
  id: string;
  session: string;
  principal: string;
  actor: string;
  opId: string;
  digest: Buffer;
  op: string;
  result: string | null;
};

/** How many wait in a session, how long their text is, in UTF-16 units, and what brings the session. */
export type Waiting = { session: string; capability: string; count: number; units: number };

const columns = 'id, session, principal, actor, op_id AS opId, digest, op, result';

export class GuestRows {
  readonly #sql;

  constructor(db: Db) {
    this.#sql = {
      find: db.prepare(`SELECT ${columns} FROM guest_op WHERE id = ?`),
      findOp: db.prepare(`SELECT ${columns} FROM guest_op WHERE principal = ? AND op_id = ?`),
      add: db.prepare('INSERT INTO guest_op VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)'),
      drop: db.prepare('DELETE FROM guest_op WHERE id = ?'),
      settle: db.prepare(`UPDATE guest_op SET result = ?, op = '', units = 0 WHERE id = ? AND result IS NULL`),
      waiting: db.prepare(`
        SELECT w.*, r.capability FROM replica r JOIN (
          SELECT session, count(*) AS count, sum(units) AS units FROM guest_op WHERE result IS NULL GROUP BY session
        ) w ON w.session = r.session`),
      waitingFor: db.prepare(`
        SELECT g.id, r.capability FROM guest_op g JOIN replica r ON r.session = g.session
         WHERE g.result IS NULL AND r.origin = ? ORDER BY g.key`),
      hasBefore: db.prepare('SELECT ifnull((SELECT at FROM guest_op ORDER BY key LIMIT 1) < ?, 0)').pluck(),
      prune: db.prepare(`
        DELETE FROM guest_op WHERE at < ? AND key IN (SELECT key FROM guest_op ORDER BY key LIMIT ?)`),
    };
  }

  find(id: string): GuestRow | undefined {
    return this.#sql.find.get(id) as GuestRow | undefined;
  }

  findOp(principal: string, opId: string): GuestRow | undefined {
    return this.#sql.findOp.get(principal, opId) as GuestRow | undefined;
  }

  /** `at`: ms since the epoch. */
  add({ id, session, principal, actor, opId, digest, op }: Omit<GuestRow, 'result'>, at: number): void {
    this.#sql.add.run(id, session, principal, actor, opId, digest, op, op.length, at);
  }

  drop(id: string): void {
    this.#sql.drop.run(id);
  }

  /** The first result stands. */
  settle(id: string, result: string): void {
    this.#sql.settle.run(result, id);
  }

  /** Of each session that has any. */
  waiting(): Waiting[] {
    return this.#sql.waiting.all() as Waiting[];
  }

  /** Those that wait for a home, the oldest first, each with what brings the replica of its session. */
  waitingFor(origin: string): { id: string; capability: string }[] {
    return this.#sql.waitingFor.all(origin) as { id: string; capability: string }[];
  }

  /** Whether there is something to prune before `time` (ms since the epoch). */
  hasBefore(time: number): boolean {
    return this.#sql.hasBefore.get(time) === 1;
  }

  /** Forgets those from before `time`, the oldest first and at most `limit`: also what no home has asked for. */
  prune(time: number, limit: number): void {
    this.#sql.prune.run(time, limit);
  }
}

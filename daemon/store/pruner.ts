// Cuts the journal's beginning off, a bite at a time (PROTOCOL.md 5, "Retention"). A body stays as long as a table's row
// means it; head, seq and the tag of the newest pruned event are kept in the store's own row (P9).
import type { Journal } from './journal.ts';
import type { Db } from './open.ts';

export class Pruner {
  readonly #journal: Journal;
  readonly #sql;

  constructor(db: Db, journal: Journal) {
    this.#journal = journal;
    // Every record begins with its id. SQLite's own JSON functions fail at depths that a source may bring.
    const id = `substr(body.json, 8, instr(substr(body.json, 8, 80), '"') - 1)`;
    const isBodyOf = (table: string) => `EXISTS (SELECT 1 FROM ${table} r WHERE r.id = ${id} AND r.body = body.seq)`;
    this.#sql = {
      dropBodies: db.prepare(`
        DELETE FROM body WHERE seq > ? AND seq <= ? AND NOT EXISTS (
          SELECT 1 FROM event e WHERE e.seq = body.seq AND CASE e.type
            WHEN 'message/updated' THEN ${isBodyOf('message')}
            WHEN 'part/updated' THEN ${isBodyOf('part')}
            WHEN 'turn/updated' THEN ${isBodyOf('turn')}
            WHEN 'blocker/updated' THEN ${isBodyOf('blocker')}
            WHEN 'artifact/updated' THEN EXISTS (
              SELECT 1 FROM artifact a WHERE a.session = e.session AND a.kind = body.json ->> '$.kind'
                 AND a.key = body.json ->> '$.key' AND a.body = body.seq)
            WHEN 'part/delta' THEN EXISTS (
              SELECT 1 FROM part p JOIN chunk c ON c.session = p.session AND c.message = p.message AND c.part = p.idx
               WHERE p.id = body.json ->> '$.partId' AND c.field = body.json ->> '$.field'
                 AND c.at_unit = body.json ->> '$.offset' AND c.body = body.seq)
            ELSE 0 END)`),
      dropEvents: db.prepare('DELETE FROM event WHERE seq > ? AND seq <= ?'),
    };
  }

  /**
   * Cuts at most about `limit` events off, none behind `target`, and whole ops only. Only inside a transaction. Returns
   * whether something was cut.
   */
  cut(target: number, limit: number): boolean {
    const from = this.#journal.floorSeq;
    const end = this.#journal.opEnd(Math.min(target, from + limit));
    const to = end <= target ? end : this.#journal.wholeUpTo(target);
    if (to <= from) return false;
    this.#sql.dropBodies.run(from, to);
    const tag = this.#journal.cursorAt(to).tag;
    this.#sql.dropEvents.run(from, to);
    this.#journal.moveFloor(to, tag);
    return true;
  }
}

// Blockers: a row each, whose record is the body of the event that wrote it last. Rows, not memory: a question outlives
// who asked it and every restart (P16).
import type { Blocker } from '../../protocol/schema.ts';
import type { Journal } from './journal.ts';
import type { Db } from './open.ts';

type HeldBlocker = { session: number; idx: number; body: number; json: string };

export class BlockerRows {
  readonly #journal: Journal;
  readonly #sql;

  constructor(db: Db, journal: Journal) {
    this.#journal = journal;
    this.#sql = {
      find: db.prepare(`
        SELECT k.session, k.idx, k.body, b.json FROM blocker k JOIN body b ON b.seq = k.body WHERE k.id = ?`),
      next: db.prepare('SELECT ifnull(max(idx) + 1, 0) FROM blocker WHERE session = ?').pluck(),
      add: db.prepare('INSERT INTO blocker VALUES (?, ?, ?, ?, ?, ?)'),
      save: db.prepare('UPDATE blocker SET turn = ?, state = ?, body = ? WHERE session = ? AND idx = ?'),
      pendingOfTurn: db
        .prepare(`
        SELECT b.json FROM blocker k JOIN body b ON b.seq = k.body
         WHERE k.session = ? AND k.turn = ? AND k.state = 'pending' ORDER BY k.idx`)
        .pluck(),
    };
  }

  find(id: string): Blocker | undefined {
    const row = this.#row(id);
    return row && (JSON.parse(row.json) as Blocker);
  }

  /** `turn`: the row of its turn in the session. */
  put(session: number, turn: number | null, blocker: Blocker, seq: number): void {
    const held = this.#row(blocker.id);
    if (held) {
      this.#journal.releaseBody(held.body);
      this.#sql.save.run(turn, blocker.state, seq, session, held.idx);
      return;
    }
    const idx = this.#sql.next.get(session) as number;
    this.#sql.add.run(session, idx, blocker.id, turn, blocker.state, seq);
  }

  pendingOfTurn(session: number, turn: number): Blocker[] {
    return (this.#sql.pendingOfTurn.all(session, turn) as string[]).map((json) => JSON.parse(json) as Blocker);
  }

  #row(id: string): HeldBlocker | undefined {
    return this.#sql.find.get(id) as HeldBlocker | undefined;
  }
}

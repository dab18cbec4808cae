// Turns: a row each, whose record is the body of the event that wrote it last.
import type { Turn } from '../../protocol/schema.ts';
import { Cache } from './cache.ts';
import type { Journal } from './journal.ts';
import type { Db } from './open.ts';

type HeldTurn = { session: number; idx: number; body: number; turn: Turn };

export class TurnRows {
  readonly #journal: Journal;
  readonly #cache = new Cache<HeldTurn>();
  readonly #sql;

  constructor(db: Db, journal: Journal) {
    this.#journal = journal;
    this.#sql = {
      find: db.prepare(`
        SELECT t.session, t.idx, t.body, b.json FROM turn t JOIN body b ON b.seq = t.body WHERE t.id = ?`),
      next: db.prepare('SELECT ifnull(max(idx) + 1, 0) FROM turn WHERE session = ?').pluck(),
      add: db.prepare('INSERT INTO turn VALUES (?, ?, ?, ?, ?)'),
      save: db.prepare('UPDATE turn SET state = ?, body = ? WHERE session = ? AND idx = ?'),
      countOpen: db
        .prepare(`SELECT count(*) FROM turn WHERE session = ? AND state IN ('created', 'streaming')`)
        .pluck(),
    };
  }

  find(id: string): HeldTurn | undefined {
    const cached = this.#cache.get(id);
    if (cached) return cached;
    const row = this.#sql.find.get(id) as (Omit<HeldTurn, 'turn'> & { json: string }) | undefined;
    if (!row) return undefined;
    const { json, ...place } = row;
    const held = { ...place, turn: JSON.parse(json) as Turn };
    return this.#journal.isHeld ? held : this.#cache.remember(id, held);
  }

  put(session: number, turn: Turn, seq: number): void {
    const held = this.find(turn.id);
    if (held) {
      this.#journal.releaseBody(held.body);
      this.#sql.save.run(turn.state, seq, session, held.idx);
      this.#cache.set(turn.id, { ...held, body: seq, turn });
      return;
    }
    const idx = this.#sql.next.get(session) as number;
    this.#sql.add.run(session, idx, turn.id, turn.state, seq);
    this.#cache.set(turn.id, { session, idx, body: seq, turn });
  }

  countOpen(session: number): number {
    return this.#sql.countOpen.get(session) as number;
  }

  /** The turns of a session are gone. */
  forget(session: number): void {
    for (const [id, held] of this.#cache) if (held.session === session) this.#cache.delete(id);
  }

  trim(): void {
    this.#cache.trim();
  }

  reset(): void {
    this.#cache.clear();
  }
}

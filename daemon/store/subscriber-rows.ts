// Named subscribers: a row each, with the cursor that was acknowledged last (PROTOCOL.md 5). All writes happen inside the
// writer's transaction.
import type { Cursor } from '../../protocol/cursor.ts';
import { formatCursor } from '../../protocol/cursor.ts';
import type { Db } from './open.ts';

/** Times in ms since the epoch. `seq`: that of `cursor`. */
export type SubscriberRow = {
  principal: string;
  name: string;
  cursor: string;
  seq: number;
  createdAt: number;
  usedAt: number;
};

export class SubscriberRows {
  readonly #sql;

  constructor(db: Db) {
    this.#sql = {
      all: db.prepare(`
        SELECT principal, name, cursor, seq, created_at AS createdAt, used_at AS usedAt FROM subscriber
         ORDER BY principal, name`),
      add: db.prepare(
        'INSERT INTO subscriber VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET used_at = excluded.used_at',
      ),
      acknowledge: db.prepare(`
        UPDATE subscriber SET cursor = $cursor, seq = $seq, used_at = $now
         WHERE principal = $principal AND name = $name AND (seq < $seq OR instr(cursor, $store) <> 1)`),
      touch: db.prepare('UPDATE subscriber SET used_at = ? WHERE principal = ? AND name = ?'),
      drop: db.prepare('DELETE FROM subscriber WHERE principal = ? AND name = ?'),
    };
  }

  all(): SubscriberRow[] {
    return this.#sql.all.all() as SubscriberRow[];
  }

  /** Of one that is there it is only noted that it is used. */
  add({ principal, name, cursor, seq, createdAt, usedAt }: SubscriberRow): void {
    this.#sql.add.run(principal, name, cursor, seq, createdAt, usedAt);
  }

  /** Unless what is kept is as far, in the same store. */
  acknowledge(principal: string, name: string, cursor: Cursor, now: number): void {
    const { storeId, seq } = cursor;
    this.#sql.acknowledge.run({ principal, name, cursor: formatCursor(cursor), seq, now, store: `${storeId}.` });
  }

  touch(principal: string, name: string, now: number): void {
    this.#sql.touch.run(now, principal, name);
  }

  drop(principal: string, name: string): void {
    this.#sql.drop.run(principal, name);
  }
}

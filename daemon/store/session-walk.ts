// All sessions by their row, for who must see each of them once: other orders change under a walk, this one does not.
import type { Db } from './open.ts';

export type SessionFilter = {
  sessions?: string[] | undefined;
  directory?: string | undefined;
  agents?: string[] | undefined;
  /** The sessions that the reader may know of; undefined: all. */
  within?: string[] | undefined;
};

/** `after`: where the walk goes on; undefined at its end. */
export type WalkStep = { ids: string[]; after: number | undefined };

/** Rows looked at in one step, so that a filter which matches nothing cannot hold the event loop. */
const maxScan = 2_000;

export class SessionWalk {
  readonly #db: Db;
  readonly #lastKey;

  constructor(db: Db) {
    this.#db = db;
    this.#lastKey = db.prepare('SELECT ifnull(max(key), 0) FROM session').pluck();
  }

  /** The row that was added last: a walk up to there ends, however many are added meanwhile. */
  get lastKey(): number {
    return this.#lastKey.get() as number;
  }

  /** The sessions that match and are there now, from behind the row `after` on, none behind `last`. */
  step(filter: SessionFilter, after: number, last: number): WalkStep {
    const through = Math.min(after + maxScan, last);
    let sql = 'SELECT id FROM session WHERE key > ? AND key <= ? AND record IS NOT NULL';
    const values: (string | number)[] = [after, through];
    const oneOf = (column: string, wanted: string[] | undefined) => {
      if (!wanted) return;
      sql += ` AND ${column} IN (${wanted.map(() => '?').join(', ')})`;
      values.push(...wanted);
    };
    oneOf('id', filter.sessions);
    oneOf('id', filter.within);
    oneOf('agent', filter.agents);
    oneOf('directory', filter.directory === undefined ? undefined : [filter.directory]);
    const ids = this.#db.prepare(`${sql} ORDER BY key`).pluck().all(values) as string[];
    return { ids, after: through < last ? through : undefined };
  }
}

// The sources that a person added, and those that would be there by default and were removed.
import type { Db } from './open.ts';

export type SourceRow = { name: string; kind: string; path: string; removed: boolean };

export class SourceRows {
  readonly #all;
  readonly #put;

  constructor(db: Db) {
    this.#all = db.prepare('SELECT name, kind, path, removed FROM source ORDER BY name');
    this.#put = db.prepare(
      'INSERT INTO source VALUES (@name, @kind, @path, @removed) ON CONFLICT DO UPDATE SET kind = excluded.kind, ' +
        'path = excluded.path, removed = excluded.removed',
    );
  }

  all(): SourceRow[] {
    const rows = this.#all.all() as (Omit<SourceRow, 'removed'> & { removed: number })[];
    return rows.map((row) => ({ ...row, removed: row.removed === 1 }));
  }

  put(row: SourceRow): void {
    this.#put.run({ ...row, removed: row.removed ? 1 : 0 });
  }
}

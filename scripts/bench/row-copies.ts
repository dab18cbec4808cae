// Rows of a store written again, many times over, as if the same had happened again under other ids: what would take the
// daemon an hour takes SQLite a minute. The file may be lost if the machine stops meanwhile: it is made anew then.
import type { Db } from '../../daemon/store/open.ts';

/** Stands in every id that is to differ between the copies; in its place comes the number of the copy, as long as it is. */
export const copyMark = 'KKKKKKKKK';

export const copyNumber = (copy: number) => String(copy).padStart(copyMark.length, '0');

/** What is copied, by the seqs of its events, and how often; by how much each copy is further than the one before. */
export type Series = {
  from: number;
  to: number;
  copies: number;
  sessions: number;
  /** Of a session's versions and messages, where the copies lie in one session. */
  versions: number;
  messages: number;
};

/** Copies made by one statement: some seconds. */
const biteCopies = 2_000;

const tables = ['event', 'body', 'session', 'turn', 'message', 'part', 'blocker', 'ledger'] as const;

/** Puts the copies, which are numbered from 1, behind all that is there. `tell`: how many are done. */
export function copyRows(db: Db, series: Series, tell: (copies: number) => void): void {
  const { from, to, copies, sessions, versions, messages } = series;
  const seqColumn = { event: 'seq', body: 'seq', session: 'changed_seq', ledger: 'seq' } as Record<string, string>;
  for (const table of tables) {
    const column = seqColumn[table] ?? 'body';
    // Aside: SQLite would put all copies aside before it writes the first into the table that it reads.
    db.exec(`CREATE TEMP TABLE kind_${table} AS SELECT * FROM main.${table} WHERE ${column} BETWEEN ${from} AND ${to}`);
  }
  const events = to - from + 1;
  const head = db.prepare('SELECT max(seq) FROM main.event').pluck().get() as number;
  const marked = (column: string) => `replace(${column}, '${copyMark}', printf('%0${copyMark.length}d', n))`;
  const shifted = (column: string, by: number) => (by === 0 ? column : `${column} + ${by} * n`);
  const moved = (column: string) => `${column} + ${head - to} + ${events} * n`;
  const [seq, body] = [moved('seq'), moved('body')];
  const [session, version, message] = [
    shifted('session', sessions),
    shifted('version', versions),
    shifted('message', messages),
  ];
  const idx = shifted('idx', messages);
  const json = messages === 0 ? 'json' : `replace(json, '"messageIndex":0,', '"messageIndex":' || n || ',')`;
  const columns: Record<(typeof tables)[number], string> = {
    event: `${seq}, ${session}, ${version}, type, at, occurred_at, actor, ${marked('op_id')}, ${moved('op_last')}, tag`,
    body: `${seq}, ${marked(json)}`,
    session: `${shifted('key', sessions)}, ${marked('id')}, directory, agent, parent_id, origin_source, origin_external,
      current_agent, status, archived, updated_at, next_message, ${moved('changed_seq')}, ${marked('record')}`,
    turn: `${session}, idx, ${marked('id')}, state, ${body}`,
    message: `${session}, ${idx}, ${marked('id')}, turn, ${body}`,
    part: `${session}, ${message}, idx, ${marked('id')}, ${body}, text_units, output_units`,
    blocker: `${session}, idx, ${marked('id')}, turn, state, ${body}`,
    // As random as the hashes that they stand for: each lies on a page of its own.
    ledger: `NULL, abs(random() >> 15), principal, ${marked('op_id')}, randomblob(32), ${seq}, ${version}, ${marked('ids')}, at`,
  };
  // In the order of their keys: CROSS keeps the copies outside.
  const inserts = tables
    .filter((table) => table !== 'session' || sessions > 0)
    .map((table) =>
      db.prepare(`
        WITH RECURSIVE copy (n) AS (SELECT @after + 1 UNION ALL SELECT n + 1 FROM copy WHERE n < @last)
        INSERT INTO main.${table} SELECT ${columns[table]}
          FROM copy CROSS JOIN temp.kind_${table}`),
    );
  for (let after = 0; after < copies; after += biteCopies) {
    const last = Math.min(after + biteCopies, copies);
    db.transaction(() => {
      for (const insert of inserts) insert.run({ after, last });
    })();
    tell(last);
  }
  for (const table of tables) db.exec(`DROP TABLE temp.kind_${table}`);
  db.exec('UPDATE store SET (head_seq, head_tag) = (SELECT seq, tag FROM event ORDER BY seq DESC LIMIT 1)');
}

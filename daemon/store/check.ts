// store/check: whether the store is whole, by SQLite's own word and by what sessiond relies on. Reads all of it, as it
// stands at one moment, and changes nothing.
import Database from 'better-sqlite3';
import type { Db } from './open.ts';

/** `problems`: sentences for a person; none where all is well. */
export type Checked = { ok: boolean; problems: string[] };

/** Problems told; that there are more is one more. */
const maxProblems = 100;

/** Checks the store of any schema on a connection of its own. Throws what is no fault of the file. */
export function checkStore(db: Db): Checked {
  const problems: string[] = [];
  try {
    db.exec('BEGIN');
    for (const find of [damage, danglingRows]) problems.push(...find(db));
    // In a damaged file everything is wrong: one cause is enough.
    if (problems.length === 0) for (const find of rules) problems.push(...find(db));
  } catch (error) {
    if (!(error instanceof Database.SqliteError)) throw error;
    problems.push(`it cannot be read to its end: ${error.message}`);
  } finally {
    if (db.inTransaction) db.exec('ROLLBACK');
  }
  if (problems.length > maxProblems) problems.splice(maxProblems, Number.POSITIVE_INFINITY, 'and there is more');
  return { ok: problems.length === 0, problems };
}

/** The same of the file at `path`, which somebody may be writing to. */
export function checkFile(path: string): Checked {
  let db: Db | undefined;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true });
    return checkStore(db);
  } finally {
    db?.close();
  }
}

function damage(db: Db): string[] {
  const told = db
    .prepare(`PRAGMA integrity_check(${maxProblems + 1})`)
    .pluck()
    .all() as string[];
  return told.filter((text) => text !== 'ok').map((text) => `the file is damaged: ${text}`);
}

function danglingRows(db: Db): string[] {
  const rows = db.prepare('SELECT "table", parent, count(*) AS rows FROM pragma_foreign_key_check GROUP BY 1, 2').all();
  return (rows as { table: string; parent: string; rows: number }[]).map(
    ({ table, parent, rows: count }) => `${rowsText(count)} of ${table} without a ${parent}`,
  );
}

type Place = {
  head_seq: number;
  head_tag: number;
  floor_seq: number;
  newest: number | null;
  held: number;
  tag: number | null;
};

function journal(db: Db): string[] {
  const place = db
    .prepare(
      `SELECT head_seq, head_tag, floor_seq, (SELECT max(seq) FROM event) AS newest,
              (SELECT count(*) FROM event WHERE seq > floor_seq AND seq <= head_seq) AS held,
              (SELECT tag FROM event WHERE seq = head_seq) AS tag
         FROM store`,
    )
    .get() as Place | undefined;
  if (!place) return ['it does not know which store it is: its own row is missing'];
  const { head_seq: head, head_tag: headTag, floor_seq: floor, newest, held, tag } = place;
  const problems: string[] = [];
  if (floor > head) problems.push(`events up to ${floor} are pruned, and the newest is said to be ${head}`);
  if (newest !== null && newest > head)
    problems.push(`the journal goes on to event ${newest}, behind its head ${head}`);
  const missing = head - floor - held;
  if (missing > 0) problems.push(`events ${floor + 1} to ${head}: ${missing} missing`);
  if (tag !== null && tag !== headTag) problems.push(`event ${head} is not the one that head was written with`);
  return problems;
}

function versions(db: Db): string[] {
  const rows = db
    .prepare(
      `SELECT s.id, min(e.version) AS first, max(e.version) AS last, count(*) AS held,
              count(DISTINCT e.version) AS different, s.record ->> '$.version' AS said
         FROM event e JOIN session s ON s.key = e.session GROUP BY e.session
       HAVING held <> last - first + 1 OR different <> held OR said <> last LIMIT ${maxProblems + 1}`,
    )
    .all() as { id: string; first: number; last: number; held: number; different: number; said: number | null }[];
  return rows.map(({ id, first, last, held, different, said }) =>
    held === last - first + 1 && different === held
      ? `session ${id} is at version ${said}, and its newest event at ${last}`
      : `session ${id} has ${different} versions between ${first} and ${last}, not each once`,
  );
}

const holders = ['event', 'turn', 'message', 'part', 'chunk', 'blocker', 'artifact'] as const;

function bodies(db: Db): string[] {
  return holders.flatMap((table) => {
    const column = table === 'event' ? 'seq' : 'body';
    const lost = db
      .prepare(`SELECT count(*) FROM ${table} t LEFT JOIN body b ON b.seq = t.${column} WHERE b.seq IS NULL`)
      .pluck()
      .get() as number;
    return lost === 0 ? [] : [`${rowsText(lost)} of ${table} without content`];
  });
}

function owners(db: Db): string[] {
  return (['session', 'actor'] as const).flatMap((table) => {
    const lost = db
      .prepare(`SELECT count(*) FROM event e LEFT JOIN ${table} o ON o.key = e.${table} WHERE o.key IS NULL`)
      .pluck()
      .get() as number;
    return lost === 0 ? [] : [`${rowsText(lost)} of event without a known ${table}`];
  });
}

/** Op ids that are not found are applied a second time. Before schema 8 SQLite's own index found them. */
function opKeys(db: Db): string[] {
  const has = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'ledger_key'").get();
  if (!has) return [];
  const lost = db
    .prepare(
      `SELECT count(*) FROM ledger l LEFT JOIN ledger_key k ON k.op_key = l.op_key AND k.entry = l.entry
        WHERE k.entry IS NULL AND l.entry <= (SELECT ledger_keyed FROM store)`,
    )
    .pluck()
    .get() as number;
  return lost === 0 ? [] : [`${rowsText(lost)} of ledger that the index of op ids has not`];
}

function rowsText(count: number): string {
  return count === 1 ? '1 row' : `${count} rows`;
}

const rules = [journal, versions, bodies, owners, opKeys];

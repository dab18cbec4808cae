// opencode's database, read with the least that SQLite allows: read-only, no transaction beyond one statement, no waiting for
// a lock. The only file outside store/ that may import better-sqlite3: it reads another program's database and never ours.
//
// What such a connection does to a database in WAL mode (measured, SQLite 3.53): it sees what a live writer has committed, also
// while the writer holds BEGIN EXCLUSIVE, and hinders neither a checkpoint(TRUNCATE) nor a VACUUM that follows. Where the
// writer closed cleanly there is no `-wal` and no `-shm`: SQLite then makes both, the log empty, and leaves them; the next writer
// takes them over and removes them. In a folder that we may not write to, that fails (SQLITE_READONLY_DIRECTORY) and is
// tried again; while a writer lives its files are there, and reading works.
import Database from 'better-sqlite3';
import type { SourceDatabase } from '../../adapter.ts';
import type { EventRecord, RowRecord, SessionRow } from './records.ts';

export function openDatabase(path: string): SourceDatabase {
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: 0 });
  try {
    return new OpencodeDatabase(db);
  } catch (error) {
    db.close();
    throw error;
  }
}

/** What is needed of each table; a version of opencode may lack it. */
const needed = {
  session: ['id', 'time_updated'],
  message: ['id', 'session_id', 'time_updated', 'data'],
  part: ['id', 'session_id', 'message_id', 'time_updated', 'data'],
  event: ['aggregate_id', 'seq', 'type', 'data'],
  event_sequence: ['aggregate_id', 'seq'],
};
type Table = keyof typeof needed;

/**
 * A session whose events were all kept, from its first, is a stream of these, by their seq. Any other (from before there were
 * events, or that had none at first) is one of its rows. These are numbered twice: at first by their place in the session,
 * oldest message first; once all of them were read, by when they changed, to the millisecond and the place within it.
 */
const epoch = Date.UTC(2020);
const perMs = 2 ** 13;
/** Smaller numbers are places. */
const firstTime = 2 ** 32;
const lastMs = epoch + 2 ** 39;
/** How far back the changes are read again when the first reading took several looks: the session may have gone on. */
const overlap = 10 * 60_000 * perMs;
/** Of a session that was left alone for so long only the own row tells of changes: to look at all parts each time is slow. */
const recentMs = 24 * 3600_000;

type Place = { kind: 'message' | 'part'; id: string; messageId: string };
type Change = { at: number; place: number } & (Place | { kind: 'session' });

class OpencodeDatabase implements SourceDatabase {
  readonly #db: Database.Database;
  readonly #tables: Set<Table>;
  readonly #statements = new Map<string, Database.Statement>();
  /** Found once a look. */
  #newest: number | undefined;
  /** Found once a read, if at all. */
  #lastEvents: Map<string, number> | undefined;

  constructor(db: Database.Database) {
    this.#db = db;
    const columns = db
      .prepare(
        `SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'`,
      )
      .pluck()
      .all();
    const found = new Set(columns);
    const tables = Object.keys(needed) as Table[];
    this.#tables = new Set(tables.filter((table) => needed[table].every((column) => found.has(`${table}.${column}`))));
  }

  streams(): { sessionKey: string; head: number }[] {
    const streams = this.#eventStreams();
    if (!this.#tables.has('session')) return streams;
    const ofEvents = new Set(streams.map(({ sessionKey }) => sessionKey));
    const ids = this.#all<{ id: unknown }>('SELECT id FROM session').map(({ id }) => String(id));
    for (const id of ids) if (!ofEvents.has(id)) streams.push({ sessionKey: id, head: this.#headOf(id) });
    return streams;
  }

  read(sessionKey: string, after: number, limit: number): { records: unknown[]; next: number } {
    const stream = this.#eventStreams(sessionKey)[0];
    if (stream) return this.#readEvents(sessionKey, after, limit, stream.head);
    if (!this.#tables.has('session')) return { records: [], next: after };
    return after < firstTime ? this.#readPlaces(sessionKey, after, limit) : this.#readChanges(sessionKey, after, limit);
  }

  close(): void {
    this.#db.close();
  }

  /** The sessions that are streams of events; or the one, if it is. */
  #eventStreams(sessionKey: string | null = null): { sessionKey: string; head: number }[] {
    if (!this.#tables.has('event') || !this.#tables.has('event_sequence')) return [];
    return this.#all(
      `SELECT aggregate_id AS sessionKey, min(seq, ${maxSeq}) AS head FROM event_sequence s
       WHERE typeof(seq) = 'integer' AND aggregate_id ${sessionKey === null ? 'IS NOT ?' : '= ?'} AND EXISTS (
         SELECT 1 FROM event e WHERE e.aggregate_id = s.aggregate_id AND e.seq = 0 AND e.type LIKE 'session.created.%')`,
      sessionKey,
    );
  }

  #readEvents(sessionKey: string, after: number, limit: number, head: number) {
    const events = this.#all<EventRecord & { record: string | null }>(
      `SELECT seq, type, data, ${recordOfEvent} AS record FROM event
       WHERE aggregate_id = ? AND seq > ? AND ${isSafe} ORDER BY seq LIMIT ?`,
      sessionKey,
      after,
      limit,
    );
    this.#lastEvents = undefined;
    const seen = new Set<string>();
    const records: EventRecord[] = [];
    for (const { record, ...event } of events) {
      if (record === null) records.push(event);
      else if (!seen.has(record)) records.push({ ...event, ...this.#latest(sessionKey, event, record, after) });
      if (record !== null) seen.add(record);
    }
    const last = events.at(-1)?.seq ?? after;
    return { records, next: events.length < limit ? Math.max(last, head) : last };
  }

  /** What an event tells of, as it is now; or, when its row is gone or damaged, as the last of its events told it. */
  #latest(sessionKey: string, { type }: EventRecord, record: string, after: number): Partial<EventRecord> {
    const id = record.slice(type.length + 1);
    const row = () => this.#findData(type.startsWith('message.part.') ? 'part' : 'message', id, isObject);
    const now = record === 'session' ? this.#findSession(sessionKey) : row();
    if (now !== undefined) return { now };
    this.#lastEvents ??= new Map(
      this.#all<{ record: string; seq: number }>(
        `SELECT ${recordOfEvent} AS record, max(seq) AS seq FROM event
         WHERE aggregate_id = ? AND seq > ? AND ${isSafe} GROUP BY record`,
        sessionKey,
        after,
      ).map((last) => [last.record, last.seq]),
    );
    const [last] = this.#all<{ data: string }>(
      'SELECT data FROM event WHERE aggregate_id = ? AND seq = ?',
      sessionKey,
      this.#lastEvents.get(record),
    );
    return last ?? {};
  }

  #readPlaces(sessionKey: string, after: number, limit: number) {
    // Before the rows: what changes from here on is behind it.
    const head = this.#headOf(sessionKey);
    const places = this.#all<Place>(
      `SELECT kind, id, messageId FROM (${this.#rows}) ORDER BY messageId, kind, id LIMIT @limit OFFSET @from`,
      { sessionKey, limit, from: after + 1 },
    );
    const records = this.#recordsOf(sessionKey, places);
    if (places.length === limit) return { records, next: after + limit };
    return { records, next: after === -1 ? head : Math.max(firstTime, head - overlap) };
  }

  #readChanges(sessionKey: string, after: number, limit: number) {
    const head = this.#headOf(sessionKey);
    const changes = this.#all<Change>(
      `SELECT *, row_number() OVER (PARTITION BY at ORDER BY messageId, kind, id) - 1 AS place
       FROM (${this.#rows} UNION ALL SELECT 'session', id, '', ${updated} FROM session WHERE id = @sessionKey)
       WHERE at BETWEEN @from AND @to ORDER BY at, place`,
      { sessionKey, from: timeOf(after), to: timeOf(head) },
    );
    const behind = changes.filter((change) => numberOf(change.at, change.place) > after);
    const last = behind[limit - 1];
    const next = last === undefined ? Math.max(head, after) : numberOf(last.at, last.place);
    // Whatever shares the number of the last one comes with it.
    const page = behind.filter((change) => numberOf(change.at, change.place) <= next);
    const isPlace = (change: Change): change is Change & Place => change.kind !== 'session';
    return { records: this.#recordsOf(sessionKey, page.filter(isPlace)), next };
  }

  /** The messages and parts of a session, and when they changed. */
  get #rows(): string {
    const own = 'WHERE session_id = @sessionKey';
    const messages = `SELECT 'message' AS kind, id, id AS messageId, ${updated} AS at FROM message ${own}`;
    const parts = `SELECT 'part' AS kind, id, message_id AS messageId, ${updated} AS at FROM part ${own}`;
    // A part whose own column names no session is of that of its message.
    const lost = `${parts.replace(own, `WHERE (session_id IS NULL OR session_id = '')`)}
      AND message_id IN (SELECT id FROM message ${own})`;
    const both = [
      this.#tables.has('message') ? messages : [],
      this.#tables.has('part') ? parts : [],
      this.#tables.has('message') && this.#tables.has('part') ? lost : [],
    ].flat();
    const none = `SELECT NULL AS kind, NULL AS id, NULL AS messageId, NULL AS at WHERE @sessionKey IS NULL`;
    return [none, ...both].join(' UNION ALL ');
  }

  /** The rows, each with what must be there before it: the session with the first, its message with a part. */
  #recordsOf(sessionKey: string, places: Place[]): RowRecord[] {
    const session = this.#findSession(sessionKey) ?? {};
    const seen = new Set<string>();
    const records = places.map(({ kind, id, ...place }): RowRecord => {
      // A damaged row may have none, or a number: what is put under its text must be found by that.
      const messageId = String(place.messageId);
      const data = this.#findData(kind, id) ?? '';
      const message = seen.has(messageId) ? undefined : this.#findData('message', messageId);
      seen.add(messageId);
      if (kind === 'message') return { table: kind, id, data };
      return { table: kind, id, messageId, data, ...(message === undefined ? {} : { message }) };
    });
    const [first = { table: 'session' }, ...others] = records;
    return [{ ...first, session }, ...others];
  }

  /** The number of the latest change of a session that is a stream of rows. */
  #headOf(sessionKey: string): number {
    const own = `SELECT ${updated} AS at FROM session`;
    this.#newest ??= this.#all<{ at: number }>(`${own} ORDER BY at DESC LIMIT 1`)[0]?.at ?? 0;
    const { at } = this.#all<{ at: number }>(`${own} WHERE id = ?`, sessionKey)[0] ?? { at: 0 };
    if (at < this.#newest - recentMs) return numberOf(at, perMs - 1);
    const latest = this.#all<{ at: number; rows: number }>(
      `SELECT at, count(*) AS rows FROM (${this.#rows}) WHERE at >= @at GROUP BY at ORDER BY at DESC LIMIT 1`,
      { sessionKey, at },
    )[0] ?? { at, rows: 0 };
    // The session's own row is one of its millisecond too.
    return numberOf(latest.at, latest.at === at ? latest.rows : latest.rows - 1);
  }

  #findSession(sessionKey: string): SessionRow | undefined {
    if (!this.#tables.has('session')) return undefined;
    return this.#all<SessionRow>('SELECT * FROM session WHERE id = ?', sessionKey)[0];
  }

  #findData(table: 'message' | 'part', id: unknown, only = '1'): string | undefined {
    if (typeof id !== 'string' || !this.#tables.has(table)) return undefined;
    const data = this.#all<{ data: unknown }>(`SELECT data FROM ${table} WHERE id = ? AND ${only}`, id)[0]?.data;
    return typeof data === 'string' ? data : undefined;
  }

  /** Each statement is stepped to its end at once: no read transaction outlives this call. */
  #all<Row>(sql: string, ...values: unknown[]): Row[] {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement.all(...values) as Row[];
  }
}

/** Which record an event tells of: all events of one have the same name here. Null for those that stand for themselves. */
const recordOfEvent = `CASE
  WHEN type LIKE 'session.created.%' OR type LIKE 'session.updated.%' THEN 'session'
  WHEN NOT json_valid(data) THEN NULL
  WHEN type LIKE 'message.part.updated.%' THEN type || ' ' || json_extract(data, '$.part.id')
  WHEN type LIKE 'message.updated.%' THEN type || ' ' || json_extract(data, '$.info.id') END`;

/** The position behind it must be a safe integer too. */
const maxSeq = Number.MAX_SAFE_INTEGER - 1;
/** Whether the number of an event can be a position: SQLite has larger ones, and keeps what is no integer. */
const isSafe = `typeof(seq) = 'integer' AND seq <= ${maxSeq}`;

/** Whether a row is sound. */
const isObject = `CASE WHEN json_valid(data) THEN json_type(data) = 'object' END`;

const updated = `coalesce(CAST(time_updated AS INTEGER), 0)`;

function numberOf(ms: number, place: number): number {
  return Math.max(firstTime, (Math.min(ms, lastMs) - epoch) * perMs + Math.min(place, perMs - 1));
}

const timeOf = (number: number) => epoch + Math.floor(number / perMs);

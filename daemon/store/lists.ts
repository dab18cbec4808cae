// Pages of the current records, as JSON text: stored bodies are joined, not parsed. Each page is one synchronous read, so
// it is one snapshot; it ends at its limit or at `maxPageBytes`, with at least one item.

import type { Message, Turn } from '../../protocol/schema.ts';
import type { Journal } from './journal.ts';
import type { Db } from './open.ts';
import { PartRows } from './part-rows.ts';
import { UsageRows } from './usage.ts';

/** `next`: what to hand back as `after` for the page behind this one. */
export type Page = { items: string[]; next: string | undefined };

export type SessionQuery = {
  directory?: string | undefined;
  agent?: string | undefined;
  status?: string | undefined;
  archived?: boolean | undefined;
  parentId?: string | null | undefined;
  origin?: { source?: string | undefined; externalId?: string | undefined } | undefined;
  updatedAfter?: number | undefined;
  query?: string | undefined;
  /** Only of these. */
  sessions?: string[] | undefined;
};

/** `sessions`: only of these. */
export type RowQuery = {
  sessionId?: string | undefined;
  state?: string | undefined;
  sessions?: string[] | undefined;
};

export const maxPageBytes = 256 * 1024;
/** Characters of a title where it stands for its session. */
const maxTitle = 200;

/** Where a walk over the sessions stands: updatedAt and key, then head and the greatest key when it began. */
type Place = [updatedAt: number, key: number, since: number, maxKey: number];
/** In the place of updatedAt: the walk is done, and what changed since it began follows by key. */
const touched = -1;

export class Lists {
  readonly #db: Db;
  readonly #parts: PartRows;
  readonly #usage: UsageRows;
  readonly #sql;

  constructor(db: Db, journal: Journal) {
    this.#db = db;
    this.#parts = new PartRows(db, journal);
    this.#usage = new UsageRows(db);
    const openTurns = (condition: string) =>
      db
        .prepare(`
        SELECT b.json FROM turn t JOIN body b ON b.seq = t.body
         WHERE ${condition} AND t.state IN ('created', 'streaming') ORDER BY t.session, t.idx`)
        .pluck();
    const messages = (order: string, compare: string) =>
      db.prepare(`SELECT m.idx, b.json FROM message m JOIN body b ON b.seq = m.body
                   WHERE m.session = ? AND m.idx ${compare} ? ORDER BY m.idx ${order} LIMIT ?`);
    this.#sql = {
      session: db.prepare('SELECT record FROM session WHERE id = ? AND record IS NOT NULL').pluck(),
      sessionKey: db.prepare('SELECT key FROM session WHERE id = ? AND record IS NOT NULL').pluck(),
      head: db.prepare('SELECT head_seq FROM store').pluck(),
      newestSession: db.prepare('SELECT ifnull(max(key), 0) FROM session').pluck(),
      newestSessionOf: db
        .prepare('SELECT ifnull(max(key), 0) FROM session WHERE id IN (SELECT value FROM json_each(?))')
        .pluck(),
      countSessions: db.prepare('SELECT count(*) FROM session WHERE record IS NOT NULL').pluck(),
      countSessionsOf: db
        .prepare('SELECT count(*) FROM session WHERE record IS NOT NULL AND id IN (SELECT value FROM json_each(?))')
        .pluck(),
      newestSessions: db.prepare('SELECT key FROM session WHERE record IS NOT NULL ORDER BY key DESC LIMIT ?').pluck(),
      // CROSS: each is looked up by its id.
      newestSessionsOf: db
        .prepare(`
        SELECT s.key FROM json_each(?) named CROSS JOIN session s ON s.id = named.value
         WHERE s.record IS NOT NULL ORDER BY s.key DESC LIMIT ?`)
        .pluck(),
      sessionVersion: db.prepare(`
        SELECT id, substr(record ->> '$.title', 1, ${maxTitle}) AS title, record ->> '$.version' AS version FROM session
         WHERE key = ? AND record IS NOT NULL`),
      asc: messages('ASC', '>'),
      desc: messages('DESC', '<'),
      openTurns: openTurns('t.session = ?'),
      allOpenTurns: openTurns(
        `NOT EXISTS (SELECT 1 FROM session s JOIN replica r ON r.session = s.id WHERE s.key = t.session)`,
      ),
      pendingBlockers: db
        .prepare(`
        SELECT b.json FROM blocker r JOIN body b ON b.seq = r.body WHERE r.session = ? AND r.state = 'pending'
         ORDER BY r.idx`)
        .pluck(),
      blockerState: db.prepare('SELECT state FROM blocker WHERE id = ?').pluck(),
      blocker: db.prepare('SELECT b.json FROM blocker r JOIN body b ON b.seq = r.body WHERE r.id = ?').pluck(),
      artifacts: db.prepare(`
        SELECT a.kind, a.key, b.json FROM artifact a JOIN body b ON b.seq = a.body
         WHERE a.session = ? AND (a.kind, a.key) > (?, ?) AND (? IS NULL OR a.kind = ?)
         ORDER BY a.kind, a.key LIMIT ?`),
    };
  }

  /** One session's record as JSON text. */
  findSession(id: string): string | undefined {
    return this.#sql.session.get(id) as string | undefined;
  }

  /** The turns of a session that have not ended, each as JSON text. */
  openTurns(sessionId: string): string[] {
    return this.#sql.openTurns.all(this.#key(sessionId)) as string[];
  }

  /** The open turns of all sessions whose home is here. */
  allOpenTurns(): Turn[] {
    return (this.#sql.allOpenTurns.all() as string[]).map((json) => JSON.parse(json) as Turn);
  }

  /** The blockers of a session that nobody has resolved, each as JSON text. */
  pendingBlockers(sessionId: string): string[] {
    return this.#sql.pendingBlockers.all(this.#key(sessionId)) as string[];
  }

  /** The message of a session that was added last. */
  lastMessage(sessionId: string): Message | undefined {
    const row = this.#sql.desc.get(this.#key(sessionId), Number.MAX_SAFE_INTEGER, 1) as { json: string } | undefined;
    return row && (JSON.parse(row.json) as Message);
  }

  blockerState(id: string): string | undefined {
    return this.#sql.blockerState.get(id) as string | undefined;
  }

  findBlocker(id: string): string | undefined {
    return this.#sql.blocker.get(id) as string | undefined;
  }

  /** How many there are, or of `sessions`. */
  countSessions(sessions?: string[]): number {
    const ids = sessions && JSON.stringify(sessions);
    return (ids === undefined ? this.#sql.countSessions.get() : this.#sql.countSessionsOf.get(ids)) as number;
  }

  /** The keys of the newest `limit` of all sessions, or of those of `sessions` that are there, the newest first. */
  newestSessions(sessions: string[] | undefined, limit: number): number[] {
    const { newestSessions, newestSessionsOf } = this.#sql;
    const keys = sessions ? newestSessionsOf.all(JSON.stringify(sessions), limit) : newestSessions.all(limit);
    return keys as number[];
  }

  /** What a session is called (its first 200 characters) and how far it is; undefined where it is gone. */
  sessionVersion(key: number): { id: string; title: string | null; version: number } | undefined {
    return this.#sql.sessionVersion.get(key) as { id: string; title: string | null; version: number } | undefined;
  }

  /**
   * Newest first. A session that changes between two pages moves to the front, where the walk has been: so behind the last
   * page come, once more, all that changed since the first one. None is missed; one may come twice.
   */
  readSessions(query: SessionQuery, limit: number, after: string | undefined): Page {
    const conditions = ['record IS NOT NULL'];
    const values: (string | number)[] = [];
    const add = (condition: string, ...given: (string | number)[]) => {
      conditions.push(condition);
      values.push(...given);
    };
    if (query.directory !== undefined) add('directory = ?', query.directory);
    if (query.agent !== undefined) add('current_agent = ?', query.agent);
    if (query.status !== undefined) add('status = ?', query.status);
    if (query.archived !== undefined) add('archived = ?', query.archived ? 1 : 0);
    if (query.parentId === null) add('parent_id IS NULL');
    else if (query.parentId !== undefined) add('parent_id = ?', query.parentId);
    if (query.origin?.source !== undefined) add('origin_source = ?', query.origin.source);
    if (query.origin?.externalId !== undefined) add('origin_external = ?', query.origin.externalId);
    if (query.updatedAfter !== undefined) add('updated_at > ?', query.updatedAfter);
    if (query.sessions) add('id IN (SELECT value FROM json_each(?))', JSON.stringify(query.sessions));
    if (query.query) add(`instr(lower(ifnull(record ->> '$.title', '')), lower(?)) > 0`, query.query);
    const [updatedAt, key, since, maxKey] =
      after === undefined ? this.#firstPlace(query.sessions) : (JSON.parse(after) as Place);
    const read = (condition: string, bounds: number[], order: string) =>
      this.#db
        .prepare(
          `SELECT updated_at, key, record FROM session WHERE ${[...conditions, condition].join(' AND ')}
            ORDER BY ${order} LIMIT ?`,
        )
        .raw()
        .all([...values, ...bounds, limit + 1]) as [number, number, string][];
    const readTouched = (from: number) => {
      const rows = read('key > ? AND key <= ? AND changed_seq > ?', [from, maxKey, since], 'key');
      return fill(
        rows,
        limit,
        ([, , record]) => record,
        (row) => JSON.stringify([touched, row[1], since, maxKey]),
      );
    };
    if (updatedAt === touched) return readTouched(key);
    const rows = read('(updated_at, key) < (?, ?)', [updatedAt, key], 'updated_at DESC, key DESC');
    const page = fill(
      rows,
      limit,
      ([, , record]) => record,
      (row) => JSON.stringify([row[0], row[1], since, maxKey]),
    );
    const walked = page.next === undefined && after !== undefined;
    if (walked && readTouched(0).items.length > 0) page.next = JSON.stringify([touched, 0, since, maxKey]);
    return page;
  }

  /** See usage.ts. */
  readUsage(
    since: number,
    dayOf: (at: number) => string,
    limit: number,
    after: string | undefined,
    sessions?: string[],
  ): Page {
    return this.#usage.read(since, dayOf, limit, after, sessions);
  }

  #key(sessionId: string): number | undefined {
    return this.#sql.sessionKey.get(sessionId) as number | undefined;
  }

  /** The place stands in the page token: what it tells is of `sessions` alone. */
  #firstPlace(sessions: string[] | undefined): Place {
    const { head, newestSession, newestSessionOf } = this.#sql;
    const maxKey = sessions ? newestSessionOf.get(JSON.stringify(sessions)) : newestSession.get();
    return [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, head.get() as number, maxKey as number];
  }

  /**
   * Messages with their parts, none behind the index `last`; undefined when there is no such session. `streamed`: with text that
   * was streamed since a part was last put.
   */
  readMessages(
    sessionId: string,
    order: 'asc' | 'desc',
    limit: number,
    after: string | undefined,
    last = Number.MAX_SAFE_INTEGER,
    streamed = true,
  ): Page | undefined {
    const key = this.#key(sessionId);
    if (key === undefined) return undefined;
    const items: string[] = [];
    let bytes = 0;
    let place = after === undefined ? (order === 'asc' ? -1 : Number.MAX_SAFE_INTEGER) : Number(after);
    while (items.length < limit && bytes < maxPageBytes) {
      // A few at a time: a page of large messages must not load those behind its end.
      const wanted = Math.min(16, limit - items.length);
      const rows = this.#sql[order].all(key, place, wanted) as { idx: number; json: string }[];
      for (const row of rows) {
        if (row.idx > last) return { items, next: undefined };
        const item = `{"message":${row.json},"parts":[${this.#parts.readTexts(key, row.idx, streamed).join(',')}]}`;
        const size = Buffer.byteLength(item);
        if (items.length > 0 && bytes + size > maxPageBytes) return { items, next: String(place) };
        items.push(item);
        bytes += size;
        place = row.idx;
      }
      if (rows.length < wanted) return { items, next: undefined };
    }
    const more = (this.#sql[order].all(key, place, 1) as { idx: number }[]).some(({ idx }) => idx <= last);
    return { items, next: more ? String(place) : undefined };
  }

  /**
   * Turns or blockers, of one session or of all, in order of session and of their own beginning; undefined when there is
   * no such session.
   */
  readRows(kind: 'turn' | 'blocker', query: RowQuery, limit: number, after: string | undefined): Page | undefined {
    const session = query.sessionId === undefined ? null : this.#key(query.sessionId);
    if (session === undefined) return undefined;
    const place = after === undefined ? [-1, -1] : (JSON.parse(after) as [number, number]);
    const conditions = ['(r.session, r.idx) > (?, ?)'];
    const values: (number | string)[] = [...place];
    if (session !== null) {
      conditions.push('r.session = ?');
      values.push(session);
    }
    if (query.sessions !== undefined) {
      conditions.push('r.session IN (SELECT key FROM session WHERE id IN (SELECT value FROM json_each(?)))');
      values.push(JSON.stringify(query.sessions));
    }
    if (query.state !== undefined) {
      conditions.push('r.state = ?');
      values.push(query.state);
    }
    const rows = this.#db
      .prepare(
        `SELECT r.session, r.idx, b.json FROM ${kind} r JOIN body b ON b.seq = r.body
          WHERE ${conditions.join(' AND ')} ORDER BY r.session, r.idx LIMIT ?`,
      )
      .raw()
      .all([...values, limit + 1]) as [number, number, string][];
    return fill(
      rows,
      limit,
      ([, , json]) => json,
      ([key, idx]) => JSON.stringify([key, idx]),
    );
  }

  /** Artifacts by kind and key; undefined when there is no such session. */
  readArtifacts(
    sessionId: string,
    kind: string | undefined,
    limit: number,
    after: string | undefined,
  ): Page | undefined {
    const session = this.#key(sessionId);
    if (session === undefined) return undefined;
    const place = after === undefined ? ['', ''] : (JSON.parse(after) as [string, string]);
    const wanted = kind ?? null;
    const rows = this.#sql.artifacts.all(session, place[0], place[1], wanted, wanted, limit + 1) as {
      kind: string;
      key: string;
      json: string;
    }[];
    return fill(
      rows,
      limit,
      (row) => row.json,
      (row) => JSON.stringify([row.kind, row.key]),
    );
  }
}

function fill<Row>(rows: Row[], limit: number, text: (row: Row) => string, place: (row: Row) => string): Page {
  const items: string[] = [];
  let bytes = 0;
  for (const [at, row] of rows.entries()) {
    const item = text(row);
    const size = Buffer.byteLength(item);
    const full = at > 0 && (at === limit || bytes + size > maxPageBytes);
    if (full) return { items, next: place(rows[at - 1]!) };
    items.push(item);
    bytes += size;
  }
  return { items, next: undefined };
}

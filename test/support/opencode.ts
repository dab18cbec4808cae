// opencode's two formats for tests: trees and databases built from fixtures, and read as the engine reads them.
import { basename, join } from 'node:path';
import Database from 'better-sqlite3';
import type { Held, ReadResult, SourceOp, Transcript } from '../../daemon/adapters/adapter.ts';
import { opencodeSource } from '../../daemon/adapters/sources/opencode.ts';
import { afterTest, testFolder } from './daemon.ts';
import { readAtMs, SourceFold, transcriptOf } from './fold-source.ts';

export const home = '/home/dev/.local/share/opencode';
export const source = opencodeSource(home);

/** path below the source's folder -> the document; one as text is written as it is. */
export type Tree = { [path: string]: unknown };
export type Row = { [column: string]: unknown };
export type Tables = { [table: string]: Row[] };

/** What was made of several sessions: one fold for each. */
export class Folds implements Held {
  readonly bySession = new Map<string, SourceFold>();

  of(sessionKey: string): SourceFold {
    const fold = this.bySession.get(sessionKey) ?? new SourceFold();
    this.bySession.set(sessionKey, fold);
    return fold;
  }

  findPart(partId: string) {
    for (const fold of this.bySession.values()) if (fold.parts.has(partId)) return fold.findPart(partId);
    return undefined;
  }

  hasKey(key: string, sessionKey?: string): boolean {
    if (sessionKey === undefined) throw new Error(`whose ${key}?`);
    return this.bySession.get(sessionKey)?.hasKey(key) ?? false;
  }

  apply(sessionKey: string, ops: SourceOp[]): void {
    for (const op of ops) this.of(sessionKey).apply(op);
  }

  get changes(): number {
    return [...this.bySession.values()].reduce((sum, fold) => sum + fold.changes, 0);
  }

  /** All records, without what tells the order that they came in. */
  unordered() {
    const sessions = [...this.bySession].filter(([, fold]) => fold.session);
    return new Map(
      sessions.map(([key, { session, messages, parts }]) => [
        key,
        { session, messages, parts: new Map([...parts].map(([id, part]) => [id, { ...part, index: 0 }])) },
      ]),
    );
  }

  list() {
    return [...this.bySession].flatMap(([key, fold]) => (fold.session ? [{ key, ...fold.list() }] : []));
  }
}

type Read = { ops: SourceOp[]; badRecords: number; waiting: string[] };

const textOf = (document: unknown) => (typeof document === 'string' ? document : JSON.stringify(document, null, 2));

/** Reads the documents in this order; those that wait are tried again as long as any other could be read. */
export function readTree(tree: Tree, folds: Folds, order = Object.keys(tree).sort()): Read {
  const read: Read = { ops: [], badRecords: 0, waiting: order };
  for (let before = -1; read.waiting.length !== before; ) {
    before = read.waiting.length;
    read.waiting = read.waiting.filter((path) => {
      const transcript = transcriptOf(source, join(home, path));
      const result = source.readDocument!(transcript, textOf(tree[path]), folds);
      if (result.wait) {
        if (result.ops.length > 0) throw new Error('ops beside wait');
        return true;
      }
      folds.apply(result.sessionKey ?? transcript.sessionKey, result.ops);
      read.ops.push(...result.ops);
      read.badRecords += result.badRecords;
      return false;
    });
  }
  return read;
}

/** Where each stream of a database stands. */
export type Positions = Map<string, { offset: number; state: unknown }>;

/** Reads what is new in the database, `limit` records at a time, each in a look of its own. */
export function readDatabase(path: string, folds: Folds, positions: Positions = new Map(), limit = 500): Read {
  const read: Read = { ops: [], badRecords: 0, waiting: [] };
  for (const { sessionKey, head } of look(path, (database) => database.streams())) {
    const held = positions.get(sessionKey);
    let position = held && held.offset <= head + 1 ? held : { offset: 0, state: null };
    while (position.offset <= head) {
      const { records, next } = look(path, (database) => database.read(sessionKey, position.offset - 1, limit));
      if (next < position.offset) throw new Error(`${sessionKey} stands still at ${next} of ${head}`);
      const transcript: Transcript = {
        path: `${join(home, basename(path))}#${sessionKey}`,
        sessionKey,
        mtimeMs: 5000.7,
        readAtMs,
      };
      const held: Held = {
        findPart: (partId) => folds.findPart(partId),
        hasKey: (key, of = sessionKey) => folds.hasKey(key, of),
      };
      const given = JSON.stringify(position.state);
      const result: ReadResult = source.readRecords!(transcript, records, position.state, held);
      if (JSON.stringify(position.state) !== given) throw new Error('the state was changed');
      folds.apply(sessionKey, result.ops);
      read.ops.push(...result.ops);
      read.badRecords += result.badRecords;
      position = { offset: next + 1, state: JSON.parse(JSON.stringify(result.state)) };
      positions.set(sessionKey, position);
    }
  }
  return read;
}

export function look<T>(path: string, use: (database: ReturnType<NonNullable<typeof source.openDatabase>>) => T): T {
  const database = source.openDatabase!(path);
  try {
    return use(database);
  } finally {
    database.close();
  }
}

const columns: { [table: string]: string } = {
  session:
    'id text PRIMARY KEY, project_id text, parent_id text, slug text, directory text, title text, version text, ' +
    'share_url text, agent text, model text, time_created integer, time_updated integer, time_archived integer',
  message: 'id text PRIMARY KEY, session_id text, time_created integer, time_updated integer, data text',
  part: 'id text PRIMARY KEY, message_id text, session_id text, time_created integer, time_updated integer, data text',
  event_sequence: 'aggregate_id text PRIMARY KEY, seq integer NOT NULL, owner_id text',
  event:
    'id text PRIMARY KEY, aggregate_id text NOT NULL, seq integer NOT NULL, type text NOT NULL, data text NOT NULL',
};

/** A database with these rows, written as opencode does: in WAL mode. `data` and `model` are JSON unless they are text. */
export function buildDatabase(tables: Tables, path = join(testFolder(), 'opencode.db')) {
  const db = new Database(path);
  afterTest(() => db.close());
  db.pragma('journal_mode = WAL');
  for (const table of Object.keys(tables)) db.exec(`CREATE TABLE ${table} (${columns[table] ?? 'id text'})`);
  for (const [table, rows] of Object.entries(tables)) for (const row of rows) putRow(db, table, row);
  return { path, db };
}

export function putRow(db: Database.Database, table: string, row: Row): void {
  const names = Object.keys(row);
  const values = names.map((name) =>
    row[name] !== null && typeof row[name] === 'object' ? JSON.stringify(row[name]) : row[name],
  );
  db.prepare(`INSERT OR REPLACE INTO ${table} (${names}) VALUES (${names.map(() => '?')})`).run(...values);
}

/** The rows that opencode's own migration makes of a tree: ids by path, all else in `data`. */
export function migrated(tree: Tree, now: number): Tables {
  const tables: Tables = { session: [], message: [], part: [] };
  const sessionOf = new Map<string, string>();
  for (const [path, document] of Object.entries(tree)) {
    const [, kind, owner, file = ''] = path.split('/');
    const id = file.replace(/\.json$/, '');
    const { id: _id, sessionID: _session, messageID: _message, ...data } = document as Row;
    const time = (data.time ?? {}) as { created?: number; updated?: number; archived?: number };
    const times = { time_created: time.created ?? now, time_updated: time.updated ?? now };
    if (kind === 'session') {
      const { title = '', directory = '', version = '', slug = '', parentID: parent_id = null, share } = data;
      const share_url = (share as Row | undefined)?.url ?? null;
      const time_archived = time.archived ?? null;
      const texts = { project_id: owner, parent_id, slug, directory, title, version, share_url };
      tables.session!.push({ id, ...texts, ...times, time_archived });
    } else if (kind === 'message') {
      sessionOf.set(id, owner!);
      tables.message!.push({ id, session_id: owner, ...times, data });
    } else tables.part!.push({ id, message_id: owner, session_id: sessionOf.get(owner!), ...times, data });
  }
  return tables;
}

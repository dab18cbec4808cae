// The full-text index: a file of its own beside the store, made anew from the tables whenever it is missing, damaged or of
// another store, and so never backed up and never migrated. It holds words and where they stand, and no text.
//
// A row is a part as it stands, under the seq of its body. So what was indexed before a position is still right as long as
// the body is the part's own, and whoever reads the index leaves out what is not: that it lags shows nothing that is gone.
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import Database from 'better-sqlite3';
import { formatCursor } from '../../protocol/cursor.ts';
import { isRefusal } from '../../protocol/errors.ts';
import type { Part } from '../../protocol/schema.ts';
import type { Journal } from './journal.ts';
import type { Db } from './open.ts';
import { isDenied, isIndexDamage, ofStore } from './search-fault.ts';
import { partText, tokenizer } from './search-text.ts';

/** Grows with every change of what is indexed or how: an index of another version is made anew. */
const indexVersion = 1;

const schema = `
  CREATE VIRTUAL TABLE words USING fts5(text, content='', contentless_delete=1, tokenize='${tokenizer}');
  -- Fewer merges than by default (4): half the longest bite, and less to write.
  INSERT INTO words (words, rank) VALUES ('automerge', 8);
  CREATE TABLE doc (
    row INTEGER PRIMARY KEY, -- the seq of the part's body
    session INTEGER NOT NULL,
    message INTEGER NOT NULL,
    part INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX doc_place ON doc (session, message, part);
  -- seq: all bodies up to there were looked at. cursor: the same, for clients. seen: head when it was written, by which the
  -- index knows its store again.
  CREATE TABLE position (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    cursor TEXT NOT NULL,
    seen TEXT NOT NULL
  ) STRICT;
  PRAGMA user_version = ${indexVersion};`;

/** Rows looked at in one bite, so that what holds no parts cannot hold the event loop either. */
const maxScan = 5_000;
/** Parts compared in one bite of a sweep. */
const maxSweep = 500;

type Doc = { row: number; session: number; message: number; part: number; text: string };
/** What stands between the position and `through`, `bytes` of it: parts, and the sessions that something was removed from. */
export type Bite = { through: number; bytes: number; docs: Doc[]; removedFrom: number[] };

type BodyRow = [seq: number, bytes: number, session: number, message: number, part: number, json: string | null];
type DocRow = { row: number; message: number; part: number };
type Place = { message: number; part: number };

export class SearchIndex {
  /** Why the index begins anew; undefined when it goes on from where it was. */
  readonly madeBecause: string | undefined;
  readonly #db: Db;
  readonly #journal: Journal;
  readonly #store;
  readonly #sql;
  #seq: number;

  /** Opens the index, and makes it anew when it is not that of this store. Throws what `indexFault` names. */
  constructor(path: string, store: Db, journal: Journal) {
    this.#journal = journal;
    this.#store = ofStore(() => storeSql(store));
    const held = openHeld(path, journal);
    this.madeBecause = 'db' in held ? undefined : held.reason;
    this.#db = 'db' in held ? held.db : this.#make(path);
    try {
      this.#seq = this.#db.prepare('SELECT seq FROM position').pluck().get() as number;
      this.#sql = indexSql(this.#db);
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** All that was written up to this seq is in the index. */
  get seq(): number {
    return this.#seq;
  }

  /** What comes next, up to about `maxBytes`; undefined at head. Throws StoreReadError. */
  read(maxBytes: number): Bite | undefined {
    return ofStore(() => this.#readStore(maxBytes));
  }

  /**
   * Takes out what a session no longer has, a bounded number of parts behind `after`; returns from where to go on, undefined
   * at the end of the session.
   */
  sweep(session: number, after: Place = { message: -1, part: -1 }): Place | undefined {
    const docs = this.#sql.docsOf.all(session, after.message, after.part) as DocRow[];
    const held = ({ message, part }: DocRow) => ofStore(() => this.#store.body.get(session, message, part));
    const gone = docs.filter((doc) => held(doc) !== doc.row);
    if (gone.length > 0) {
      this.#write(() => {
        for (const { row } of gone) this.#drop(row);
      });
    }
    return docs.length < maxSweep ? undefined : docs.at(-1);
  }

  /** The session with the next greater key that the index knows anything of. */
  nextSession(after: number): number | undefined {
    return (this.#sql.nextSession.get(after) as number | null) ?? undefined;
  }

  /** Writes what `read` gave, and the position behind it, in one transaction: none of it is ever there without the other. */
  put({ through, docs }: Bite): void {
    this.#write(() => {
      for (const { row, session, message, part, text } of docs) {
        const before = this.#sql.rowAt.get(session, message, part) as number | undefined;
        if (before !== undefined) this.#drop(before);
        if (text === '') continue;
        this.#sql.addWords.run(row, text);
        this.#sql.addDoc.run(row, session, message, part);
      }
      this.#sql.move.run(through, cursorAt(this.#journal, through), formatCursor(this.#journal.head));
    });
    this.#seq = through;
  }

  /** Gives back what was held for writing: an index at rest needs none of it. */
  rest(): void {
    this.#db.pragma('shrink_memory');
  }

  close(): void {
    this.#db.close();
  }

  #readStore(maxBytes: number): Bite | undefined {
    const end = Math.min(this.#seq + maxScan, this.#journal.head.seq);
    if (end <= this.#seq) return undefined;
    const docs: Doc[] = [];
    let [through, bytes] = [end, 0];
    for (const row of this.#store.bodies.iterate(this.#seq, end) as Iterable<BodyRow>) {
      const [seq, size, session, message, part, json] = row;
      bytes += size;
      const text = json === null ? '' : partText(JSON.parse(json) as Part);
      if (json !== null) docs.push({ row: seq, session, message, part, text });
      if (bytes < maxBytes) continue;
      through = seq;
      break;
    }
    return { through, bytes, docs, removedFrom: this.#store.removedFrom.all(this.#seq, through) as number[] };
  }

  #drop(row: number): void {
    this.#sql.dropWords.run(row);
    this.#sql.dropDoc.run(row);
  }

  #write(run: () => void): void {
    this.#db.transaction(run)();
  }

  #make(path: string): Db {
    removeIndex(path);
    const db = openFile(path);
    try {
      db.transaction(() => {
        db.exec(schema);
        const start = cursorAt(this.#journal, 0);
        db.prepare('INSERT INTO position VALUES (1, 0, ?, ?)').run(start, formatCursor(this.#journal.head));
      })();
      return db;
    } catch (error) {
      db.close();
      throw error;
    }
  }
}

function storeSql(store: Db) {
  // Every record begins with its id. SQLite's own JSON functions fail at depths that a source may bring.
  const isPart = `substr(b.json, 1, 11) = '{"id":"prt_'`;
  const id = `substr(b.json, 8, instr(substr(b.json, 8, 80), '"') - 1)`;
  return {
    bodies: store
      .prepare(`
        SELECT b.seq, octet_length(b.json), p.session, p.message, p.idx, CASE WHEN p.id IS NOT NULL THEN b.json END
          FROM body b LEFT JOIN part p ON ${isPart} AND p.id = ${id} AND p.body = b.seq
         WHERE b.seq > ? AND b.seq <= ? ORDER BY b.seq`)
      .raw(),
    removedFrom: store
      .prepare(`
        SELECT DISTINCT session FROM event
         WHERE seq > ? AND seq <= ?
           AND type IN ('part/removed', 'message/removed', 'session/deleted', 'session/created')`)
      .pluck(),
    body: store.prepare('SELECT body FROM part WHERE session = ? AND message = ? AND idx = ?').pluck(),
  };
}

function indexSql(db: Db) {
  return {
    rowAt: db.prepare('SELECT row FROM doc WHERE session = ? AND message = ? AND part = ?').pluck(),
    docsOf: db.prepare(`
        SELECT row, message, part FROM doc WHERE session = ? AND (message, part) > (?, ?)
         ORDER BY message, part LIMIT ${maxSweep}`),
    nextSession: db.prepare('SELECT min(session) FROM doc WHERE session > ?').pluck(),
    addWords: db.prepare('INSERT INTO words (rowid, text) VALUES (?, ?)'),
    addDoc: db.prepare('INSERT INTO doc VALUES (?, ?, ?, ?)'),
    dropWords: db.prepare('DELETE FROM words WHERE rowid = ?'),
    dropDoc: db.prepare('DELETE FROM doc WHERE row = ?'),
    move: db.prepare('UPDATE position SET seq = ?, cursor = ?, seen = ?'),
  };
}

/** Removes the index; whoever still reads it reads on until it closes. */
export function removeIndex(path: string): void {
  for (const file of filesOf(path)) rmSync(file, { force: true });
}

export function indexBytes(path: string): number {
  return filesOf(path).reduce((sum, file) => sum + (lstatSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}

function filesOf(path: string): string[] {
  return ['', '-wal', '-shm', '-journal'].map((suffix) => path + suffix);
}

function openFile(path: string): Db {
  const db = new Database(path);
  try {
    chmodSync(path, 0o600);
    db.pragma('journal_mode = WAL');
    // A crash may cost the last transactions: they take their position with them, and are made again from the store.
    db.pragma('synchronous = NORMAL');
    db.pragma('cache_size = -4096');
    db.pragma('temp_store = MEMORY');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** The index that is there, or why it is of no use. */
function openHeld(path: string, journal: Journal): { db: Db } | { reason: string } {
  const held = lstatSync(path, { throwIfNoEntry: false });
  if (held === undefined) return { reason: 'there is none' };
  // Whatever a link leads to is not ours to write.
  if (!held.isFile()) return { reason: 'it is no file' };
  let db: Db | undefined;
  try {
    db = openFile(path);
    const reason = faultOf(db, journal);
    if (reason === undefined) return { db };
    db.close();
    return { reason };
  } catch (error) {
    db?.close();
    if (isIndexDamage(error) || isDenied(error)) return { reason: String(error) };
    throw error;
  }
}

function faultOf(db: Db, journal: Journal): string | undefined {
  const version = db.pragma('user_version', { simple: true });
  if (version !== indexVersion) return `it is of version ${version}, not ${indexVersion}`;
  db.prepare('SELECT 1 FROM words, doc'); // throws where they are not there
  const held = db.prepare('SELECT seq, seen FROM position').get() as { seq: number; seen: string } | undefined;
  if (!held) return 'it has no position';
  const seen = ofStore(() => journal.check(held.seen));
  if (isRefusal(seen)) return seen.message;
  return held.seq <= seen.seq ? undefined : 'it is ahead of itself';
}

/** Behind what was pruned there is no tag any more: such a cursor is told to be too old, whatever its tag. */
function cursorAt(journal: Journal, seq: number): string {
  const { storeId, floorSeq } = journal;
  return formatCursor(seq < floorSeq ? { storeId, seq, tag: '0' } : ofStore(() => journal.cursorAt(seq)));
}

// One search, on connections of its own that only read: it runs in a worker, since it cannot be cut into bites. What the
// index gives is looked up in the tables as they are now, so that nothing is found that is gone, however far the index lags.
import Database from 'better-sqlite3';
import type { Part } from '../../protocol/schema.ts';
import type { Page } from './lists.ts';
import { maxPageBytes } from './lists.ts';
import type { Db } from './open.ts';
import { isIndexDamage, tokenizer } from './search-index.ts';
import type { Snippet } from './search-text.ts';
import { marks, partText, snippetOf } from './search-text.ts';

export type SearchQuery = {
  /** As `matchOf` gives it. */
  match: string;
  directory?: string | undefined;
  agent?: string | undefined;
  limit: number;
  after?: string | undefined;
};

/** A page, and the position that it shows. */
export type Found = Page & { cursor: string };

/** Where a page ends: the rank of its last item, and its row. */
type Place = [rank: number, row: number];
type Hit = { rank: number; row: number; session: number; message: number; part: number };

/** One page of what matches, best first; `damaged`: why the index is to be made anew. */
export function readFound(paths: { store: string; index: string }, query: SearchQuery): Found | { damaged: string } {
  const opened: Db[] = [];
  const open = (path: string) => {
    const db = new Database(path, { readonly: true, fileMustExist: true });
    opened.push(db);
    return db;
  };
  try {
    const index = open(paths.index);
    index.exec('BEGIN');
    const cursor = index.prepare('SELECT cursor FROM position').pluck().get() as string;
    // Behind the index: what the tables hold is never older than what the index says.
    const tables = new FoundTables(open(paths.store));
    const { hits, more } = bestHits(index, tables, query);
    return { ...pageOf(hits, more, tables, query.match), cursor };
  } catch (error) {
    if (isIndexDamage(error)) return { damaged: String(error) };
    throw error;
  } finally {
    for (const db of opened) db.close();
  }
}

/** The best matches behind `after`, as many as a page takes; each is looked up only when it is among the best so far. */
function bestHits(index: Db, tables: FoundTables, query: SearchQuery): { hits: Hit[]; more: boolean } {
  if (query.match === '') return { hits: [], more: false };
  const allowed = tables.sessionsOf(query);
  const behind = query.after === undefined ? undefined : (JSON.parse(query.after) as Place);
  const best: Hit[] = [];
  let more = false;
  const matches = index.prepare(`
    SELECT w.rank AS rank, d.row AS row, d.session, d.message, d.part
      FROM words w CROSS JOIN doc d ON d.row = w.rowid WHERE w.words MATCH ?`);
  for (const hit of matches.iterate(query.match) as Iterable<Hit>) {
    if (behind && comparePlaces([hit.rank, hit.row], behind) <= 0) continue;
    const last = best.at(-1);
    const full = best.length === query.limit;
    if (full && more && isBehind(hit, last!)) continue;
    if (allowed && !allowed.has(hit.session)) continue;
    if (!tables.isCurrent(hit)) continue;
    if (full) more = true;
    if (full && isBehind(hit, last!)) continue;
    insert(best, hit);
    if (best.length > query.limit) best.pop();
  }
  return { hits: best, more };
}

function insert(best: Hit[], hit: Hit): void {
  let [low, high] = [0, best.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBehind(hit, best[middle]!)) low = middle + 1;
    else high = middle;
  }
  best.splice(low, 0, hit);
}

function isBehind(a: Hit, b: Hit): boolean {
  return comparePlaces([a.rank, a.row], [b.rank, b.row]) > 0;
}

function comparePlaces(a: Place, b: Place): number {
  return a[0] - b[0] || a[1] - b[1];
}

function pageOf(hits: Hit[], more: boolean, tables: FoundTables, match: string): Page {
  const snippets = new Snippets();
  const items: string[] = [];
  let bytes = 0;
  let last: Hit | undefined;
  try {
    for (const hit of hits) {
      const found = tables.read(hit);
      const snippet = snippets.of(partText(JSON.parse(found.json) as Part), match);
      // A damaged index may name a part that does not match.
      const item = snippet && itemText(found, snippet, hit.rank);
      const size = item === undefined ? 0 : Buffer.byteLength(item);
      if (items.length > 0 && bytes + size > maxPageBytes) return { items, next: JSON.stringify(placeOf(last!)) };
      if (item !== undefined) items.push(item);
      bytes += size;
      last = hit;
    }
  } finally {
    snippets.close();
  }
  return { items, next: more ? JSON.stringify(placeOf(last!)) : undefined };
}

function placeOf({ rank, row }: Hit): Place {
  return [rank, row];
}

function itemText(found: FoundPart, snippet: Snippet, rank: number): string {
  const { text, hits } = snippet;
  return (
    `{"session":${found.session},"messageId":"${found.messageId}","partId":"${found.partId}"` +
    `,"snippet":${JSON.stringify(text)},"hits":${JSON.stringify(hits)},"rank":${rank}}`
  );
}

type FoundPart = { session: string; messageId: string; partId: string; json: string };

/** What the tables say of a hit. Their own errors are not taken for those of the index. */
class FoundTables {
  readonly #db: Db;
  readonly #sql;

  constructor(db: Db) {
    this.#db = db;
    this.#sql = this.#own(() => {
      db.exec('BEGIN');
      return {
        body: db.prepare('SELECT body FROM part WHERE session = ? AND message = ? AND idx = ?').pluck(),
        part: db.prepare(`
          SELECT s.record AS session, m.id AS messageId, p.id AS partId, b.json
            FROM part p JOIN session s ON s.key = p.session JOIN body b ON b.seq = p.body
            JOIN message m ON m.session = p.session AND m.idx = p.message
           WHERE p.session = ? AND p.message = ? AND p.idx = ?`),
      };
    });
  }

  /** The keys of the sessions that a filter lets through; undefined where it is none. */
  sessionsOf({ directory, agent }: SearchQuery): Set<number> | undefined {
    if (directory === undefined && agent === undefined) return undefined;
    const sql = `
      SELECT key FROM session
       WHERE record IS NOT NULL AND ifnull(directory = $directory, $directory IS NULL)
         AND ifnull(current_agent = $agent, $agent IS NULL)`;
    const given = { directory: directory ?? null, agent: agent ?? null };
    return this.#own(() => new Set(this.#db.prepare(sql).pluck().all(given) as number[]));
  }

  /** Whether the part is still what was indexed. */
  isCurrent({ session, message, part, row }: Hit): boolean {
    return this.#own(() => this.#sql.body.get(session, message, part)) === row;
  }

  read({ session, message, part }: Hit): FoundPart {
    return this.#own(() => this.#sql.part.get(session, message, part)) as FoundPart;
  }

  #own<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw new Error(`a search could not read the store: ${String(error)}`, { cause: error });
    }
  }
}

/** Snippets of texts of which no index is kept: each is indexed in memory, alone, for as long as it is looked at. */
class Snippets {
  readonly #db: Db;
  readonly #sql;

  constructor() {
    this.#db = new Database(':memory:');
    this.#db.exec(`CREATE VIRTUAL TABLE one USING fts5(text, tokenize='${tokenizer}')`);
    this.#sql = {
      put: this.#db.prepare('INSERT INTO one (rowid, text) VALUES (1, ?)'),
      marked: this.#db.prepare('SELECT highlight(one, 0, ?, ?) FROM one WHERE one MATCH ?').pluck(),
      clear: this.#db.prepare('DELETE FROM one'),
    };
  }

  /** Undefined when the text does not match. */
  of(text: string, match: string): Snippet | undefined {
    this.#sql.put.run(text);
    const marked = this.#sql.marked.get(marks.open, marks.close, match) as string | undefined;
    this.#sql.clear.run();
    return marked === undefined ? undefined : snippetOf(marked);
  }

  close(): void {
    this.#db.close();
  }
}

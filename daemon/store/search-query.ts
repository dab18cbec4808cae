// One search, on connections of its own that only read: it runs in a worker, since it cannot be cut into bites. What the
// index gives is looked up in the tables as they are now, so that nothing is found that is gone, however far the index lags.
import { lstatSync } from 'node:fs';
import Database from 'better-sqlite3';
import type { Part } from '../../protocol/schema.ts';
import type { Page } from './lists.ts';
import { maxPageBytes } from './lists.ts';
import type { Db } from './open.ts';
import { isIndexDamage, ofStore } from './search-fault.ts';
import type { Snippet } from './search-snippets.ts';
import { Snippets } from './search-snippets.ts';
import { partText } from './search-text.ts';

export type SearchQuery = {
  /** As `wordsOf` gives them. */
  terms: string[];
  directory?: string | undefined;
  agent?: string | undefined;
  /** Only in these, of which the newest is the best. */
  sessions?: string[] | undefined;
  limit: number;
  after?: string | undefined;
};

/** A page, and the position of the index that was read. */
export type Found = Page & { cursor: string };

/** `damaged`: why the index is to be made anew. `late`: what matches best was not known in time. */
export type Answer = Found | { damaged: string } | { late: true };

/** What a search may take, ms: to find what matches best, and then to make a page of it. */
export type SearchTime = { searchMs: number; pageMs: number; monotonic: () => number };

/** Where a page ends: the rank of its last item, and its row. */
type Place = [rank: number, row: number];
type Hit = { rank: number; row: number; session: number; message: number; part: number };

/** One page of what matches, best first. One that takes too long ends early, with at least one item. */
export function readFound(paths: { store: string; index: string }, query: SearchQuery, time: SearchTime): Answer {
  const opened: Db[] = [];
  const open = (path: string) => {
    const db = new Database(path, { readonly: true, fileMustExist: true });
    opened.push(db);
    return db;
  };
  const overAfter = (ms: number) => {
    const end = time.monotonic() + ms;
    return () => time.monotonic() > end;
  };
  try {
    // Whatever else lies there may hold whoever opens it for ever, as a pipe does.
    if (!lstatSync(paths.index, { throwIfNoEntry: false })?.isFile()) return { damaged: 'there is no file' };
    const index = open(paths.index);
    index.exec('BEGIN');
    const cursor = index.prepare('SELECT cursor FROM position').pluck().get() as string;
    // Behind the index: what the tables hold is never older than what the index says.
    const tables = new FoundTables(open(paths.store));
    const best = bestHits(index, tables, query, overAfter(time.searchMs));
    if (!best) return { late: true };
    return { ...pageOf(best, tables, query.terms, overAfter(time.pageMs)), cursor };
  } catch (error) {
    if (isIndexDamage(error)) return { damaged: String(error) };
    throw error;
  } finally {
    for (const db of opened) db.close();
  }
}

type Best = { hits: Hit[]; more: boolean };

/**
 * The best matches behind `after`, as many as a page takes; each is looked up only when it is among the best so far.
 * Undefined when there was no time to look at all of them: a page of some would hide the others from those behind it.
 */
function bestHits(index: Db, tables: FoundTables, query: SearchQuery, isOver: () => boolean): Best | undefined {
  if (query.terms.length === 0) return { hits: [], more: false };
  const allowed = tables.sessionsOf(query);
  const behind = query.after === undefined ? undefined : (JSON.parse(query.after) as Place);
  const best: Hit[] = [];
  let more = false;
  // bm25 weighs a word by how rare it is in all sessions: to who sees some of them it would tell of the words of the others.
  const rank = query.sessions ? '-d.row' : 'w.rank';
  const matches = index.prepare(`
    SELECT ${rank} AS rank, d.row AS row, d.session, d.message, d.part
      FROM words w CROSS JOIN doc d ON d.row = w.rowid WHERE w.words MATCH ?`);
  for (const hit of matches.iterate(query.terms.join(' ')) as Iterable<Hit>) {
    if (isOver()) return undefined;
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

function pageOf({ hits, more }: Best, tables: FoundTables, terms: string[], isOver: () => boolean): Page {
  const snippets = new Snippets();
  const items: string[] = [];
  let bytes = 0;
  let last: Hit | undefined;
  try {
    for (const hit of hits) {
      if (items.length > 0 && isOver()) return { items, next: JSON.stringify(placeOf(last!)) };
      const found = tables.read(hit);
      const snippet = snippets.of(partText(JSON.parse(found.json) as Part), terms);
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
    this.#sql = ofStore(() => {
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
  sessionsOf({ directory, agent, sessions }: SearchQuery): Set<number> | undefined {
    if (directory === undefined && agent === undefined && sessions === undefined) return undefined;
    const sql = `
      SELECT key FROM session
       WHERE record IS NOT NULL AND ifnull(directory = $directory, $directory IS NULL)
         AND ifnull(current_agent = $agent, $agent IS NULL)
         AND ($sessions IS NULL OR id IN (SELECT value FROM json_each($sessions)))`;
    const ids = sessions ? JSON.stringify(sessions) : null;
    const given = { directory: directory ?? null, agent: agent ?? null, sessions: ids };
    return ofStore(() => new Set(this.#db.prepare(sql).pluck().all(given) as number[]));
  }

  /** Whether the part is still what was indexed. */
  isCurrent({ session, message, part, row }: Hit): boolean {
    return ofStore(() => this.#sql.body.get(session, message, part)) === row;
  }

  read({ session, message, part }: Hit): FoundPart {
    return ofStore(() => this.#sql.part.get(session, message, part)) as FoundPart;
  }
}

// Where in a text a query stands, and the line that shows it. No index of the texts is kept: a text is looked at in windows,
// each indexed in memory for as long as it is looked at, with the tokenizer of the index. Windows, since FTS5's highlight()
// costs its matches times the length of its text: minutes in one call for a megabyte that holds a word everywhere.
import Database from 'better-sqlite3';
import { between, tokenizer } from './search-text.ts';

export type Snippet = { text: string; hits: [number, number][] };

/** What a snippet shows: from the first match on so much, and so much before it, in UTF-16 units. */
const [shownUnits, leadUnits] = [200, 40];
/** No snippet is longer, in UTF-16 units. */
export const maxSnippetUnits = shownUnits + leadUnits + 2;

/**
 * A match belongs to the window that it begins in. Beside it a window shows what a snippet needs before the match, and what
 * the longest query needs behind it, in UTF-16 units. A longer window takes longer in one call, a shorter one is more work.
 */
const [windowUnits, beforeUnits, behindUnits] = [4096, 128, 1024];

const marks = { open: '\x02', close: '\x03' } as const;

/** A match of the term of this number. */
type Hit = { from: number; to: number; term: number };
/** The match that a snippet begins with; how many of the terms stand near it, and how many matches. */
type Place = { at: number; terms: number; hits: number };
/** A piece of a text as it is shown, and where in it the matches begin that are the window's own. */
type Window = { raw: string; text: string; from: number; to: number; isFirst: boolean; isLast: boolean };

export class Snippets {
  readonly #db: Db;
  readonly #sql;

  constructor() {
    this.#db = new Database(':memory:');
    this.#db.exec(`CREATE VIRTUAL TABLE one USING fts5(text, tokenize='${tokenizer}')`);
    this.#sql = {
      begin: this.#db.prepare('BEGIN'),
      put: this.#db.prepare('INSERT INTO one (text) VALUES (?)'),
      marked: this.#db.prepare('SELECT highlight(one, 0, ?, ?) FROM one WHERE one MATCH ?').pluck(),
      matches: this.#db.prepare('SELECT count(*) FROM one WHERE one MATCH ?').pluck(),
      undo: this.#db.prepare('ROLLBACK'),
    };
  }

  /**
   * Of a text that `partText` gave and the terms of a query. Shows where most of the terms stand together; the first such
   * place where it is all of them. Undefined when not all of them stand in the text.
   */
  of(text: string, terms: string[]): Snippet | undefined {
    const missing = new Set(terms);
    let best: { window: Window; hits: Hit[]; place: Place } | undefined;
    for (let from = 0; from < text.length && best?.place.terms !== terms.length; from += windowUnits) {
      const window = windowAt(text, from);
      const hits = this.#hits(window, terms);
      for (const hit of hits) if (isOwn(window, hit)) missing.delete(terms[hit.term]!);
      const place = bestPlace(window, hits);
      if (place && (!best || isBetter(place, best.place))) best = { window, hits, place };
    }
    // A phrase may be further apart in a text than a window shows: blanks do not count.
    if (missing.size > 0 && !this.#matches(text, [...missing])) return undefined;
    if (best) return cut(best.window, best.hits, best.hits[best.place.at]!.from);
    return cut(windowAt(text, 0), [], 0);
  }

  close(): void {
    this.#db.close();
  }

  /** In the order in which they begin. */
  #hits({ raw }: Window, terms: string[]): Hit[] {
    return this.#with(raw, () =>
      terms
        .flatMap((match, term) => {
          const marked = this.#sql.marked.get(marks.open, marks.close, match) as string | undefined;
          return marked === undefined ? [] : placesOf(marked, term);
        })
        .sort((a, b) => a.from - b.from),
    );
  }

  #matches(text: string, terms: string[]): boolean {
    return this.#with(text, () => this.#sql.matches.get(terms.join(' ')) === 1);
  }

  /** Never committed: what is read in its own transaction needs no index on pages. */
  #with<T>(text: string, read: () => T): T {
    this.#sql.begin.run();
    try {
      this.#sql.put.run(text);
      return read();
    } finally {
      this.#sql.undo.run();
    }
  }
}

type Db = Database.Database;

function windowAt(text: string, from: number): Window {
  const start = Math.max(0, from - beforeUnits);
  const end = from + windowUnits + behindUnits;
  const raw = text.slice(start, end);
  const shown = (until: number) => plain(text.slice(start, until)).length;
  const own = { from: shown(from), to: shown(from + windowUnits) };
  return { raw, text: plain(raw), ...own, isFirst: start === 0, isLast: end >= text.length };
}

function plain(text: string): string {
  return text.replaceAll(between, '');
}

function isOwn(window: Window, { from }: Hit): boolean {
  return from >= window.from && from < window.to;
}

function placesOf(marked: string, term: number): Hit[] {
  const hits: Hit[] = [];
  let at = 0;
  for (const [index, piece] of plain(marked)
    .split(/[\x02\x03]/)
    .entries()) {
    if (index % 2 === 1) hits.push({ from: at, to: at + piece.length, term });
    at += piece.length;
  }
  return hits;
}

/** The window's own match from which on most terms, and then most matches, stand in what a snippet shows. In one walk. */
function bestPlace(window: Window, hits: Hit[]): Place | undefined {
  const inside = new Map<number, number>();
  let best: Place | undefined;
  let end = 0;
  for (const [at, hit] of hits.entries()) {
    for (; end < hits.length && (end === at || hits[end]!.to <= hit.from + shownUnits); end += 1) {
      inside.set(hits[end]!.term, (inside.get(hits[end]!.term) ?? 0) + 1);
    }
    const place = { at, terms: inside.size, hits: end - at };
    if (isOwn(window, hit) && (!best || isBetter(place, best))) best = place;
    const left = inside.get(hit.term)! - 1;
    if (left > 0) inside.set(hit.term, left);
    else inside.delete(hit.term);
  }
  return best;
}

function isBetter(a: Place, b: Place): boolean {
  return a.terms > b.terms || (a.terms === b.terms && a.hits > b.hits);
}

/** What is shown around a match: begins and ends with words where it can, and has no blanks in a row. */
function cut({ text, isFirst, isLast }: Window, hits: Hit[], first: number): Snippet {
  const [lead, to] = [Math.max(0, first - leadUnits), Math.min(text.length, first + shownUnits)];
  const start = lead === 0 && isFirst ? 0 : lead + lengthOf(/^\S{0,30}\s+/, text.slice(lead, first));
  // What is cut away at the end is no match; of the first match, which is too long then, it is the end.
  const kept = Math.max(first, ...hits.filter((hit) => hit.to <= to).map((hit) => hit.to));
  const isEnd = to === text.length && isLast;
  const end = isEnd ? to : to - lengthOf(/\s+\S{0,30}$/, text.slice(Math.max(first, kept), to));
  const snippet: Snippet = { text: start > 0 || !isFirst ? '…' : '', hits: [] };
  let at = start;
  const take = (until: number) => {
    const piece = text.slice(at, until).toWellFormed().replace(/\s+/g, ' ');
    snippet.text += at === start ? piece.trimStart() : piece;
    at = until;
  };
  for (const hit of joined(hits)) {
    if (hit.to <= start || hit.from >= end || (hit.to > end && hit.from > first)) continue;
    take(Math.max(start, hit.from));
    const begin = snippet.text.length;
    take(Math.min(hit.to, end));
    snippet.hits.push([begin, snippet.text.length]);
  }
  take(end);
  snippet.text = snippet.text.trimEnd() + (isEnd ? '' : '…');
  return snippet;
}

/** Matches that overlap as one. */
function joined(hits: Hit[]): { from: number; to: number }[] {
  const all: { from: number; to: number }[] = [];
  for (const { from, to } of hits) {
    const before = all.at(-1);
    if (before && from < before.to) before.to = Math.max(before.to, to);
    else all.push({ from, to });
  }
  return all;
}

function lengthOf(pattern: RegExp, text: string): number {
  return pattern.exec(text)?.[0].length ?? 0;
}

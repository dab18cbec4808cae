// What of a part is searched, and how a query is read: both go through the same `searchable`, so that what was written can be
// found by what it looks like.
import type { Part } from '../../protocol/schema.ts';

/** Of the text of one part; what is behind it is not found. In UTF-16 units. */
export const maxPartUnits = 1024 * 1024;
/** Each reads a whole stretch of the index before the first match is known. */
export const maxPrefixes = 8;

/** Before and behind a match in a text that `searchable` gave, which holds no such characters. */
export const marks = { open: '\x02', close: '\x03' } as const;
/** Between two characters of a script that is written without blanks: each is then a word of its own. */
const between = '\x01';

const escapeSequence = /\x1b\[[0-9;:?]*[A-Za-z]/g;
const control = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+/g;
/** Data and no words: keys, images, bundles. A thousand such lines would add more to the index than all that is said. */
const blob = /[A-Za-z0-9+/=_-]{200,}/g;
const unspaced = /[\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]/;
const aroundUnspaced =
  /(?<=[\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])(?=\S)|(?<=\S)(?=[\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])/g;

/** What is searched of a part: text and reasoning; of a tool its name, title, input, output and error; names of files. */
export function partText(part: Part): string {
  const texts: string[] = [];
  switch (part.type) {
    case 'text':
    case 'reasoning':
      texts.push(part.text);
      break;
    case 'tool':
      addTexts([part.title, part.tool, part.input, part.output, part.error], texts);
      break;
    case 'file':
      addTexts(part.filename, texts);
      break;
    case 'patch':
      addTexts(part.files, texts);
      break;
  }
  return searchable(texts.join('\n').slice(0, maxPartUnits));
}

/**
 * Adds the texts in a value, up to about `maxPartUnits` of them. However deep they lie: a stack and no recursion, since
 * sources bring what they like.
 */
function addTexts(value: unknown, texts: string[]): void {
  const waiting = [value];
  for (let units = 0; waiting.length > 0 && units < maxPartUnits; ) {
    const next = waiting.pop();
    if (typeof next === 'string') {
      texts.push(next);
      units += next.length;
    } else if (typeof next === 'object' && next !== null) {
      for (const inner of Object.values(next).reverse()) waiting.push(inner);
    }
  }
}

function searchable(text: string): string {
  const plain = text.replace(escapeSequence, '').replace(control, ' ').replace(blob, ' ');
  return unspaced.test(plain) ? plain.replace(aroundUnspaced, between) : plain;
}

export type Words = { match: string; prefixes: number };

/**
 * A query in the words of FTS5, where all must match: `"a phrase"`, `prefix*`, words. What does not parse, since a quote is
 * never closed, is searched as plain words. Nothing that was typed is an operator or the name of a column.
 */
export function matchOf(query: string): Words {
  const pieces = [...query.matchAll(/"([^"]*)"(\*?)|([^\s"]+)/g)];
  const parses = (query.match(/"/g)?.length ?? 0) % 2 === 0;
  const words = parses
    ? pieces.map(([, phrase, star, word]) => ({
        text: phrase ?? word!.replace(/\*+$/, ''),
        prefix: phrase === undefined ? word!.endsWith('*') : star === '*',
      }))
    : query.split(/[\s"]+/).map((text) => ({ text, prefix: false }));
  const terms = new Set<string>();
  let prefixes = 0;
  for (const { text, prefix } of words) {
    const term = `"${searchable(text).replaceAll('"', ' ')}"${prefix ? '*' : ''}`;
    if (!/[\p{L}\p{N}\p{Co}]/u.test(text) || terms.has(term)) continue;
    terms.add(term);
    if (prefix) prefixes += 1;
  }
  return { match: [...terms].join(' '), prefixes };
}

export type Snippet = { text: string; hits: [number, number][] };

/** What a snippet shows: from the first match on so much, and so much before it, in UTF-16 units. */
const [shownUnits, leadUnits] = [200, 40];

/**
 * The place of a marked text where most of what was looked for stands together, on one line, and where in it the matches
 * are. In one walk: FTS5's own snippets compare each match with all others, seconds in a long text.
 */
export function snippetOf(marked: string): Snippet {
  const { text, hits } = unmarked(marked);
  const words = hits.map(([from, to]) => text.slice(from, to).toLowerCase());
  const inside = new Map<string, number>();
  let best = { at: 0, words: 0, hits: 0 };
  let end = 0;
  for (const [at, [from]] of hits.entries()) {
    for (; end < hits.length && (end === at || hits[end]![1] <= from + shownUnits); end += 1) {
      inside.set(words[end]!, (inside.get(words[end]!) ?? 0) + 1);
    }
    const better = inside.size - best.words || end - at - best.hits;
    if (better > 0) best = { at, words: inside.size, hits: end - at };
    const left = inside.get(words[at]!)! - 1;
    if (left > 0) inside.set(words[at]!, left);
    else inside.delete(words[at]!);
  }
  const [first, past] = hits[best.at] ?? [0, 0];
  return cut(text, hits, first - leadUnits, Math.max(past, first + shownUnits));
}

/** The text between two places, moved inwards to where a word begins or ends, without blanks in a row. */
function cut(text: string, hits: Snippet['hits'], from: number, to: number): Snippet {
  const shown = hits.filter((hit) => hit[0] >= from && hit[1] <= to);
  const start = from <= 0 ? 0 : from + (/^\S{0,30}\s+/.exec(text.slice(from, shown[0]?.[0]))?.[0].length ?? 0);
  const last = shown.at(-1)?.[1] ?? start;
  const end = to >= text.length ? text.length : to - (/\s+\S{0,30}$/.exec(text.slice(last, to))?.[0].length ?? 0);
  const kept: Snippet = { text: start > 0 ? '…' : '', hits: [] };
  let at = start;
  const take = (until: number) => {
    const piece = text.slice(at, until).toWellFormed().replace(/\s+/g, ' ');
    kept.text += at === start ? piece.trimStart() : piece;
    at = until;
  };
  for (const [first, past] of shown) {
    take(first);
    const begin = kept.text.length;
    take(past);
    kept.hits.push([begin, kept.text.length]);
  }
  take(end);
  kept.text = kept.text.trimEnd() + (end < text.length ? '…' : '');
  return kept;
}

function unmarked(marked: string): Snippet {
  let text = '';
  const hits: [number, number][] = [];
  for (const [at, piece] of marked
    .replaceAll(between, '')
    .split(/[\x02\x03]/)
    .entries()) {
    if (at % 2 === 1) hits.push([text.length, text.length + piece.length]);
    text += piece;
  }
  return { text, hits };
}

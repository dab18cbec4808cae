// What of a part is searched, and how a query is read: both go through the same `searchable`, so that what was written can be
// found by what it looks like.
import type { Part } from '../../protocol/schema.ts';

/** Of the text of one part; what is behind it is not found. In UTF-16 units. */
export const maxPartUnits = 1024 * 1024;
/** Each reads a whole stretch of the index before the first match is known. */
export const maxPrefixes = 8;

/** As often may one word stand in a query: so often the places of a word in a part are walked, in one call of SQLite's. */
export const maxRepeats = 64;

/** How words are told apart, in the index and where snippets are made. */
export const tokenizer = 'unicode61 remove_diacritics 2';
/** Between two characters of a script that is written without blanks: each is then a word of its own. */
export const between = '\x01';

const escapeSequence = /\x1b\[[0-9;:?]*[A-Za-z]/g;
const control = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+/g;
/** Data and no words: keys, images, bundles. A thousand such lines would add more to the index than all that is said. */
const minBlobUnits = 200;
const inBlob = Uint8Array.from({ length: 128 }, (_, code) =>
  Number(/[A-Za-z0-9+/=_-]/.test(String.fromCharCode(code))),
);
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
  const plain = withoutBlobs(text.replace(escapeSequence, '').replace(control, ' '));
  return unspaced.test(plain) ? plain.replace(aroundUnspaced, between) : plain;
}

/**
 * A blank in place of each blob. One is as long as the step between the units looked at, so that none lies between two of
 * them: a pattern that begins anew at each unit took a quarter of the time of indexing.
 */
function withoutBlobs(text: string): string {
  const isIn = (at: number) => inBlob[text.charCodeAt(at)] === 1;
  let [plain, kept] = ['', 0];
  for (let at = minBlobUnits - 1; at < text.length; at += minBlobUnits) {
    if (!isIn(at)) continue;
    let [from, to] = [at, at + 1];
    while (from > kept && isIn(from - 1)) from -= 1;
    while (to < text.length && isIn(to)) to += 1;
    if (to - from < minBlobUnits) continue;
    plain += `${text.slice(kept, from)} `;
    kept = to;
    at = to;
  }
  return kept === 0 ? text : plain + text.slice(kept);
}

/** `terms`: in the words of FTS5, all must match. `repeats`: how often the word stands in them that does most often. */
export type Words = { terms: string[]; prefixes: number; repeats: number };

/**
 * Reads a query: `"a phrase"`, `prefix*`, words. What does not parse, since a quote is never closed, is searched as plain
 * words. Nothing that was typed is an operator or the name of a column.
 */
export function wordsOf(query: string): Words {
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
  return { terms: [...terms], prefixes, repeats: repeatsOf([...terms]) };
}

function repeatsOf(terms: string[]): number {
  const counts = new Map<string, number>();
  const folded = terms.join(' ').normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
  for (const [word] of folded.matchAll(/[\p{L}\p{N}\p{Co}]+/gu)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return Math.max(0, ...counts.values());
}

// How a query is read, what of a part is searched, and that a damaged index never shows what does not match.
import { describe, expect, test } from 'vitest';
import { matchOf, maxPartUnits, partText, snippetOf } from '../../daemon/store/search-text.ts';
import type { Part } from '../../protocol/schema.ts';

describe('a query', () => {
  test.each([
    ['kettle', '"kettle"', 0],
    ['two words', '"two" "words"', 0],
    ['"a phrase" and', '"a phrase" "and"', 0],
    ['pre* "a phr"*', '"pre"* "a phr"*', 2],
    ['same same same*', '"same" "same"*', 1],
    ['"never closed here', '"never" "closed" "here"', 0],
    ['a"b c"d', '"a" "b c" "d"', 0],
    ['never* "closed', '"never*" "closed"', 0],
    ['NOT a OR b NEAR(c)', '"NOT" "a" "OR" "b" "NEAR(c)"', 0],
    ['text:a ^b -c + (', '"text:a" "^b" "-c"', 0],
    ['a\0b \x1b[31mred', '"a b" "red"', 0],
    ['漢字*', '"漢\x01字"*', 1],
    ['"" * -> 😀', '', 0],
  ])('%j', (query, match, prefixes) => {
    expect(matchOf(query)).toEqual({ match, prefixes });
  });
});

describe('the text of a part', () => {
  const textOf = (content: object) => partText(content as Part);

  test('is bounded, also of many small texts and of deep ones', () => {
    const output = Array.from({ length: 300_000 }, () => 'word and word');
    expect(textOf({ type: 'tool', tool: 'x', output }).length).toBeLessThanOrEqual(maxPartUnits);
    let deep: unknown = 'at the bottom';
    for (let level = 0; level < 50_000; level += 1) deep = [deep];
    expect(textOf({ type: 'tool', tool: 'x', output: deep })).toContain('at the bottom');
  });

  test('has no control characters, no colours, and no long runs of data', () => {
    const key = 'iVBORw0KGgo'.repeat(40);
    expect(textOf({ type: 'text', text: `a\x00b \x1b[1;31mred\x1b[0m ${key} end` })).toBe('a b red   end');
  });

  test('has no text of data and of where a file lies', () => {
    expect(textOf({ type: 'data', kind: 'x', value: { secret: 'treasure' } })).toBe('');
    expect(textOf({ type: 'file', mime: 'image/png', url: 'data:image/png;base64,abcd' })).toBe('');
  });
});

describe('a snippet', () => {
  const marked = (text: string) => text.replaceAll('[', '\x02').replaceAll(']', '\x03');

  test('is one line of plain text, and tells where the matches are', () => {
    expect(snippetOf(marked('one\n[two]\t\tthree [漢\x01字]'))).toEqual({
      text: 'one two three 漢字',
      hits: [
        [4, 7],
        [14, 16],
      ],
    });
  });

  test('shows where most words stand together, cut between words', () => {
    const far = 'filler '.repeat(100);
    const { text, hits } = snippetOf(marked(`[ash] [ash] [ash] ${far}[ash] or [birch] ${far}[birch]`));
    expect(text).toMatch(/^…(filler )+ash or birch( filler)+…$/);
    expect(hits.map(([from, to]) => text.slice(from, to))).toEqual(['ash', 'birch']);
    expect(text.length).toBeLessThan(260);
  });

  test.each(['x'.repeat(1_000), '漢'.repeat(1_000), '😀'.repeat(1_000)])('cuts what has no blanks anywhere', (run) => {
    const { text, hits } = snippetOf(marked(`${run}[hit]${run}`));
    expect(text.length).toBeLessThan(260);
    expect(hits.map(([from, to]) => text.slice(from, to))).toEqual(['hit']);
    expect(text.isWellFormed()).toBe(true);
  });

  test('of a match that is longer than it begins with it, and shows all of it', () => {
    const phrase = 'word '.repeat(100).trim();
    const { text, hits } = snippetOf(marked(`before [${phrase}] behind`));
    expect(hits.map(([from, to]) => text.slice(from, to))).toEqual([phrase]);
  });
});

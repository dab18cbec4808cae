// How a query is read, what of a part is searched, and that a damaged index never shows what does not match.
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { maxSnippetUnits, Snippets } from '../../daemon/store/search-snippets.ts';
import { maxPartUnits, partText, wordsOf } from '../../daemon/store/search-text.ts';
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
    const words = wordsOf(query);
    expect([words.terms.join(' '), words.prefixes]).toEqual([match, prefixes]);
  });
});

test('how often a word stands in a query is told, whatever its case, its accents and its quotes', () => {
  expect(wordsOf('one two "three" four*').repeats).toBe(1);
  expect(wordsOf('"a A" á/b "a never closed').repeats).toBe(3);
  expect(wordsOf('same same same').repeats).toBe(1);
  expect(wordsOf('-> *').repeats).toBe(0);
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

  test('has a blank in place of each run of 200 units of data or more, wherever it stands', () => {
    const run = fc.tuple(fc.constantFrom('a', 'Z', '9', '_', '='), fc.integer({ min: 195, max: 205 }));
    const long = fc.tuple(fc.constant('+/'), fc.integer({ min: 0, max: 500 }));
    const piece = fc.tuple(fc.oneof(run, long), fc.constantFrom('', '', ' ', 'é', '.\n'));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const text = pieces.map(([[unit, times], end]) => unit.repeat(times) + end).join('');
        expect(textOf({ type: 'text', text })).toBe(text.replace(/[A-Za-z0-9+/=_-]{200,}/g, ' '));
      }),
    );
  });

  test('has no text of data and of where a file lies', () => {
    expect(textOf({ type: 'data', kind: 'x', value: { secret: 'treasure' } })).toBe('');
    expect(textOf({ type: 'file', mime: 'image/png', url: 'data:image/png;base64,abcd' })).toBe('');
  });
});

describe('a snippet', () => {
  const snippets = new Snippets();
  afterAll(() => snippets.close());
  const textOf = (text: string) => partText({ type: 'text', text } as Part);
  const of = (text: string, query: string) => snippets.of(textOf(text), wordsOf(query).terms);
  /** What it shows, and what is marked in it. */
  const shown = (text: string, query: string) => {
    const snippet = of(text, query)!;
    return { ...snippet, marked: snippet.hits.map(([from, to]) => snippet.text.slice(from, to)) };
  };

  test('is one line of plain text, and tells where the matches are', () => {
    expect(of('one\n\x1b[31mtwo\x1b[0m\t\tthree 漢字', 'two 漢字')).toEqual({
      text: 'one two three 漢字',
      hits: [
        [4, 7],
        [14, 16],
      ],
    });
  });

  test('shows where most words stand together, cut between words', () => {
    const far = 'filler '.repeat(100);
    const { text, marked } = shown(`ash ash ash ${far}ash or birch ${far}birch`, 'ash birch');
    expect(text).toMatch(/^…(filler )+ash or birch( filler)+…$/);
    expect(marked).toEqual(['ash', 'birch']);
  });

  test('is found wherever in a long text it stands, also over the borders of what is looked at at once', () => {
    for (let before = 4000; before < 4200; before += 1) {
      const { text, marked } = shown(`${'x '.repeat(before / 2)}ash or birch ${'y '.repeat(9_000)}`, '"ash or birch"');
      expect(marked).toEqual(['ash or birch']);
      expect(text).toMatch(/^…(x )+ash or birch( y)+…$/);
    }
    const { text, marked } = shown(`${'x '.repeat(500_000)}birch then ash`, 'ash birch');
    expect(text.endsWith(' x birch then ash')).toBe(true);
    expect(marked).toEqual(['birch', 'ash']);
  });

  test('of words that stand far apart shows the place of most; a text without one of them has none', () => {
    const far = 'filler '.repeat(2_000);
    expect(shown(`ash ${far}birch birch ${far}`, 'ash birch').marked).toEqual(['birch', 'birch']);
    expect(of(`ash ${far}birch`, 'ash birch cedar')).toBeUndefined();
    expect(of(`ash ${far}birch`, '"ash birch"')).toBeUndefined();
  });

  test('of a phrase with a gulf in it, in the text, is the beginning', () => {
    expect(of(`in the beginning ash ${' . '.repeat(2_000)} birch`, '"ash birch"')).toEqual({
      text: expect.stringMatching(/^in the beginning ash .*…$/),
      hits: [],
    });
  });

  test.each(['x'.repeat(1_000), '漢'.repeat(1_000), '😀'.repeat(1_000)])('cuts what has no blanks anywhere', (run) => {
    const { text, marked } = shown(`${run} hit ${run}`, 'hit');
    expect(text.length).toBeLessThanOrEqual(maxSnippetUnits);
    expect(marked).toEqual(['hit']);
    expect(text.isWellFormed()).toBe(true);
  });

  test.each(['a', '"a a"', 'a "a a"', '"a a a"* a*'])('is as short as any where %j matches everywhere', (query) => {
    const { text, hits } = shown('a '.repeat(400_000), query);
    expect(text).toBe(`${'a '.repeat(100).trim()}…`);
    expect(hits.length).toBeGreaterThan(0);
    expect(hits.at(-1)![1]).toBeLessThanOrEqual(text.length);
  });

  test('of a match that is longer than it begins with it, and marks what is shown of it', () => {
    const phrase = 'word '.repeat(60).trim();
    const { text, marked } = shown(`before ${phrase} behind`, `"${phrase}"`);
    expect(text).toBe(`before ${marked[0]}…`);
    expect(marked).toEqual([expect.stringMatching(/^word( word)+$/)]);
    expect(text.length).toBeLessThanOrEqual(maxSnippetUnits);
  });

  test('marks no match of which only the beginning is shown', () => {
    const text = `ash cédar cédar ${'x'.repeat(90)} ${'x'.repeat(90)} ash`;
    for (let more = 0; more < 40; more += 1) {
      const { text: shown, hits } = of(`ash ${'y'.repeat(more)} ${text}`, 'ash')!;
      for (const [from, to] of hits) expect(shown.slice(from, to)).toBe('ash');
    }
  });

  test('of any text and query marks what matches, in at most so many units', () => {
    const word = fc.constantFrom('ash', 'Birch', 'cédar', '漢字', '😀', 'x'.repeat(90), '\n', '.'.repeat(300), ' ');
    const text = fc.array(word, { maxLength: 80 }).map((words) => words.join(' '));
    const query = fc.uniqueArray(fc.constantFrom('ash', 'birch', 'cedar*', '漢', '"ash birch"'), { minLength: 1 });
    fc.assert(
      fc.property(text, fc.nat(9_000), query, (middle, before, terms) => {
        const whole = `${'. '.repeat(before)}${middle}`;
        const snippet = of(whole, terms.join(' '));
        const words = whole.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
        const stands = (term: string) => {
          if (term === '"ash birch"') return /ash[^\p{L}]+birch/u.test(words);
          return words.includes(term.replace('*', ''));
        };
        expect(snippet !== undefined).toBe(terms.every(stands));
        if (!snippet) return;
        expect(snippet.text.length).toBeLessThanOrEqual(maxSnippetUnits);
        let last = 0;
        for (const [from, to] of snippet.hits) {
          expect(from).toBeGreaterThanOrEqual(last);
          // Of a phrase the end alone, where it begins before what is shown.
          expect(snippet.text.slice(from, to)).toMatch(/^(ash|birch|cédar|漢|ash[^\p{L}]+(birch)?|[^\p{L}]+birch)$/iu);
          last = to;
        }
      }),
      { numRuns: 300 },
    );
  });
});

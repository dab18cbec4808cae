import fc from 'fast-check';
import stringWidth from 'string-width';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Column } from '../../cli/render/table.ts';
import { table } from '../../cli/render/table.ts';
import {
  displayWidth,
  isNarrow,
  isPlain,
  loadWidths,
  pad,
  truncateEnd,
  truncateMiddle,
  truncateStart,
  wrap,
} from '../../cli/render/width.ts';

beforeAll(() => loadWidths());

const family = '👩‍👩‍👧';

describe('the width of a text', () => {
  const units = Array.from({ length: 0x10000 }, (_, unit) => String.fromCharCode(unit));

  test('characters that are told without string-width have the same columns by string-width', () => {
    const wrong = units.filter((unit) => isPlain(unit) && stringWidth(unit) !== (isNarrow(unit) ? 1 : 2));
    expect(wrong).toEqual([]);
  });

  test('texts of such characters are the sum of them by string-width too', () => {
    const plain = fc.constantFrom(...units.filter(isPlain));
    fc.assert(
      fc.property(fc.array(plain), (characters) => {
        const text = characters.join('');
        expect(displayWidth(text)).toBe(stringWidth(text));
      }),
    );
  });

  test('CJK and emoji take two columns, an accent none', () => {
    expect(displayWidth('漢字')).toBe(4);
    expect(displayWidth(family)).toBe(2);
    expect(displayWidth('e\u0301')).toBe(1);
  });
});

describe('cutting a text', () => {
  test('leaves what fits as it is', () => {
    expect(truncateEnd('abc', 3)).toBe('abc');
    expect(truncateStart('漢字', 4)).toBe('漢字');
    expect(truncateEnd('abc', Number.POSITIVE_INFINITY)).toBe('abc');
  });

  test('never takes more columns than given, and no half character', () => {
    for (const text of ['abcdefgh', '漢字漢字漢字', `${family}${family}${family}`, 'e\u0301e\u0301e\u0301e\u0301']) {
      for (let width = 0; width <= 8; width += 1) {
        expect(displayWidth(truncateEnd(text, width))).toBeLessThanOrEqual(width);
        expect(displayWidth(truncateStart(text, width))).toBeLessThanOrEqual(width);
        expect(displayWidth(truncateMiddle(text, width))).toBeLessThanOrEqual(width);
      }
    }
    expect(truncateEnd(`${family}${family}`, 3)).toBe(`${family}…`);
    expect(truncateEnd('漢字漢', 4)).toBe('漢…');
    expect(truncateStart('漢字漢', 4)).toBe('…漢');
  });

  test('of a path keeps the end', () => {
    expect(truncateStart('~/src/very/long/path', 10)).toBe('…long/path');
    expect(truncateMiddle('claude-opus-4-1-20250805', 10)).toBe('claud…0805');
  });

  test('padding counts columns', () => {
    expect(pad('漢', 4)).toBe('漢  ');
    expect(pad('7', 3, 'right')).toBe('  7');
  });
});

describe('wrapping a text', () => {
  test('breaks at blanks, keeps indents and empty lines', () => {
    expect(wrap('one two three\n\n  four', 8)).toEqual(['one two', 'three', '', '  four']);
  });

  test('breaks a word that is wider than the line, and CJK by columns', () => {
    expect(wrap('abcdefghij', 4)).toEqual(['abcd', 'efgh', 'ij']);
    expect(wrap('漢字漢字漢', 5)).toEqual(['漢字', '漢字', '漢']);
  });

  test('no line is wider than asked for', () => {
    const text = `lorem ${family} ipsum 漢字漢字 dolor-sit-amet-consectetur\tend`;
    for (let width = 2; width < 30; width += 1) {
      for (const line of wrap(text, width)) expect(displayWidth(line)).toBeLessThanOrEqual(width);
    }
  });

  test('into a pipe nothing is broken', () => {
    expect(wrap('a long\tline '.repeat(50), Number.POSITIVE_INFINITY)).toHaveLength(1);
  });
});

describe('a table', () => {
  const columns: Column[] = [
    { header: 'id' },
    { header: 'msgs', align: 'right', drop: 1 },
    { header: 'directory', cut: { at: 'start', least: 6 }, drop: 0 },
    { header: 'title', cut: { at: 'end', least: 6, weight: 2 } },
  ];
  const rows = [
    ['ses_1', '3', '~/src/a/very/long/directory', '漢字のタイトルがとても長い'],
    ['ses_2', '1234', '~/x', `${family} party`],
  ];

  test('fits its width at every width that holds its fixed columns', () => {
    for (let width = 13; width < 100; width += 1) {
      for (const line of table(columns, rows, width)) expect(displayWidth(line)).toBeLessThanOrEqual(width);
    }
  });

  test('columns stand under each other, whatever the cells hold', () => {
    const lines = table(columns, rows, 60);
    expect(lines[0]).toMatch(/^id {5}msgs {2}directory/);
    expect(lines[1]).toMatch(/^ses_1 {5}3 {2}/);
    expect(lines[2]).toMatch(/^ses_2 {2}1234 {2}~\/x/);
    const starts = lines.slice(1).map((line) => displayWidth(line.slice(0, line.search(/漢|👩/u))));
    expect(starts[0]).toBe(starts[1]);
  });

  test('without a limit nothing is cut', () => {
    expect(table(columns, rows, Number.POSITIVE_INFINITY)[1]).toContain('~/src/a/very/long/directory');
    expect(table(columns, rows, Number.POSITIVE_INFINITY)[1]).toContain('漢字のタイトルがとても長い');
  });

  test('where it is narrow, the directory goes first, then the count; the id is never cut', () => {
    const headers = (width: number) => table(columns, rows, width)[0]!.split(/ +/);
    expect(headers(43)).toEqual(['id', 'msgs', 'directory', 'title']);
    expect(headers(34)).toEqual(['id', 'msgs', 'direct…', 'title']);
    expect(headers(22)).toEqual(['id', 'msgs', 'title']);
    expect(headers(14)).toEqual(['id', 'title']);
    for (const line of table(columns, rows, 14).slice(1)) expect(line).toMatch(/^ses_\d/);
  });
});

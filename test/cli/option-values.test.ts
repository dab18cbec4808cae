import { describe, expect, test } from 'vitest';
import { CliError } from '../../cli/exit.ts';
import { futureTime, oneOf, pastTime, wordList } from '../../cli/option-values.ts';

const now = new Date(2026, 10, 21, 14, 30, 15).getTime();
const parse = pastTime('--since', () => now);
const failureOf = (run: () => unknown): CliError => {
  try {
    run();
  } catch (error) {
    if (error instanceof CliError) return error;
  }
  throw new Error('it did not fail');
};

describe('a time in the past', () => {
  test.each([
    ['30m', now - 30 * 60_000],
    ['2h', now - 2 * 3_600_000],
    ['3d', now - 3 * 86_400_000],
    ['2W', now - 14 * 86_400_000],
    ['today', new Date(2026, 10, 21).getTime()],
    ['yesterday', new Date(2026, 10, 20).getTime()],
    ['2026-11-01', new Date(2026, 10, 1).getTime()],
    ['2026-11-01 09:05', new Date(2026, 10, 1, 9, 5).getTime()],
    ['2026-11-01T09:05:07', new Date(2026, 10, 1, 9, 5, 7).getTime()],
    ['999999w', 0],
  ])('%s is read by the local clock', (text, at) => expect(parse(text)).toBe(at));

  test.each([
    '',
    'soon',
    '2',
    '2y',
    '-2h',
    '1e3h',
    '2026-02-31',
    '2026-13-01',
    '2026-11-01 24:00',
    '26-11-01',
    '0026-11-01',
  ])('%j is none, and is told what is allowed', (text) => {
    const { exitCode, hint } = failureOf(() => parse(text));
    expect(exitCode).toBe(2);
    expect(hint).toContain('yesterday');
  });

  test('what is still to come is told so', () => {
    expect(failureOf(() => parse('2026-11-22')).message).toContain('is still to come');
  });
});

test('one of a few words, else they are told', () => {
  const status = oneOf('--status', ['idle', 'busy']);
  expect(status('busy')).toBe('busy');
  expect(failureOf(() => status('bus\x1b[2Jy')).message).toBe('--status takes idle, busy, not "busy"');
});

describe('a time to come', () => {
  const parseEnd = futureTime('--expires', () => now);

  test.each([
    ['30m', now + 30 * 60_000],
    ['2h', now + 2 * 3_600_000],
    ['30D', now + 30 * 86_400_000],
    ['2026-12-01', new Date(2026, 11, 1).getTime()],
    ['2026-11-21 14:31', new Date(2026, 10, 21, 14, 31).getTime()],
  ])('%s is read by the local clock', (text, at) => expect(parseEnd(text)).toBe(at));

  test.each(['', 'soon', '0h', '2y', 'yesterday', '2026-02-31', '2026-11-21', '2026-11-21 14:30'])(
    '%j is none, which is wrong usage and says what is allowed',
    (text) => {
      const { exitCode, message, hint } = failureOf(() => parseEnd(text));
      expect(exitCode).toBe(2);
      expect(message).toMatch(/^--expires: ".*" is (not a time|over already)$/);
      expect(hint).toContain('30d');
    },
  );
});

test('words with commas between them may be given more than once, and each is one of those allowed', () => {
  const read = wordList('--rights', ['read', 'append']);
  expect(read('read, append', read('read'))).toEqual(['read', 'read', 'append']);
  expect(failureOf(() => read('read,write')).message).toBe(
    '--rights takes read, append, with commas between them, not "read,write"',
  );
  expect(failureOf(() => wordList('--ops')('part/*,')).exitCode).toBe(2);
});

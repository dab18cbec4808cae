import { describe, expect, test } from 'vitest';
import { clip, foldLines, sizeOf, unwrap } from '../../cli/render/fold.ts';
import { makeStyle } from '../../cli/render/style.ts';
import { displayWidth } from '../../cli/render/width.ts';

const style = makeStyle(false);

describe('what an agent wraps around text', () => {
  test('is taken from the start, as often as it comes; the words behind it stay', () => {
    const { names, words } = unwrap(
      '<system-reminder>\nbe brief\n</system-reminder>\n<command-name>/review</command-name> fix the login <b>now</b>',
    );
    expect(names).toEqual(['system-reminder', 'command-name']);
    expect(words).toBe(' fix the login <b>now</b>');
  });

  test('is not what a person may write: plain tags, an open tag without its end, tags in the middle', () => {
    for (const text of [
      '<div>hello</div>',
      '<system-reminder> is what I wrote',
      'see <task-notification>x</task-notification>',
    ]) {
      expect(unwrap(text)).toEqual({ names: [], wrapped: '', words: text });
    }
  });

  test('costs linear time on hostile repetition', () => {
    expect(unwrap('<a-b></a-b>'.repeat(100_000)).words).toBe('');
    expect(unwrap('<a-b>'.repeat(300_000)).names).toEqual([]);
  });
});

describe('a fold', () => {
  test('says what is hidden, how it begins, how much it is and which option shows it', () => {
    expect(foldLines('reasoning', 'I look at the test first\nthen', '--full', { width: 80, style })).toEqual([
      '  + reasoning: I look at the test first then (2 lines, --full)',
    ]);
  });

  test('is never wider than asked for, and keeps its option', () => {
    for (let width = 20; width < 90; width += 1) {
      const lines = foldLines('reasoning', 'word '.repeat(100), '--full', { width, style });
      for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(width);
      expect(lines.join(' ').replace(/\s+/g, ' ')).toContain('--full)');
    }
  });

  test('size is told in lines, of a single line in characters', () => {
    expect([sizeOf('a\nb\n'), sizeOf('abc'), sizeOf('x'.repeat(1234))]).toEqual([
      '2 lines',
      '3 characters',
      '1,234 characters',
    ]);
  });
});

test('a text is cut at either limit, and nothing of it is lost', () => {
  expect(clip('a\nb\nc', 2, 100)).toEqual({ shown: 'a\nb', rest: 'c' });
  expect(clip('a\nb\nc', 3, 100)).toEqual({ shown: 'a\nb\nc', rest: '' });
  expect(clip('abcdef', 3, 4)).toEqual({ shown: 'abcd', rest: 'ef' });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cleanLine, cleanStart, cleanText, safeJson } from '../../cli/render/clean.ts';

const esc = '\x1b';

describe('text from the store loses what a terminal would obey', () => {
  const hostile: Record<string, [string, string]> = {
    'a colour (CSI)': [`a${esc}[31mb${esc}[0mc`, 'abc'],
    'a cursor move with parameters and intermediates': [`a${esc}[?25;1 qb`, 'ab'],
    'a CSI of one C1 character': ['a\x9b2Jb', 'ab'],
    'an unfinished CSI': [`a${esc}[`, 'a'],
    'a window title (OSC, ended by BEL)': [`a${esc}]0;pwned\x07b`, 'ab'],
    'a window title ended by ST': [`a${esc}]0;pwned${esc}\\b`, 'ab'],
    'an OSC of C1 characters': ['a\x9d0;pwned\x9cb', 'ab'],
    'a hyperlink (OSC 8) keeps its text only': [`${esc}]8;;http://evil${esc}\\here${esc}]8;;${esc}\\`, 'here'],
    'a clipboard write (OSC 52)': [`a${esc}]52;c;cm0gLXJm\x07b`, 'ab'],
    'an unfinished OSC shows its body': [`a${esc}]0;title`, 'a0;title'],
    'a device control string (DCS)': [`a${esc}P1$r0m${esc}\\b`, 'ab'],
    'SOS, PM and APC strings': [`a${esc}Xs${esc}\\${esc}^p${esc}\\${esc}_a${esc}\\b`, 'ab'],
    'a reset (RIS)': [`a${esc}cb`, 'ab'],
    'a character set': [`a${esc}(0b`, 'ab'],
    'a lone escape at the end': [`a${esc}`, 'a'],
    'backspaces that would overwrite': ['safe\b\b\b\bevil', 'safeevil'],
    'bell, form feed, vertical tab, NUL and DEL': ['a\x07\x0c\x0b\x00\x7fb', 'ab'],
    'C1 controls': ['a\x85\x8d\x8fb', 'ab'],
    'bidirectional overrides': ['a\u202e\u202db\u202a\u202b\u202c', 'ab'],
    'bidirectional isolates': ['a\u2066\u2067\u2068\u2069b', 'ab'],
    'bidirectional marks': ['a\u200e\u200f\u061cb', 'ab'],
    'zero-width spaces, joiners of words and byte order marks': ['a\u200b\u2060\ufeff\u00adb', 'ab'],
    'fillers that look like nothing': ['a\u115f\u1160\u3164\uffa0b', 'ab'],
    'tags that carry text unseen': ['a\u{e0001}\u{e0068}\u{e0069}\u{e007f}b', 'ab'],
    'variation selectors that carry bytes unseen': ['a\u{e0100}\u{e01ef}b', 'ab'],
  };
  for (const [what, [given, cleaned]] of Object.entries(hostile)) {
    test(what, () => expect(cleanText(given)).toBe(cleaned));
  }

  test('newlines and tabs stay; a carriage return cannot overwrite a line', () => {
    expect(cleanText('a\r\nb\rc\td\u2028e')).toBe('a\nb\nc\td\ne');
  });

  test('on one line every blank, newline and tab is one space', () => {
    expect(cleanLine('  a\n\n b\t\tc\r\nd ')).toBe('a b c d');
  });

  test('letters, accents, CJK, emoji families and joined scripts stay as they are', () => {
    const text = 'naïve – Ελληνικά 漢字 👩‍👩‍👧 می‌خواهم ❤️';
    expect(cleanText(text)).toBe(text);
  });

  test('whatever is given, in pieces or whole, no control or reordering character comes out', () => {
    const piece = fc.constantFrom(
      ...Object.values(hostile).map(([given]) => given),
      '\x1b',
      '\x9b',
      ']',
      '[',
      '8;;',
      '\x07',
    );
    const anything = fc
      .array(fc.oneof(piece, fc.string({ unit: 'binary' })), { maxLength: 20 })
      .map((all) => all.join(''));
    fc.assert(
      fc.property(anything, (text) => {
        expect(cleanText(text)).not.toMatch(
          /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/,
        );
        expect(cleanText(cleanText(text).slice(1))).toBe(cleanText(text).slice(1));
      }),
    );
  });

  test('hostile repetition costs linear time: a million introducers are cleaned', () => {
    for (const start of ['\x9d', '\x1b]', '\x1b[1;', '\x9b1', '\x1bP']) {
      expect(cleanText(start.repeat(1_000_000))).not.toContain('\x1b');
    }
  });

  test('a long text is cut, also between the halves of a character', () => {
    expect(cleanStart('ab😀', 3)).toBe('ab\ufffd…');
    expect(cleanStart('abc', 3)).toBe('abc');
  });
});

describe('JSON that is printed', () => {
  test('holds nothing raw that a terminal would obey, and is the same value', () => {
    const value = { text: 'a\x1b[31m\x7f\x9b\u202e\u200b\u{e0068}é漢\n', '\u2066key': [1, null] };
    const json = safeJson(value);
    expect(json).not.toMatch(/[\x00-\x1f\x7f-\x9f\u200b\u202e\u2066]|\u{e0068}/u);
    expect(json).toContain('é漢');
    expect(JSON.parse(json)).toEqual(value);
    expect(JSON.parse(safeJson(value, 2))).toEqual(value);
  });
});

// Text that attacks a terminal, for fast-check, and the check that nothing of it comes out.
import fc from 'fast-check';
import { expect } from 'vitest';

/** Each of these is found by `expectSafe`; what follows them is only mixed in. */
export const attacks = [
  '\x1b[34m',
  '\x1b[2J\x1b[H',
  '\x1b]0;pwned\x07',
  '\x1b]8;;http://evil\x1b\\here\x1b]8;;\x1b\\',
  '\x1b]52;c;cm0gLXJm\x07',
  '\x1bP1$r0m\x1b\\',
  '\x1bc',
  '\x1b(0',
  '\x1b',
  '\x1b[',
  '\x9b31m',
  '\x9d0;pwned\x9c',
  '\x90q\x9c',
  '\b\b\b\b',
  '\r',
  '\x00\x07\x0b\x0c\x7f\x85',
  '\u202e\u202d\u202a\u202b\u202c',
  '\u2066\u2067\u2068\u2069',
  '\u200e\u200f\u061c',
  '\u200b\u2060\ufeff',
  '\u{e0001}\u{e0068}\u{e0069}\u{e007f}',
];

const mixedIn = [
  '\x1b[31m',
  '\n',
  '\t',
  '<command-name>',
  '</command-name>',
  "'; rm -rf ~ #",
  '漢字',
  'words of a person ',
];

/** Attacks, whole and cut, between anything else. Well-formed, so that it can be sent. */
export const hostileText = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...attacks, ...mixedIn) },
      fc.string({ unit: 'binary', maxLength: 4 }),
    ),
    {
      maxLength: 12,
    },
  )
  .map((pieces) => pieces.join('').toWellFormed());

/** What our own styles write (cli/render/style.ts). */
const ownStyles = /\x1b\[(?:1|2|22|31|32|33|36|39)m/g;
const forbidden =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]|[\u{e0000}-\u{e0fff}]/u;

/** Fails when a terminal would obey anything in the text. `styled`: our own colours may be in it. */
export function expectSafe(text: string, what: string, styled: boolean): void {
  expect(styled ? text.replace(ownStyles, '') : text, what).not.toMatch(forbidden);
}

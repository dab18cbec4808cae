// Words as a shell takes them back, and as a terminal may show them.
import { isClean } from './render/clean.ts';

/** One word for a POSIX shell; what a terminal would obey is written as bytes, `$'\x1b'` (bash, zsh, ksh). */
export function shellQuote(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (!isClean(word) || word.includes('\n')) return `$'${Array.from(word, escapeCharacter).join('')}'`;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A command as it can be typed. */
export function shellCommand(words: string[]): string {
  return words.map(shellQuote).join(' ');
}

function escapeCharacter(character: string): string {
  if (/^[\w@%+=:,./ -]$/.test(character)) return character;
  return Array.from(Buffer.from(character), (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}

// What a transcript hides unless it is asked for: each fold is one line that says what is hidden and how to see it.
import { cleanStart } from './clean.ts';
import { countOf } from './quantity.ts';
import type { Style } from './style.ts';
import { truncateEnd, wrap } from './width.ts';

export type FoldOptions = { width: number; style: Style };

const longestGist = 60;
const leastGist = 12;

/**
 * `+ reasoning: I look at the test first (3 lines, --full)`. The words are left out where there is no room; `words`: where
 * they are others than those that `text` begins with.
 */
export function foldLines(
  what: string,
  text: string,
  option: string,
  { width, style }: FoldOptions,
  words = text,
): string[] {
  const size = `(${sizeOf(text)}, ${option})`;
  const room = Math.min(longestGist, width - what.length - size.length - 7);
  const gist = room < leastGist ? '' : truncateEnd(cleanStart(words, longestGist + 1), room);
  const line = gist === '' ? `+ ${what} ${size}` : `+ ${what}: ${gist} ${size}`;
  return wrap(line, width - 2).map((piece) => style.dim(`  ${piece}`));
}

/** `30 lines`, and of a single line `900 characters`. */
export function sizeOf(text: string): string {
  const lines = countLines(text.trimEnd());
  return lines > 1 ? countOf(lines, 'line') : countOf(text.length, 'character');
}

/** The beginning of a text, within both limits, and the rest of it. */
export function clip(text: string, maxLines: number, maxUnits: number): { shown: string; rest: string } {
  let end = -1;
  for (let line = 0; line < maxLines; line += 1) {
    end = text.indexOf('\n', end + 1);
    if (end < 0) break;
  }
  const cut = Math.min(end < 0 ? text.length : end, maxUnits);
  const rest = text.slice(cut);
  return { shown: text.slice(0, cut).toWellFormed(), rest: rest.startsWith('\n') ? rest.slice(1) : rest };
}

/** Names of wrappers without a dash or underscore, which the others have: a person may begin a text with `<div>`. */
const plainWrappers = new Set(['instructions', 'tick', 'user-instructions']);

/**
 * What an agent wraps around text that no person typed, such as `<command-name>…</command-name>`, taken from the start
 * of a text as often as it comes, and the words behind it.
 */
export function unwrap(text: string): { names: string[]; wrapped: string; words: string } {
  const names: string[] = [];
  let at = 0;
  for (;;) {
    const open = /^\s*<([a-z][a-z0-9_-]{0,63})(?: [^<>\n]{0,200})?>/i.exec(text.slice(at, at + 400));
    const name = open?.[1];
    if (!name || !(/[-_]/.test(name) || plainWrappers.has(name.toLowerCase()))) break;
    const close = text.indexOf(`</${name}>`, at + open[0].length);
    if (close < 0) break;
    if (!names.includes(name)) names.push(name);
    at = close + name.length + 3;
  }
  return { names, wrapped: text.slice(0, at), words: text.slice(at) };
}

/** `/review src`: the command that a person typed, out of what Claude Code makes of it. */
export function slashCommand(wrapped: string): string | undefined {
  const [name, args = ''] = ['name', 'args'].map((part) =>
    wrapped.match(new RegExp(`<command-${part}>([^<]*)</command-${part}>`))?.[1]?.trim(),
  );
  return name && `${name.startsWith('/') ? '' : '/'}${name} ${args}`.trim();
}

/** The beginning of a text without its tags. */
export function withoutTags(text: string): string {
  return text.slice(0, 2000).replace(/<[^<>]*>/g, ' ');
}

function countLines(text: string): number {
  let count = 1;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}

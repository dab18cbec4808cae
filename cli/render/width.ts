// How many columns a text takes on a terminal, and cutting and wrapping by that: never in the middle of what is seen as
// one character. Texts given here are clean (clean.ts) and carry no colours. string-width costs 11 ms to load, a fifth of
// Node's own start, so it is loaded only for texts that need it: call `loadWidths` with them first. Latin, Greek, Cyrillic,
// Chinese, Japanese and Korean do not.
import type stringWidth from 'string-width';

/** Characters of which each is one UTF-16 unit and one column, by string-width's own measure (a test compares them). */
const narrowUnits =
  '\\x20-\\x7e\\u00a1-\\u00a8\\u00aa-\\u00ac\\u00af-\\u02ff\\u0370-\\u0482\\u048a-\\u0530\\u2010-\\u2027\\u2030-\\u203b\\u203d-\\u2048\\u204a-\\u205e\\u20a0-\\u20bf\\u2190-\\u2193\\u2500-\\u259f';
/** The same with two columns. */
const wideUnits =
  '\\u3001-\\u3029\\u3041-\\u3096\\u309b-\\u30ff\\u3131-\\u3163\\u3165-\\u318e\\u3400-\\u4dbf\\u4e00-\\u9fff\\uac00-\\ud7a3\\uff01-\\uff60';

const narrow = new RegExp(`^[${narrowUnits}]*$`);
const plain = new RegExp(`^[${narrowUnits}${wideUnits}]*$`);
const wide = new RegExp(`[${wideUnits}]`, 'g');

let measure: typeof stringWidth | undefined;
let segmenter: Intl.Segmenter | undefined;

/**
 * Makes the functions below exact: for these texts, or without any given for all. Before it, an emoji and the like count as
 * one column.
 */
export async function loadWidths(texts?: string[]): Promise<void> {
  if (measure || texts?.every(isPlain)) return;
  measure = (await import('string-width')).default;
}

/** Whether the text is one column for each of its UTF-16 units. */
export function isNarrow(text: string): boolean {
  return narrow.test(text);
}

/** Whether each UTF-16 unit of the text is a character of one or of two columns. */
export function isPlain(text: string): boolean {
  return plain.test(text);
}

/** The characters as a reader counts them: an emoji family or an accented letter is one. */
function graphemes(text: string): string[] {
  if (isPlain(text)) return text.split('');
  segmenter ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  return Array.from(segmenter.segment(text), (piece) => piece.segment);
}

/** Columns that the text takes. */
export function displayWidth(text: string): number {
  if (isNarrow(text)) return text.length;
  if (isPlain(text)) return text.length + (text.match(wide)?.length ?? 0);
  return measure ? measure(text) : graphemes(text).length;
}

/** The text in at most `width` columns; where something is cut off, an ellipsis stands. */
export function truncateEnd(text: string, width: number): string {
  if (width === Number.POSITIVE_INFINITY || displayWidth(text) <= width) return text;
  if (width < 1) return '';
  return `${takeWidth(graphemes(text), width - 1)
    .join('')
    .trimEnd()}…`;
}

/** As truncateEnd, but the end is what stays: of a path the last folders say most. */
export function truncateStart(text: string, width: number): string {
  if (width === Number.POSITIVE_INFINITY || displayWidth(text) <= width) return text;
  if (width < 1) return '';
  const kept = takeWidth(graphemes(text).reverse(), width - 1);
  return `…${kept.reverse().join('').trimStart()}`;
}

/** As truncateEnd, but the middle goes: names of models differ at both ends. */
export function truncateMiddle(text: string, width: number): string {
  if (width === Number.POSITIVE_INFINITY || displayWidth(text) <= width) return text;
  if (width < 1) return '';
  const characters = graphemes(text);
  const end = takeWidth([...characters].reverse(), Math.floor((width - 1) / 2));
  const start = takeWidth(characters, width - 1 - displayWidth(end.join('')));
  return `${start.join('')}…${end.reverse().join('')}`;
}

/** The text padded with spaces to `width` columns. */
export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const blank = ' '.repeat(Math.max(0, width - displayWidth(text)));
  return align === 'left' ? text + blank : blank + text;
}

/** The lines of a text, none wider than `width`; broken at blanks where that is possible. Tabs count as four spaces. */
export function wrap(text: string, width: number): string[] {
  const lines = text.split('\n');
  if (width === Number.POSITIVE_INFINITY) return lines;
  return lines.flatMap((line) => wrapLine(line.replaceAll('\t', '    '), Math.max(width, 1)));
}

function wrapLine(line: string, width: number): string[] {
  if (displayWidth(line) <= width) return [line];
  const lines: string[] = [];
  let current = '';
  let taken = 0;
  const turn = () => {
    lines.push(current.trimEnd());
    current = '';
    taken = 0;
  };
  for (const word of line.match(/ +|[^ ]+/g) ?? []) {
    const wide = displayWidth(word);
    if (taken + wide <= width) {
      current += word;
      taken += wide;
      continue;
    }
    if (word.startsWith(' ')) {
      // A blank that does not fit ends the line and is not carried over.
      if (taken > 0) turn();
      continue;
    }
    if (taken > 0) turn();
    for (const piece of wide <= width ? [word] : isNarrow(word) ? slices(word, width) : graphemes(word)) {
      const pieceWidth = displayWidth(piece);
      if (taken > 0 && taken + pieceWidth > width) turn();
      current += piece;
      taken += pieceWidth;
    }
  }
  if (current.trim() !== '') turn();
  return lines;
}

function slices(text: string, width: number): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; at += width) pieces.push(text.slice(at, at + width));
  return pieces;
}

function takeWidth(pieces: string[], width: number): string[] {
  const kept: string[] = [];
  let taken = 0;
  for (const piece of pieces) {
    taken += displayWidth(piece);
    if (taken > width) break;
    kept.push(piece);
  }
  return kept;
}

// Masks the secrets of a text. What was masked is masked no further: masking twice changes nothing more.
import { isSecretOf } from './assignments.ts';
import type { Found, Rule } from './rule.ts';

const placeholder = /\[masked:[a-z-]{1,40}\]/g;
/** A secret may show only when what stood around it is masked; text in which there are always more is masked whole. */
const maxPasses = 16;
/** A longer text is searched in windows, so that what is found in it at once is bounded; in UTF-16 units. */
const windowUnits = 1 << 19;
/** What is around a place in its window, if it is there at all: no secret, with what tells of it, is longer, but private keys. */
const marginUnits = 1 << 15;
/** How what was cut off goes on. */
const onward = /[^\s"'`\\,;<>(){}[\]&|]*/y;
const encoded = /^data:(?!image\/|audio\/|video\/|font\/)[^,]{0,256};base64,/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What stands in a secret's place. */
function placeholderOf(rule: string): string {
  return `[masked:${rule}]`;
}

/** In place of a whole text of which nobody can tell what in it is secret. */
export const unclear = placeholderOf('unclear');

export class Masking {
  readonly #rules: readonly Rule[];

  constructor(rules: readonly Rule[]) {
    this.#rules = rules;
  }

  /** The text with its secrets masked; itself where there are none. `name`: what it is called where it stands. */
  mask(text: string, name?: string): string {
    const start = encoded.exec(text)?.[0];
    if (start !== undefined) return start + this.#maskEncoded(text.slice(start.length));
    if (text.length < 8) return text;
    let masked = text;
    for (let pass = 0; pass < maxPasses; pass += 1) {
      const next = this.#pass(masked, name);
      if (next === masked) return masked;
      masked = next;
    }
    return unclear;
  }

  #maskEncoded(base64: string): string {
    const bytes = Buffer.from(base64, 'base64');
    let text: string;
    try {
      text = utf8.decode(bytes);
    } catch {
      return base64;
    }
    const masked = this.mask(text);
    return masked === text ? base64 : Buffer.from(masked).toString('base64');
  }

  #pass(text: string, name: string | undefined): string {
    const found: Found[] = [];
    const barriers = placeholdersOf(text);
    const add = (each: Found) => {
      if (barriers.length === 0) return void found.push(each);
      const { start, end, rule } = each;
      for (const range of uncovered(start, end, barriers)) found.push({ ...range, rule });
    };
    if (name !== undefined && isSecretOf(name, text)) add({ start: 0, end: text.length, rule: 'assignment' });
    for (const rule of this.#rules) for (const each of rule.isForAll ? rule(text) : inWindows(rule, text)) add(each);
    if (found.length === 0) return text;
    const pieces: string[] = [];
    let behind = 0;
    for (const { start, end, rule } of union(found)) {
      pieces.push(text.slice(behind, start), placeholderOf(rule));
      behind = end;
    }
    pieces.push(text.slice(behind));
    return pieces.join('');
  }
}

/** What a rule finds in a text of any length: as if it had been given all of it. */
function* inWindows(rule: Rule, text: string): Iterable<Found> {
  if (text.length <= windowUnits) return yield* rule(text);
  const step = windowUnits - 2 * marginUnits;
  for (let from = 0; from + 2 * marginUnits < text.length; from += step) {
    const to = Math.min(from + windowUnits, text.length);
    // What begins in the margins is found in the window before, or in the next: there they see what is around it.
    const first = from === 0 ? 0 : from + marginUnits;
    const last = to === text.length ? to : to - marginUnits;
    for (const { start, end, rule: name } of rule(text.slice(from, to))) {
      const [begin, behind] = [from + start, from + end];
      if (begin >= first && begin < last)
        yield { start: begin, end: behind < to ? behind : goesOn(text, to), rule: name };
    }
  }
}

/** Where a secret ends that the end of its window cut off. */
function goesOn(text: string, to: number): number {
  onward.lastIndex = to;
  return to + onward.exec(text)![0].length;
}

/** The placeholders in a text. */
export function placeholdersOf(text: string): Found[] {
  if (!text.includes('[masked:')) return [];
  return [...text.matchAll(placeholder)].map(({ 0: found, index }) => {
    return { start: index, end: index + found.length, rule: found.slice('[masked:'.length, -1) };
  });
}

type Range = Omit<Found, 'rule'>;

/** What is left of a range without the barriers, which are in order. */
function uncovered(start: number, end: number, barriers: readonly Range[]): Range[] {
  const left: Range[] = [];
  let from = start;
  for (let at = firstBehind(start, barriers); at < barriers.length && barriers[at]!.start < end; at += 1) {
    if (barriers[at]!.start > from) left.push({ start: from, end: barriers[at]!.start });
    from = Math.max(from, barriers[at]!.end);
  }
  if (from < end) left.push({ start: from, end });
  return left;
}

/** The first barrier that ends behind `start`. */
function firstBehind(start: number, barriers: readonly Range[]): number {
  let low = 0;
  for (let high = barriers.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if (barriers[middle]!.end > start) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** What overlaps as one, named for the widest of it; made of what is given, of which there may be a million. */
function union(found: Found[]): Found[] {
  const ordered = found.sort((a, b) => a.start - b.start || b.end - a.end);
  const whole: Found[] = [];
  let widest = 0;
  for (const each of ordered) {
    const last = whole.at(-1);
    const width = each.end - each.start;
    if (last && each.start < last.end) {
      if (width > widest) last.rule = each.rule;
      last.end = Math.max(last.end, each.end);
      widest = Math.max(widest, width);
    } else {
      whole.push(each);
      widest = width;
    }
  }
  return whole;
}

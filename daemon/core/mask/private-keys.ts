// Private keys as PEM and its like write them, over many lines; also where lines are numbered, joined by escapes, or only
// the begin or the end of the key is there.
import type { Found, Rule } from './rule.ts';
import { eachMatch } from './rule.ts';

const marker = /-----(BEGIN|END) (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----/g;
/** A line of a key: no word is that long and has all of these, and few paths. */
const line = /[A-Za-z0-9+/=]{20,}/g;
const mixed = /^(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9+])/;
/** Between two lines of a key: its headers, the numbers of lines, quotes. */
const maxGap = 200;
/** What follows the last line of a key that is cut off, and is less than a line. */
const rest = /(?:[\s|→:\d"'+]|\\+[nrt])*[A-Za-z0-9+/=]*/y;

type Marker = { start: number; end: number; isBegin: boolean };

function* search(text: string): Iterable<Found> {
  if (!text.includes('PRIVATE KEY')) return;
  const markers: Marker[] = Array.from(eachMatch(marker, text), (match) => {
    return { start: match.index, end: match.index + match[0].length, isBegin: match[1] === 'BEGIN' };
  });
  if (markers.length === 0) return;
  const bounds: { start: number; end: number }[] = [];
  for (const { 0: found, index } of eachMatch(line, text))
    if (mixed.test(found)) bounds.push({ start: index, end: index + found.length });
  let at = 0;
  for (const [index, { start, end, isBegin }] of markers.entries()) {
    const next = markers[index + 1];
    const limit = next?.start ?? text.length;
    const last = markers[index - 1]?.end ?? 0;
    const hasBegin = markers[index - 1]?.isBegin === true;
    if (isBegin) {
      while (at < bounds.length && bounds[at]!.start < end) at += 1;
      let to = end;
      for (; at < bounds.length && bounds[at]!.start < limit && bounds[at]!.start - to <= maxGap; at += 1)
        to = bounds[at]!.end;
      if (to > end) yield key(start, next && !next.isBegin && next.start - to <= maxGap ? next.end : behind(text, to));
    } else if (!hasBegin) {
      let before = at;
      while (before < bounds.length && bounds[before]!.end <= start) before += 1;
      at = before;
      let from = start;
      for (
        before -= 1;
        before >= 0 && bounds[before]!.start >= last && from - bounds[before]!.end <= maxGap;
        before -= 1
      )
        from = bounds[before]!.start;
      if (from < start) yield key(from, end);
    }
  }
}

/** A marker alone, as code that reads keys has it, is none. */
export const privateKeys: Rule = Object.assign(search, { isForAll: true as const });

function key(start: number, end: number): Found {
  return { start, end, rule: 'private-key' };
}

function behind(text: string, to: number): number {
  rest.lastIndex = to;
  return to + rest.exec(text)![0].length;
}

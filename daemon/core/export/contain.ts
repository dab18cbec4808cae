// Markdown that others wrote, put into a document of ours as it is, as long as nothing of it reaches beyond its end or
// passes for a part of our document: a fence that nobody closes, a heading of our levels, a raw tag or comment. Judged
// by CommonMark, in one pass over the lines. Where it cannot be told how the text would be read, it is shown verbatim.
//
// Only what opens at the top level can reach beyond: whatever opened in a list or a quote ends at our next line, which is
// not indented. A fence at column 0 is at the top level for sure. One that is set in may be in a list, and is sure only if
// its end stands at the same column and nothing between them stands before it: then both are read as a fence, or neither.

/** A fenced block that no text can close. */
export function fenced(text: string, language = ''): string {
  const fence = '`'.repeat(Math.max(3, longestRun(text) + 1));
  return `${fence}${language}\n${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${fence}`;
}

/** How much deeper a text's headings are than it wrote them, since ours have the levels above. */
const ourHeadings = 2;

/** The text as markdown, without blank lines around it; ends with no fence, tag or comment open. */
export function contained(text: string): string {
  const body = text.replace(/^(?:[ \t]*\n)+/, '').trimEnd();
  const lines = body.split('\n');
  const fences = findFences(lines);
  if (fences === 'unsure') return fenced(body);
  const { isCode, isSpansKnown, closing } = fences;
  const spans = isSpansKnown ? lines.map((line, at) => (isCode[at] ? [] : codeSpans(line))) : [];
  const areSpansKnown = isSpansKnown && spans.every((found) => found !== 'unsure');
  const contained = lines.map((line, at) => {
    if (isCode[at]) return line;
    const harmless = withoutTags(line, areSpansKnown ? (spans[at] as Span[]) : []);
    const heading = /^( {0,3})(#{1,6})(?=[ \t]|$)/.exec(harmless);
    if (heading) {
      const level = Math.min(6, heading[2]!.length + ourHeadings);
      return heading[1]! + '#'.repeat(level) + harmless.slice(heading[0].length);
    }
    // Below a line of text these would make a heading of it.
    const isUnderline = /^ {0,3}(?:=+|-+)[ \t]*$/.test(line) && at > 0 && !isBlank(lines[at - 1]!);
    return isUnderline ? `\n${line}` : harmless;
  });
  return [...contained, ...(closing === undefined ? [] : [closing])].join('\n');
}

type Fences = { isCode: boolean[]; isSpansKnown: boolean; closing: string | undefined };
type Open = { mark: string; column: number };

const afterMarkers = /^([ \t>*+\-\d.)]*)(`{3,}|~{3,})(.*)$/;
const tag = /<(?=[A-Za-z/!?])/g;

/** Which lines are in a fence, its own two included, and what closes the last one; or that it cannot be told. */
function findFences(lines: string[]): Fences | 'unsure' {
  const isCode: boolean[] = [];
  let isSpansKnown = true;
  let open: Open | undefined;
  for (const line of lines) {
    const [, before = '', mark = '', behind = ''] = afterMarkers.exec(line) ?? [];
    isCode.push(open !== undefined);
    if (open === undefined) {
      if (mark === '' || (mark.startsWith('`') && behind.includes('`'))) continue;
      if (/[^ ]/.test(before)) return 'unsure';
      open = { mark, column: before.length };
      isCode[isCode.length - 1] = true;
      // Set in so far, it may be no fence at all but the rest of a paragraph, with marks of code spans in it.
      if (open.column > 3) isSpansKnown = false;
      continue;
    }
    const isEnd = mark.startsWith(open.mark) && isBlank(behind) && isBlank(before);
    // How far a tab reaches depends on what the text is put into.
    if (isEnd && before.includes('\t')) return 'unsure';
    if (open.column > 0) {
      const [indent] = /^[ \t]*/.exec(line)!;
      if (!isBlank(line) && (indent.length < open.column || indent.includes('\t'))) return 'unsure';
      if (open.column > 3 && line.search(tag) >= 0) return 'unsure';
      if (isEnd && before.length !== open.column) return 'unsure';
    }
    if (isEnd && before.length - open.column <= 3) open = undefined;
  }
  if (open !== undefined && open.column > 0) return 'unsure';
  return { isCode, isSpansKnown, closing: open?.mark };
}

type Span = readonly [from: number, to: number];

/** The code spans of a line, when each begins and ends on it: then no line before or behind it changes that. */
function codeSpans(line: string): Span[] | 'unsure' {
  const runs = Array.from(line.matchAll(/`+/g), ({ index, 0: run }) => ({ from: index, length: run.length }));
  const spans: Span[] = [];
  for (let at = 0; at < runs.length; at += 1) {
    const { from, length } = runs[at]!;
    if (line[from - 1] === '\\') return 'unsure';
    do at += 1;
    while (at < runs.length && runs[at]!.length !== length);
    if (at >= runs.length) return 'unsure';
    spans.push([from, runs[at]!.from]);
  }
  // A bar ends the cell of a table, and the code span with it.
  return spans.filter(([from, to]) => !line.slice(from, to).includes('|'));
}

/** No `<` begins a tag or a comment, save in the spans, where it cannot. */
function withoutTags(line: string, spans: Span[]): string {
  let next = 0;
  return line.replace(tag, (_, at: number) => {
    while (next < spans.length && spans[next]![1] < at) next += 1;
    return next < spans.length && spans[next]![0] < at ? '<' : '&lt;';
  });
}

/** To CommonMark, which counts other blanks as text. */
function isBlank(text: string): boolean {
  return /^[ 	]*$/.test(text);
}

function longestRun(text: string): number {
  let longest = 0;
  for (const [run] of text.matchAll(/`+/g)) longest = Math.max(longest, run.length);
  return longest;
}

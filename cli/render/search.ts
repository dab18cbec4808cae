// What a search found: below each session the places in it, the best first, with what matched emphasised.
import type { SearchHit } from '../../protocol/methods.ts';
import { cleanLine, cleanStart, cleanText } from './clean.ts';
import { shownPath } from './path.ts';
import { shortIds } from './short-id.ts';
import type { Style } from './style.ts';
import { relativeTime } from './time.ts';
import { loadWidths, truncateEnd, wrap } from './width.ts';

export type SearchLinesOptions = { width: number; style: Style; now: number; home: string };

/** A session stands where the best of its places would; between two sessions there is an empty line. */
export async function searchLines(found: SearchHit[], options: SearchLinesOptions): Promise<string[]> {
  const bySession = new Map<string, SearchHit[]>();
  for (const hit of found) {
    const hits = bySession.get(hit.session.id);
    if (hits) hits.push(hit);
    else bySession.set(hit.session.id, [hit]);
  }
  const ids = shortIds([...bySession.keys()], false);
  await loadWidths(found.flatMap(({ session, snippet }) => [session.title ?? '', session.directory ?? '', snippet]));
  return [...bySession].flatMap(([id, hits], at) => [
    ...(at === 0 ? [] : ['']),
    ...headLines(cleanLine(ids.get(id)!), hits[0]!, options),
    ...hits.flatMap((hit) => snippetLines(hit, options)),
  ]);
}

/** `ses_4kZq…  Fix the login`, and whose, where and when. */
function headLines(id: string, { session }: SearchHit, { width, style, now, home }: SearchLinesOptions): string[] {
  const { title, agent, directory, updatedAt, archivedAt } = session;
  const where = [
    archivedAt === null ? '' : 'archived',
    cleanStart(agent ?? '', 60),
    directory === null ? '' : shownPath(directory, home),
    relativeTime(updatedAt, now),
  ];
  const room = Math.max(1, width - id.length - 2);
  const shownTitle = truncateEnd(cleanStart(title ?? '', 500) || '(no title)', room);
  return [
    `${style.cyan(id)}  ${style.bold(shownTitle)}`,
    ...wrap(where.filter((word) => word !== '').join(' · '), width - 2).map((line) => `  ${style.dim(line)}`),
  ];
}

function snippetLines(hit: SearchHit, { width, style }: SearchLinesOptions): string[] {
  const { text, hits } = cleanSnippet(hit);
  let end = 0;
  return wrap(text, width - 4).map((line) => {
    // A line is a piece of the text: only blanks between two of them are left out.
    const start = text.indexOf(line, end);
    end = start + line.length;
    let painted = '';
    let at = start;
    for (const [from, to] of hits) {
      const [first, last] = [Math.max(from, at), Math.min(to, end)];
      if (first >= last) continue;
      painted += text.slice(at, first) + style.yellow(text.slice(first, last));
      at = last;
    }
    return `    ${painted}${text.slice(at, end)}`;
  });
}

/** Safe to print, the matches where they then stand. */
function cleanSnippet({ snippet, hits }: SearchHit): { text: string; hits: [number, number][] } {
  let text = '';
  const kept: [number, number][] = [];
  let at = 0;
  const take = (to: number) => {
    text += cleanText(snippet.slice(at, to)).replace(/\s+/g, ' ');
    at = Math.max(at, to);
  };
  for (const [from, to] of hits) {
    take(from);
    const start = text.length;
    take(to);
    kept.push([start, text.length]);
  }
  take(snippet.length);
  return { text, hits: kept };
}

// What an id that was typed may mean, where it is the start of several.
import { cleanLine, cleanStart } from './render/clean.ts';

const shown = 10;

/** A line for each, with its id and what tells it apart; of many the first, and how many more there are. */
export function candidateLines<T extends { id: string }>(found: T[], textOf: (each: T) => string): string[] {
  const lines = found
    .slice(0, shown)
    .map((each) => `  ${cleanLine(each.id)}  ${cleanStart(textOf(each), 60)}`.trimEnd());
  return found.length > shown ? [...lines, `  and ${found.length - shown} more`] : lines;
}

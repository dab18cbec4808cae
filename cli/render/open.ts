// What is under way in a session, and what it waits for: the end of its transcript.
import type { Blocker, Turn } from '../../protocol/schema.ts';
import { askLines } from './blocker.ts';
import { cleanLine, cleanStart } from './clean.ts';
import type { Style } from './style.ts';
import { localTime, relativeTime } from './time.ts';
import { wrap } from './width.ts';

export type OpenOptions = { width: number; style: Style; now: number };

/** Each open turn, then each pending blocker with what it asks: since when, and its id, by which it is answered. */
export function openLines(turns: Turn[], blockers: Blocker[], { width, style, now }: OpenOptions): string[] {
  const since = (at: number) => `since ${localTime(at)} (${relativeTime(at, now)})`;
  return [
    ...turns.flatMap(({ state, agent, startedAt }) => {
      const words = [`turn ${cleanLine(state)}`, since(startedAt), cleanStart(agent ?? '', 60)];
      return wrap(words.filter((word) => word !== '').join(' · '), width).map(style.dim);
    }),
    ...blockers.flatMap((blocker) => {
      const head = [
        'waits for an answer',
        blocker.askedAt === null ? '' : since(blocker.askedAt),
        cleanLine(blocker.id),
      ];
      return [
        ...wrap(head.filter((word) => word !== '').join(' · '), width).map(style.yellow),
        ...askLines(blocker).flatMap((line) => wrap(line, width - 2).map((piece) => `  ${piece}`)),
      ];
    }),
  ];
}

// The end of a transcript: how the last turn ended where it did not end well, what is under way, what is waited for.
import type { Blocker, Turn } from '../../protocol/schema.ts';
import { askLines } from './blocker.ts';
import { cleanLine, cleanStart } from './clean.ts';
import { errorText } from './error-text.ts';
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

/** Of a turn that was aborted or failed when and why, which no message may tell; of any other nothing. */
export function badEndLines({ state, endedAt, error }: Turn, { width, style, now }: OpenOptions): string[] {
  if (state !== 'aborted' && state !== 'failed') return [];
  const when = endedAt === null ? '' : `${localTime(endedAt)} (${relativeTime(endedAt, now)})`;
  const why = (error ?? null) === null ? '' : cleanStart(errorText(error), 500);
  return wrap([`turn ${state}`, when, why].filter((word) => word !== '').join(' · '), width).map(style.red);
}

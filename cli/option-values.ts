// Values of options, read strictly: what is not one is wrong usage (2).
import { CliError, exitCodes } from './exit.ts';
import { cleanStart } from './render/clean.ts';

/** A reader for commander: whole numbers from 1. `hint`: what may have been meant instead. */
export function wholeNumber(option: string, hint?: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^[0-9]+$/.test(text) && Number.isSafeInteger(value) && value >= 1) return value;
    throw new CliError(exitCodes.usage, `${option} takes a whole number from 1, not "${cleanStart(text, 50)}"`, hint);
  };
}

/** A reader for commander: one of a few words; it tells them, for completion scripts. */
export function oneOf<Word extends string>(option: string, words: readonly Word[]) {
  const read = (text: string): Word => {
    const word = words.find((each) => each === text);
    if (word !== undefined) return word;
    throw new CliError(exitCodes.usage, `${option} takes ${words.join(', ')}, not "${cleanStart(text, 50)}"`);
  };
  return Object.assign(read, { words });
}

const units: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };
const allowedTimes =
  'allowed are 30m, 2h, 3d, 2w (ago), today, yesterday, 2026-11-01 and "2026-11-01 14:30", local time';

/** A reader for commander: a time in the past, as milliseconds since the epoch. Days begin at local midnight. */
export function pastTime(option: string, now: () => number): (text: string) => number {
  return (text) => {
    const at = pastOf(text.trim().toLowerCase(), now());
    if (at !== undefined && at >= 0 && at <= now()) return at;
    const what = at !== undefined && at > now() ? 'is still to come' : 'is not a time';
    throw new CliError(exitCodes.usage, `${option}: "${cleanStart(text, 50)}" ${what}`, allowedTimes);
  };
}

/** What futureTime takes, for help. */
export const endTimes = '30m, 2h, 30d, 2w (from now), 2030-11-01 or "2030-11-01 14:30", local time';

/** A reader for commander: a time to come, as milliseconds since the epoch. */
export function futureTime(option: string, now: () => number): (text: string) => number {
  return (text) => {
    const given = text.trim().toLowerCase();
    const length = lengthOf(given);
    const at = length === undefined ? dateOf(given) : now() + length;
    if (at !== undefined && at > now()) return at;
    const what = at === undefined ? 'is not a time' : 'is over already';
    throw new CliError(exitCodes.usage, `${option}: "${cleanStart(text, 50)}" ${what}`, `allowed are ${endTimes}`);
  };
}

/** A reader for commander: words with commas between them; given again, more of them. `words`: those that are allowed. */
export function wordList<Word extends string>(option: string, words?: readonly Word[]) {
  const read = (text: string, before: Word[] = []): Word[] => {
    const given = text.split(',').map((word) => word.trim() as Word);
    if (given.every((word) => word !== '' && (words?.includes(word) ?? true))) return [...before, ...given];
    const allowed = `${words ? words.join(', ') : 'words'}, with commas between them`;
    throw new CliError(exitCodes.usage, `${option} takes ${allowed}, not "${cleanStart(text, 50)}"`);
  };
  return Object.assign(read, { words });
}

/** `2h`, in ms. */
function lengthOf(text: string): number | undefined {
  const length = /^(\d{1,6})\s*([mhdw])$/.exec(text);
  return length ? Number(length[1]) * units[length[2]!]! : undefined;
}

function pastOf(text: string, now: number): number | undefined {
  const ago = lengthOf(text);
  if (ago !== undefined) return Math.max(0, now - ago);
  if (text === 'today') return new Date(now).setHours(0, 0, 0, 0);
  if (text === 'yesterday') {
    // Not 24 hours before today: a day may have 23 or 25.
    const date = new Date(now);
    return new Date(date.getFullYear(), date.getMonth(), date.getDate() - 1).getTime();
  }
  return dateOf(text);
}

function dateOf(text: string): number | undefined {
  const date = /^(\d{4})-(\d\d)-(\d\d)(?:[t ](\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text);
  if (!date) return undefined;
  const [year, month, day, hour = 0, minute = 0, second = 0] = date.slice(1).map((digits) => Number(digits ?? 0));
  const at = new Date(year!, month! - 1, day!, hour, minute, second);
  // The 31st of February would roll over to March.
  const isReal = at.getMonth() === month! - 1 && at.getDate() === day && hour < 24 && minute < 60 && second < 60;
  return isReal ? at.getTime() : undefined;
}

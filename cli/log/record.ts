// One line of the daemon's log: pino's JSON, or what a process wrote that could not log any more, as it stands.
import { cleanLine, cleanText, safeJson } from '../render/clean.ts';
import type { Style } from '../render/style.ts';
import { localDate, localTime } from '../render/time.ts';

/** pino's levels; a record counts to the highest that it reaches. */
export const levels = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 } as const;
export type Level = keyof typeof levels;

export type LogRecord = { level: number; time?: number; msg?: string; [field: string]: unknown };

/** What no logger wrote is a crash's last words: it is shown at every level. */
export function parseRecord(line: string): LogRecord {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const { level } = value as { level?: unknown };
      return { ...value, level: typeof level === 'number' ? level : levels.fatal };
    }
  } catch {
    // told as it stands
  }
  return { level: levels.fatal, msg: line };
}

/** `2025-11-21 14:03:22 warn   a record was refused path=/x`; an error's stack on lines below. */
export function recordLines({ level, time, msg, ...fields }: LogRecord, style: Style): string[] {
  // As it was written: the words of a crash have no time, and are not one line.
  if (time === undefined)
    return cleanText(msg ?? safeJson(fields))
      .split('\n')
      .map(style.red);
  const stacks: string[] = [];
  const shown = Object.entries(fields).map(([name, value]) => {
    const { message, stack } = (isError(value) ? value : {}) as { message?: string; stack?: string };
    if (stack !== undefined) stacks.push(stack);
    return `${style.dim(`${cleanLine(name)}=`)}${fieldText(message ?? value)}`;
  });
  const at = `${localDate(time)} ${localTime(time)}`;
  const head = [style.dim(at), levelText(level, style), cleanLine(String(msg ?? '')), ...shown]
    .filter(Boolean)
    .join(' ');
  return [
    head,
    ...stacks.flatMap((stack) => cleanText(stack).split('\n')).map((line) => style.dim(`    ${line.trim()}`)),
  ];
}

function isError(value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof (value as { stack?: unknown }).stack === 'string';
}

/** A text of one word as it is; everything else as JSON, so that it is seen where it ends. */
function fieldText(value: unknown): string {
  return typeof value === 'string' && /^[\w./:@~+-]+$/.test(value) ? value : safeJson(value);
}

function levelText(level: number, style: Style): string {
  const name = (Object.keys(levels) as Level[]).findLast((each) => levels[each] <= level) ?? 'trace';
  const paint = level >= levels.error ? style.red : level >= levels.warn ? style.yellow : style.cyan;
  return paint(name.padEnd(5));
}

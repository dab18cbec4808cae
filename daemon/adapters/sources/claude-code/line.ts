// One line of a transcript, read tolerantly. What comes out can be stored as it is: well-formed text, finite numbers, and
// no nesting that would exhaust the stack of those who write it out. A line that cannot be read so is kept as raw text.
import type { PartContent } from '../../../../protocol/schema.ts';

export type Json = Extract<PartContent, { type: 'data' }>['value'];
export type Fields = { [name: string]: Json };
/** `text` is what the line's key is made from when it has no uuid. */
export type Line = { text: string; fields: Fields } | { text: string; unparsed: Json };

const maxDepth = 200;

/** Undefined for a blank line. */
export function parseLine(raw: string): Line | undefined {
  // Claude Code's own reader strips leading NULs too: a crash can leave a run of them before the next line.
  let text = raw.charCodeAt(0) === 0 ? raw.replace(/^\0+/, '') : raw;
  if (text.charCodeAt(0) !== 0x7b) {
    text = text.trim();
    if (text === '') return undefined;
  }
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch {
    return { text, unparsed: text.toWellFormed() };
  }
  if (!isStorable(value, 0)) return { text, unparsed: text.toWellFormed() };
  // A line comes out of UTF-8, so only an escape can bring half a surrogate pair.
  if (/\\u[dD][89a-fA-F]/.test(text)) value = wellFormed(value);
  if (!isFields(value) || typeof value.type !== 'string') return { text, unparsed: value };
  return { text, fields: value };
}

export function isFields(value: Json | undefined): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The field as a non-empty string, else undefined. */
export function findText(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The line's own time, in milliseconds, if it has one that can be read. */
export function findTime(fields: Fields): number | undefined {
  const { timestamp } = fields;
  const at = typeof timestamp === 'string' ? Date.parse(timestamp) : timestamp;
  return typeof at === 'number' && at >= 0 && at <= 8.64e15 ? Math.floor(at) : undefined;
}

function isStorable(value: Json, depth: number): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  if (depth === maxDepth) return false;
  if (Array.isArray(value)) {
    for (const item of value) if (!isStorable(item, depth + 1)) return false;
    return true;
  }
  for (const name in value) if (!isStorable(value[name] as Json, depth + 1)) return false;
  return true;
}

function wellFormed(value: Json): Json {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(wellFormed);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name.toWellFormed(), wellFormed(item)]));
}

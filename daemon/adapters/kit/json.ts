// One record of a transcript, read tolerantly. What comes out can be stored as it is: well-formed text, finite numbers, and
// no nesting that would exhaust the stack of those who write it out. What cannot be read so is kept as raw text.
import type { PartContent } from '../../../protocol/schema.ts';

export type Json = Extract<PartContent, { type: 'data' }>['value'];
export type Fields = { [name: string]: Json };
/** `text` is what the record's key is made from when it has no id. */
export type Line = { text: string; fields: Fields } | { text: string; unparsed: Json };

const maxDepth = 200;
/** As the schema has it. */
const maxTokens = 1e12;

/** A line as an object; anything else is `unparsed`, kept as it is. Undefined for a blank line. */
export function parseLine(raw: string): Line | undefined {
  // Claude Code's own reader strips leading NULs too: a crash can leave a run of them before the next line.
  let text = raw.charCodeAt(0) === 0 ? raw.replace(/^\0+/, '') : raw;
  if (text.charCodeAt(0) !== 0x7b) {
    text = text.trim();
    if (text === '') return undefined;
  }
  const value = parseJson(text);
  if (value === undefined) return { text, unparsed: text.toWellFormed() };
  return isFields(value) ? { text, fields: value } : { text, unparsed: value };
}

/** JSON that can be stored as it is; undefined for what is no JSON or could not be stored. */
export function parseJson(text: string): Json | undefined {
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isStorable(value, 0)) return undefined;
  // Text comes out of UTF-8, so only an escape can bring half a surrogate pair.
  return /\\u[dD][89a-fA-F]/.test(text) ? wellFormed(value) : value;
}

export function isFields(value: Json | undefined): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The field as a non-empty string, else undefined. */
export function findText(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The field as an object, else undefined. */
export function findFields(fields: Fields, name: string): Fields | undefined {
  const value = fields[name];
  return isFields(value) ? value : undefined;
}

/** A time in milliseconds out of a number of them or a date as text; undefined when it cannot be read. */
export function timeOf(value: Json | undefined): number | undefined {
  const at = typeof value === 'string' ? Date.parse(value) : value;
  return typeof at === 'number' && at >= 0 && at <= 8.64e15 ? Math.floor(at) : undefined;
}

/** Counts of tokens, summed: what is no count counts as 0, and what is more than the protocol takes as the most it takes. */
export function countOf(...values: (Json | undefined)[]): number {
  const sum = values.reduce<number>((sum, value) => sum + (typeof value === 'number' && value > 0 ? value : 0), 0);
  return Math.min(Math.floor(sum), maxTokens);
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

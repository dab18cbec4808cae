// What is left of a record when the fields that a source understands are taken out of it: so that nothing is dropped, and
// nothing is kept twice.
import type { Fields, Json } from './json.ts';

const maxFactUnits = 200;

/** The fields but those `taken`; undefined when none are left. */
export function restOf(fields: Fields, taken: readonly string[]): Fields | undefined {
  const left: Entries = [];
  for (const name in fields) if (!taken.includes(name)) left.push([name, fields[name] as Json]);
  return fieldsOf(left);
}

/** Splits what is left into small facts, which fit into a message's metadata, and what is to be kept as data. */
export function splitRest(rest: Fields | undefined): { facts: Fields | undefined; large: Fields | undefined } {
  const small: Entries = [];
  const large: Entries = [];
  for (const name in rest) {
    const value = rest[name] as Json;
    (isSmall(value) ? small : large).push([name, value]);
  }
  return { facts: fieldsOf(small), large: fieldsOf(large) };
}

type Entries = [name: string, value: Json][];

/** Not by assignment: a field may be called `__proto__`. */
function fieldsOf(entries: Entries): Fields | undefined {
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function isSmall(value: Json): boolean {
  if (typeof value === 'string') return value.length <= maxFactUnits;
  return typeof value !== 'object' || value === null || Object.keys(value).length === 0;
}

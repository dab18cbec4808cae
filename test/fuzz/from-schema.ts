// Values that a zod schema takes, for fast-check. Ids and names come out of small pools, so that what one request makes another
// finds. `hints` are values for members by their names: what no schema tells, as that a string is a cursor.
import fc from 'fast-check';
import type { z } from 'zod';

export type Hints = Readonly<Record<string, fc.Arbitrary<unknown>>>;

// biome-ignore lint/suspicious/noExplicitAny: what is inside of a schema has no public type
type Def = any;

const text = fc.oneof(
  fc.constantFrom('', 'a', 'words', '/tmp/x', 'é😀漢\u0000', 'x'.repeat(300), '"\\\n', 'UTC', '*', 'part/put'),
  fc.string({ maxLength: 8 }),
  fc.string({ unit: 'grapheme', maxLength: 4 }),
);
const anyJson = fc.oneof(fc.constantFrom(null, {}, [], 0, 'text'), fc.jsonValue({ maxDepth: 2 }));
const anyObject = fc.dictionary(fc.constantFrom('a', 'b', 'text', '', '😀'), anyJson, { maxKeys: 3 });

/** Values that `schema` takes. Throws for what the table does not use yet: it is to be added here then. */
export function fromSchema(schema: z.ZodType, hints: Hints = {}): fc.Arbitrary<unknown> {
  const of = (inner: z.ZodType) => fromSchema(inner, hints);
  const def: Def = (schema as Def)._zod.def;
  switch (def.type) {
    case 'string':
      return stringOf(checksOf(def));
    case 'number':
      return numberOf(def);
    case 'boolean':
      return fc.boolean();
    case 'literal':
      return fc.constantFrom(...def.values);
    case 'enum':
      return fc.constantFrom(...Object.values(def.entries));
    case 'optional':
      return fc.option(of(def.innerType), { nil: undefined });
    case 'nullable':
      return fc.option(of(def.innerType));
    case 'array': {
      const { minimum: minLength = 0, maximum = 3 } = checksOf(def);
      return fc.array(of(def.element), { minLength, maxLength: Math.max(minLength, Math.min(maximum, 3)) });
    }
    case 'object':
      return objectOf(def.shape, hints);
    case 'union':
      return fc.oneof(...def.options.map(of));
    case 'record':
      return fc.dictionary(stringOf({}), of(def.valueType), { maxKeys: 2 });
    case 'unknown':
      return anyJson;
    case 'custom':
      return schema.safeParse([]).success ? anyJson : anyObject;
    default:
      throw new Error(`no values for a schema of the type ${def.type} yet`);
  }
}

function objectOf(shape: Record<string, z.ZodType>, hints: Hints): fc.Arbitrary<unknown> {
  const members = Object.entries(shape).map(([name, schema]): [string, fc.Arbitrary<unknown>] => {
    const { type, innerType }: Def = (schema as Def)._zod.def;
    const made = fromSchema(type === 'optional' ? innerType : schema, hints);
    const hint = type === 'enum' ? undefined : hints[name];
    return [name, hint ? fc.oneof({ weight: 3, arbitrary: hint }, { weight: 1, arbitrary: made }) : made];
  });
  const requiredKeys = Object.keys(shape).filter((name) => !shape[name]!.safeParse(undefined).success);
  return fc.record(Object.fromEntries(members), { requiredKeys, noNullPrototype: true });
}

type Checks = { minimum?: number; maximum?: number; pattern?: RegExp };

function checksOf({ checks = [] }: Def): Checks {
  const found: Checks = {};
  for (const check of checks) {
    const { minimum, maximum, pattern, check: kind, value } = check._zod.def;
    if (minimum !== undefined || kind === 'greater_than') found.minimum = minimum ?? value;
    if (maximum !== undefined || kind === 'less_than') found.maximum = maximum ?? value;
    if (pattern) found.pattern = pattern;
  }
  return found;
}

function stringOf({ minimum = 0, maximum = Number.POSITIVE_INFINITY, pattern }: Checks): fc.Arbitrary<string> {
  if (!pattern)
    return text.map((made) => cut(made.length < minimum ? `${made}xxxxxxxx`.slice(0, minimum) : made, maximum));
  const prefix = /^\^([a-z]+_)\[/.exec(pattern.source)?.[1];
  const pooled = prefix === undefined ? [] : ['a', 'b', 'c', 'd'].map((name) => prefix + name);
  const matching = fc.stringMatching(pattern, { maxLength: 12 }).map((made) => cut(made, maximum));
  if (pooled.length === 0)
    return fc.oneof(
      fc.constantFrom('a', 'b', 'part/*', '*').filter((one) => pattern.test(one)),
      matching,
    );
  return fc.oneof({ weight: 15, arbitrary: fc.constantFrom(...pooled) }, { weight: 1, arbitrary: matching });
}

/** Never in the midst of a pair: a lone surrogate is no text. */
function cut(made: string, maximum: number): string {
  return made.slice(0, Math.min(maximum, 4_096)).toWellFormed();
}

function numberOf(def: Def): fc.Arbitrary<number> {
  const { minimum: min, maximum: max } = checksOf(def);
  if (def.format !== 'safeint')
    return fc.double({ min: min ?? -1e9, max: max ?? 1e9, noNaN: true, noDefaultInfinity: true });
  const all = fc.integer({
    min: Math.max(min ?? -(2 ** 31), -(2 ** 31)),
    max: Math.min(max ?? 2 ** 31 - 1, 2 ** 31 - 1),
  });
  const [low, high] = [min ?? Number.MIN_SAFE_INTEGER, max ?? Number.MAX_SAFE_INTEGER];
  const small = [0, 1, 2, 3, 10].filter((one) => one >= low && one <= high);
  return fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...small, low) },
    { weight: 1, arbitrary: fc.constantFrom(low, high) },
    { weight: 1, arbitrary: all },
  );
}

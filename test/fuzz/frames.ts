// Frames that a client may send, as text: requests of every method with params that fit, that fit but for one place, and that are
// nonsense; notifications, batches, responses that nobody asked for, and what is no JSON-RPC or no JSON at all. What only the run
// itself can tell stands in them as `"<<name>>"`, and is put in when they are sent (player.ts).
import fc from 'fast-check';
import type { MethodName } from '../../protocol/methods.ts';
import { methods } from '../../protocol/methods.ts';
import type { Hints } from './from-schema.ts';
import { fromSchema } from './from-schema.ts';

/** `lane`: by which connection it is sent, as any number. */
export type FuzzFrame = { lane: number; text: string };

/** It ends the daemon; all others are called. What these would reach outside of it is replaced by `harmless`. */
const left: readonly MethodName[] = ['daemon/shutdown'];
/** They take as long as hundreds of others. */
const rare: readonly MethodName[] = [
  'rpc.discover',
  'store/compact',
  'store/backup',
  'store/check',
  'share/preview',
  'share/create',
];

const later = (name: string) => `<<${name}>>`;
const cursor = fc.constantFrom(...['head', 'head', 'earliest', 'cursor'].map(later), 'x.1.y', '');
const hints: Hints = {
  // Each from the beginning is sent all that there is.
  from: fc.oneof({ weight: 1, arbitrary: cursor }, { weight: 9, arbitrary: fc.constantFrom(later('head'), 'now') }),
  ...{ after: cursor, cursor, expectedCursor: cursor, through: cursor },
  opId: fc.oneof(
    { weight: 1, arbitrary: fc.constantFrom('o1', 'o2', 'o3') },
    { weight: 4, arbitrary: fc.nat(1e9).map((at) => `o${at}`) },
  ),
  ...{ batchId: fc.constantFrom('b1', 'b2', later('batchId')), origin: fc.constantFrom(later('storeId'), 'elsewhere') },
  ...{
    token: fc.constantFrom(later('token'), later('token'), 'none'),
    subscription: fc.constantFrom('sub_1', 'sub_2'),
  },
  ...{ pageToken: fc.constantFrom(later('nextPageToken'), 'x'), name: fc.constantFrom('n1', 'n2', 'claude-code') },
  ...{ timeZone: fc.constantFrom('UTC', 'Asia/Tokyo', 'Mars/Olympus'), limit: fc.constantFrom(1, 2, 100, 1_000) },
  ...{
    capabilityId: fc.constantFrom('cap_a', later('capabilityId')),
    kind: fc.constantFrom('claude-code', 'codex', 'k1', 'file', 'http'),
  },
  dependsOn: fc.constantFrom([], [], [], ['o1']),
  query: fc.constantFrom('words', '"', 'a* OR -', 'NEAR(a b)'),
};
/** Elsewhere a text that holds an export would be in the next one, and so on. */
const hintsOf = (name: MethodName): Hints =>
  name === 'session/import' ? { ...hints, text: fc.constant(later('export')) } : hints;

/** What no schema asks for; some of it can be written as text only. */
const nonsense = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 1.5, 0, 2 ** 53, -(2 ** 63), 1e300, 5e-324, '', [], {}, [[]]),
  fc.constantFrom<unknown>(
    later('huge'),
    later('deep'),
    later('long'),
    '\ud800',
    '\u0000',
    'a\udc00',
    '__proto__',
    'toString',
  ),
  fc.constantFrom(
    ...['{"__proto__":{"a":1}}', '{"constructor":1}', '{"\ud800":1}', '{"":{"toString":null}}'].map((text) =>
      JSON.parse(text),
    ),
  ),
  fc.jsonValue({ maxDepth: 2 }),
);

const called = (Object.keys(methods) as MethodName[]).filter((name) => !left.includes(name));
const method = fc.oneof(
  { weight: 100, arbitrary: fc.constantFrom<string>(...called.filter((name) => !rare.includes(name))) },
  { weight: 1, arbitrary: fc.constantFrom<string>(...rare) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', 'toString', '__proto__', 'rpc.nothing', 'ping/', 'session/create\u0000'),
  },
);
const paramsOf = new Map(called.map((name) => [name as string, fromSchema(methods[name].params, hintsOf(name))]));

const params = (name: string): fc.Arbitrary<unknown> => {
  const valid = paramsOf.get(name) ?? nonsense;
  const nearMiss = fc
    .tuple(valid, fc.nat(), fc.constantFrom(...changes), nonsense)
    .map(([value, at, change, other]) => changed(value, at, change, other));
  return fc.oneof(
    { weight: 12, arbitrary: valid },
    { weight: 6, arbitrary: nearMiss },
    { weight: 1, arbitrary: nonsense },
  );
};

const id = fc.oneof(
  { weight: 12, arbitrary: fc.constant<unknown>(later('id')) },
  { weight: 1, arbitrary: fc.constantFrom<unknown>(null, '', '\u0000', -1.5, 1e300, '__proto__') },
);

const request = fc
  .tuple(method, id, fc.nat(9))
  .chain(([name, given, kind]) =>
    params(name).map((value) =>
      harmless({ jsonrpc: '2.0', ...(kind === 0 ? {} : { id: given }), method: name, params: value }),
    ),
  );

/** Members that are missing, of another type, or too many; a response that nobody asked for among them. */
const wrong = fc
  .oneof(
    fc
      .tuple(request, fc.nat(3), nonsense)
      .map(([message, at, other]) => ({ ...message, [['jsonrpc', 'id', 'method', 'params'][at]!]: other })),
    fc.tuple(id, nonsense).map(([given, result]) => ({ jsonrpc: '2.0', id: given, result })),
    fc.tuple(id, nonsense).map(([given, error]) => ({ jsonrpc: '2.0', id: given, error })),
    nonsense,
  )
  .map((message) => (isMembers(message) && 'method' in message ? harmless(message as Request) : message));

const message = fc.oneof({ weight: 9, arbitrary: request as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: wrong });
const whole = fc
  .oneof(
    { weight: 12, arbitrary: message },
    { weight: 1, arbitrary: fc.array(message, { maxLength: 8 }) as fc.Arbitrary<unknown> },
  )
  // A line of it: JSON has no line end of its own.
  .map((value) => JSON.stringify(value));
const torn = fc
  .tuple(whole, fc.nat(), fc.constantFrom('', '}', '\u0000', '"', ',', '\ufeff'))
  .map(([text, at, instead]) => {
    const place = at % (text.length + 1);
    return (text.slice(0, place) + instead + text.slice(place + 1)).toWellFormed();
  });

export const fuzzFrame: fc.Arbitrary<FuzzFrame> = fc.record({
  lane: fc.nat(999),
  text: fc.oneof({ weight: 19, arbitrary: whole }, { weight: 1, arbitrary: torn }),
});

type Members = Record<string, unknown>;
type Request = Members & { method: unknown; params: unknown };

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const changes = ['replace', 'remove', 'add', 'wrap'] as const;

/** The value with one place of it changed. */
function changed(value: unknown, at: number, change: (typeof changes)[number], other: unknown): unknown {
  const copy = structuredClone(value);
  const places: { of: Members; name: string }[] = [];
  const walk = (of: unknown) => {
    if (typeof of !== 'object' || of === null) return;
    for (const [name, inner] of Object.entries(of)) {
      places.push({ of: of as Members, name });
      walk(inner);
    }
  };
  walk(copy);
  const place = places[at % places.length];
  if (!place) return other;
  const { of, name } = place;
  if (change === 'replace') of[name] = other;
  else if (change === 'wrap') of[name] = [of[name]];
  else if (change === 'add') Object.defineProperty(of, 'unknown', { value: other, enumerable: true });
  else if (Array.isArray(of)) of.splice(Number(name), 1);
  else delete of[name];
  return copy;
}

/** No wait of seconds, no folder and no host that is somebody's: what it would reach outside is in the run's own, or refuses. */
function harmless(message: Request): Request {
  const { method: name, params: given } = message;
  if (!isMembers(given)) return message;
  const made: Members = { ...given };
  for (const wait of ['waitMs', 'timeoutMs']) if (typeof made[wait] === 'number' && made[wait] > 5) made[wait] = 5;
  if (name === 'blocker/wait') made.timeoutMs ??= 1;
  if (name === 'source/add' && typeof made.path === 'string') made.path = later(`folder ${made.path.length % 4}`);
  if (name === 'store/backup' && typeof made.path === 'string') made.path = later(`copy ${made.path.length % 2}`);
  if (name === 'sink/add' && typeof made.url === 'string') made.url = later(made.kind === 'file' ? 'file' : 'host');
  if (name === 'share/create' && typeof made.host === 'string') made.host = later('host');
  return { ...message, params: made };
}

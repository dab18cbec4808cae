// The values of capnweb's wire (0.12), to and from JSON: there a list stands in a list of its own, and any other list is a word
// of the protocol. Text is passed on as it is: capnweb's own reader drops members that are named as Object's own are.
import { jsonRpcCodes, RpcError } from '../../../protocol/errors.ts';

/** What capnweb's reader takes, less what a message puts around a value. */
const maxDepth = 250;
const [quote, open, backslash, close, openBrace, closeBrace] = [0x22, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d];

/** A part of what a call gave. */
export type Path = readonly (string | number)[];

/** What another message stands for, and where that is to be put. */
export type Reference = { id: number; path: Path; set(value: unknown): void };

export type Taken = { value: unknown; references: Reference[]; callbacks: number[] };

/** JSON text as capnweb writes it. Throws RpcError for what its reader would end the session for. */
export function escaped(json: string): string {
  const pieces: string[] = [];
  let from = 0;
  let depth = 0;
  for (let at = 0; at < json.length; at += 1) {
    const unit = json.charCodeAt(at);
    if (unit === quote) {
      at = endOfString(json, at);
    } else if (unit === open || unit === close) {
      pieces.push(json.slice(from, at), unit === open ? '[[' : ']]');
      from = at + 1;
    }
    if (unit === open || unit === openBrace) depth += 1;
    else if (unit === close || unit === closeBrace) depth -= 1;
    if (depth > maxDepth)
      throw unfit(`it nests more than ${maxDepth} levels deep, which capnweb does not read: use /rpc or /ws`);
  }
  pieces.push(json.slice(from));
  return pieces.join('');
}

function endOfString(json: string, start: number): number {
  for (let at = start + 1; ; at += 1) {
    at = json.indexOf('"', at);
    let before = at;
    while (json.charCodeAt(before - 1) === backslash) before -= 1;
    if ((at - before) % 2 === 0) return at;
  }
}

/** An argument as a value of JSON, but for what is put into it later. Throws RpcError for what is none. */
export function taken(argument: unknown): Taken {
  const found: Taken = { value: undefined, references: [], callbacks: [] };
  const walk = (value: unknown, set: (value: unknown) => void, depth: number): void => {
    if (typeof value !== 'object' || value === null) return void set(value);
    if (depth > maxDepth) throw unfit(`values may nest ${maxDepth} levels deep here`);
    const inner = !Array.isArray(value) ? value : isList(value) ? value[0] : undefined;
    if (inner === undefined) return void word(value as unknown[], set);
    // What came is changed in its place: a member named __proto__ stays one, and is refused as everywhere.
    const members = inner as Record<string, unknown>;
    for (const name of Object.keys(members)) {
      const put = (member: unknown) => {
        members[name] = member;
      };
      walk(members[name], put, depth + 1);
    }
    set(inner);
  };
  const word = (value: unknown[], set: (value: unknown) => void): void => {
    const [name, id, path = []] = value;
    if (name === 'undefined') return void set(undefined);
    if (name === 'export' && Number.isInteger(id)) found.callbacks.push(id as number);
    else if (name === 'pipeline' && Number.isInteger(id) && isPath(path) && value.length <= 3) {
      found.references.push({ id: id as number, path, set });
    } else throw unfit(`what is passed on is JSON, and no ${nameOf(name)}`);
    set(null);
  };
  walk(
    argument,
    (value) => {
      found.value = value;
    },
    0,
  );
  return found;
}

function isList(value: unknown[]): value is [unknown[]] {
  return value.length === 1 && Array.isArray(value[0]);
}

/** Kept as long as what was made of it: no longer than any that leads anywhere. */
export function isPath(value: unknown): value is Path {
  const isPart = (part: unknown) => (typeof part === 'string' && part.length <= 256) || typeof part === 'number';
  return Array.isArray(value) && value.length <= 16 && value.every(isPart);
}

/** The part of a value that a path leads to; undefined where it leads nowhere. */
export function partOf(whole: unknown, path: Path): unknown {
  let value = whole;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

/** An error as capnweb writes it: at the client an Error with the code and the data of the RPC's. */
export function escapedError({ message, code, data }: RpcError): string {
  const textOf = (members: object) =>
    `["error","Error",${JSON.stringify(message)},null,${escaped(JSON.stringify(members))}]`;
  try {
    return textOf({ code, data });
  } catch {
    return textOf({ code, data: { kind: data.kind } });
  }
}

/** Something that came, for a message: it may be anything. */
export function nameOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 50) : typeof value === 'number' ? String(value) : typeof value;
}

export function unfit(message: string): RpcError {
  return new RpcError({ code: jsonRpcCodes.invalidParams, message });
}

// The method table bound to its handlers: validates params by it, keeps the order of a connection, maps what is thrown.
import { createJSONRPCErrorResponse, JSONRPCServer } from 'json-rpc-2.0';
import type { z } from 'zod';
import type { Refusal } from '../../protocol/errors.ts';
import { RefusedError, refuse, refuseParams } from '../../protocol/errors.ts';
import type { Method, MethodName, Result } from '../../protocol/methods.ts';
import { methods, protocolVersion } from '../../protocol/methods.ts';
import { nobody, unauthorized } from '../engine/grant.ts';
import type { Access } from './access.ts';
import { Caller } from './caller.ts';
import type { Call, Rpc } from './connection.ts';
import { type RawJson, wireErrorOf } from './message.ts';
import type { Peer } from './peer.ts';

type ParsedParams<M extends MethodName> = z.output<(typeof methods)[M]['params']>;

/** One handler for each method: a method without one does not compile. */
export type Handlers = {
  [M in MethodName]: (
    params: ParsedParams<M>,
    caller: Caller,
    call: Call,
  ) => Result<M> | RawJson | Promise<Result<M> | RawJson>;
};

export function changesRecord(name: string): boolean {
  const kind = (methods as Record<string, Method>)[name]?.kind;
  return kind === 'op' || kind === 'mutation' || kind === 'series';
}

/**
 * `peerOf` finds what is held for a call's connection; `onIncident` logs an unknown error and names it; `refusalOf` gives what is told of one
 * all the same; `settled` resolves when no commit is on its way to the disk.
 */
export function bindMethods(
  handlers: Handlers,
  peerOf: (call: Call) => Peer,
  access: Pick<Access, 'run'>,
  onIncident: (error: unknown) => string,
  refusalOf: (error: unknown) => RefusedError | undefined,
  settled: () => Promise<void>,
): Rpc {
  const whileSettled = async (run: () => unknown) => {
    await settled();
    const result = await run();
    // It may hold what was committed meanwhile.
    await settled();
    return result;
  };
  let incident = '';
  const rpc: Rpc = new JSONRPCServer<Call>({
    // Told of every error, and just before it is mapped; of a notification's error nobody else hears.
    errorListener: (_message, error) => {
      if (!(error instanceof RefusedError)) incident = onIncident(error);
    },
  });
  rpc.mapErrorToJSONRPCErrorResponse = (id, error) => {
    const { code, message, data } = wireErrorOf(refusalOf(error) ?? error, () => incident);
    return createJSONRPCErrorResponse(id, code, message, data);
  };
  for (const [name, method] of Object.entries(methods) as [MethodName, Method][]) {
    const handle = handlers[name] as (params: unknown, caller: Caller, call: Call) => unknown;
    rpc.addMethod(name, (raw: unknown, call: Call) => {
      const peer = peerOf(call);
      const params = takeIn(name, raw, peer, call);
      // As who it is now, also where it waits for others before it.
      const caller = new Caller(peer);
      const run = () => access.run(caller, name, method, params, () => handle(params, caller, call));
      const act = readsBeside(name, method) ? () => whileSettled(run) : run;
      if (method.kind === 'open' || method.kind === 'wait') return act();
      if (changesRecord(name)) return peer.mutating(async () => act(), method.kind === 'series');
      // A read observes every mutation that its connection sent before it.
      const before = peer.mutationsUnderWay;
      return before ? before.then(() => call.read(act)) : call.read(act);
    });
  }
  return rpc;
}

/**
 * What answers from memory that a commit changes before it is on the disk (capabilities, sinks, shares), or from a connection of
 * its own (searches): it waits for the commit under way, where all other reads see what was before it.
 */
function readsBeside(name: string, { kind, right }: Method): boolean {
  return kind === 'read' && (right === 'admin' || right === 'share' || name === 'session/search');
}

/** The params, checked. Who shows a token and is refused, for whatever reason, does not go on as who they were. */
function takeIn(name: MethodName, raw: unknown, peer: Peer, call: Call): unknown {
  const method: Method = methods[name];
  try {
    if (method.needsConnection && !peer.lasts) throw new RefusedError(notHere(name));
    if (peer.isNobody) checkGreeting(name, peer, call);
    return parse(method, raw);
  } catch (error) {
    const showsToken = name === 'capability/redeem' || (name === 'initialize' && isMembers(raw) && 'token' in raw);
    if (showsToken) peer.act(nobody);
    throw error;
  }
}

function notHere(name: string): Refusal {
  const message = `${name} is about a connection that lasts: use the socket, /ws or /events`;
  return { refused: 'MethodNotFound', message, data: {} };
}

/** Who is nobody says who they are first; who came in as nobody does so at once, or goes. */
function checkGreeting(name: MethodName, peer: Peer, call: Call): void {
  if (peer.isStranger) {
    call.afterReply(() => {
      if (peer.isNobody) peer.connection.close();
    });
  }
  const isGreeting = name === 'initialize' || (name === 'capability/redeem' && !peer.isStranger);
  if (!isGreeting) throw new RefusedError(unauthorized('unknown'));
}

function parse(method: Method, raw: unknown): unknown {
  if (Array.isArray(raw)) throw new RefusedError(refuseParams('params are given by name, in an object'));
  const given = withoutMeta(raw ?? {});
  if (method === methods.initialize) checkVersion(given.protocolVersion);
  // The ops of a batch have params of their own.
  if (Array.isArray(given.ops)) given.ops = given.ops.map(withoutMetaInParams);
  const parsed = method.params.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new RefusedError(refuseParams(...describe(parsed.error)));
}

type Members = Record<string, unknown>;

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `_meta` is allowed in any params, and ignored. */
function withoutMeta(params: unknown): Members {
  const { _meta, ...given } = params as Members;
  return given;
}

function withoutMetaInParams(op: unknown): unknown {
  return isMembers(op) && isMembers(op.params) && '_meta' in op.params ? { ...op, params: withoutMeta(op.params) } : op;
}

/** Before the rest: a newer client may send members that only its version knows. */
function checkVersion(asked: unknown): void {
  if (!Number.isInteger(asked) || asked === protocolVersion) return;
  const message = `this sessiond speaks protocol version ${protocolVersion}, not ${asked}`;
  throw new RefusedError(refuse('UnsupportedVersion', message, { supported: [protocolVersion] }));
}

/** Of a value that may have several shapes, what is wrong by the shape that it comes nearest to. */
function nearest(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue];
  const [best] = issue.errors.toSorted((a, b) => a.length - b.length);
  return best!.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })).flatMap(nearest);
}

/** The first thing that is wrong, by the name of its member; all of them in the data. */
function describe(error: z.ZodError): [string, Record<string, unknown>] {
  const issues = error.issues
    .slice(0, 10)
    .flatMap(nearest)
    .map((issue) => {
      const path = issue.path.map(String);
      if (issue.code !== 'unrecognized_keys') return { member: path.join('.'), message: issue.message };
      // Named by whoever sent them, as many and as long as they please.
      const named = issue.keys.slice(0, 10).map((key) => [...path, key.slice(0, 100)].join('.'));
      const keys = named.length < issue.keys.length ? [...named, '…'] : named;
      return { member: keys.join(', '), message: `unknown: ${keys.join(', ')}` };
    });
  const [first] = issues;
  const message = first ? `${first.member || 'params'}: ${first.message}` : 'invalid params';
  return [message, { member: first?.member ?? '', issues: issues.slice(0, 10) }];
}

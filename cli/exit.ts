// Exit codes, and the one place that maps what went wrong to a code, a message and a hint. A failure that was foreseen
// shows no stack trace; what was not foreseen is a bug, and shows it.

import type { ErrorKind } from '../protocol/errors.ts';
import { jsonRpcCodes, RpcError } from '../protocol/errors.ts';
import { NoAnswerError } from '../protocol/node/connect-answering.ts';
import { PathError } from '../protocol/node/paths.ts';
import { SpawnError } from '../protocol/node/spawn-error.ts';
import { TransportClosedError } from '../protocol/transport.ts';
import type { CommandLine } from './command-line.ts';
import { cleanText } from './render/clean.ts';

export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  notReachable: 3,
  notAuthorised: 4,
  notFound: 5,
  versionMismatch: 6,
  busy: 7,
  alreadyResolved: 8,
  denied: 9,
  rejected: 10,
  expired: 11,
  timedOut: 12,
} as const;

/** For --help and the man page: what each code says. */
export const exitCodeMeanings: Record<keyof typeof exitCodes, string> = {
  ok: 'ok',
  failure: 'failure',
  usage: 'usage',
  notReachable: 'daemon not reachable',
  notAuthorised: 'not authorised',
  notFound: 'not found',
  versionMismatch: 'version mismatch',
  busy: 'busy or locked',
  alreadyResolved: 'somebody else was first',
  denied: 'ask: denied',
  rejected: 'ask: rejected',
  expired: 'ask: expired',
  timedOut: 'ask: nobody answered in time',
};

/** A failure that a verb foresees; `hint` is what to do next, a command where there is one. */
export class CliError extends Error {
  readonly exitCode: number;
  readonly hint: string | undefined;
  /** Of a refusal that is told in other words than the daemon's. */
  readonly kind: ErrorKind | undefined;
  constructor(exitCode: number, message: string, hint?: string, kind?: ErrorKind) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
    this.hint = hint;
    this.kind = kind;
  }
}

export type Failure = { code: number; kind?: string; message: string; hint?: string; stack?: string };

const kindCodes: Partial<Record<ErrorKind, number>> = {
  NotFound: exitCodes.notFound,
  Unauthorized: exitCodes.notAuthorised,
  Forbidden: exitCodes.notAuthorised,
  UnsupportedVersion: exitCodes.versionMismatch,
  Overloaded: exitCodes.busy,
  ShuttingDown: exitCodes.busy,
};

const systemCodes: Record<string, number> = {
  ENOENT: exitCodes.notReachable,
  ECONNREFUSED: exitCodes.notReachable,
  ENOTSOCK: exitCodes.notReachable,
  EACCES: exitCodes.notAuthorised,
  EPERM: exitCodes.notAuthorised,
  EAGAIN: exitCodes.busy,
};

/**
 * What to tell of an error, and the code to exit with. `commandLine` makes the commands that hints name; `hasToken`: whether
 * a capability was acted with, which may then be why something is not allowed.
 */
export function failureOf(error: unknown, commandLine: CommandLine, hasToken = true): Failure {
  if (error instanceof CliError) return failure(error.exitCode, error.message, error.hint, error.kind);
  if (error instanceof PathError) return failure(exitCodes.usage, error.message);
  if (error instanceof RpcError) return rpcFailure(error, commandLine, hasToken);
  if (error instanceof SpawnError) return spawnFailure(error, commandLine);
  if (error instanceof NoAnswerError) {
    return failure(exitCodes.notReachable, error.message, `see what it is doing: ${commandLine('status')}`);
  }
  if (error instanceof TransportClosedError) {
    return failure(
      exitCodes.notReachable,
      'the daemon closed the connection',
      `start it again: ${commandLine('start')}`,
    );
  }
  if (isSystemError(error)) {
    const code = error.syscall === 'connect' ? systemCodes[error.code] : undefined;
    if (code !== exitCodes.notAuthorised) return failure(code ?? exitCodes.failure, error.message);
    const hint =
      'the daemon serves the user who started it alone; SESSIOND_SOCKET or SESSIOND_HOME may name that of another';
    return failure(code, `you may not use the socket (${error.message})`, hint);
  }
  const bug = error instanceof Error ? error : new Error(String(error));
  return { ...failure(exitCodes.failure, bug.message), ...(bug.stack && { stack: cleanText(bug.stack) }) };
}

function rpcFailure(error: RpcError, commandLine: CommandLine, hasToken: boolean): Failure {
  if (error.code === jsonRpcCodes.methodNotFound) {
    const hint = `the daemon that runs may be older than this command: ${commandLine('stop')}, then again`;
    return failure(exitCodes.versionMismatch, error.message, hint);
  }
  if (error.code === jsonRpcCodes.invalidParams) return failure(exitCodes.usage, error.message);
  const code = (error.kind && kindCodes[error.kind]) ?? exitCodes.failure;
  return failure(code, error.message, kindHint(error, commandLine, hasToken), error.kind);
}

function kindHint(error: RpcError, commandLine: CommandLine, hasToken: boolean): string | undefined {
  switch (error.kind) {
    case 'NotFound':
      if (error.data.what === 'blocker') return `what waits for an answer: ${commandLine('inbox')}`;
      if (error.data.what === 'source') return `the sources there are: ${commandLine('source ls')}`;
      if (error.data.what === 'subscriber') return `the names there are: ${commandLine('rpc subscriber/list')}`;
      if (error.data.what === 'capability') return `what was handed out: ${commandLine('caps --all')}`;
      if (error.data.what === 'sink') return `the sinks there are: ${commandLine('sink ls')}`;
      if (error.data.what === 'batch') return `what waits to be sent: ${commandLine('outbox')}`;
      if (error.data.what === 'share') return `what is shared: ${commandLine('share --list')}`;
      return `the sessions there are: ${commandLine('ls --all')}`;
    case 'Unauthorized':
      // Of the others the daemon says itself what to do.
      if (error.data.reason === 'unknown') return 'is the token whole, and of this daemon? ask whoever gave it';
      return error.data.reason === 'staleEpoch' ? 'the same command again redeems it' : undefined;
    case 'Forbidden':
      if (!hasToken) return undefined; // the daemon says itself why not even its owner may
      return `a token must give the right ${error.data.right} for this, not narrowed to other ops or sessions`;
    case 'UnsupportedVersion':
      return `the daemon that runs is of another version: ${commandLine('stop')}, then again`;
    case 'Overloaded':
    case 'ShuttingDown':
      return 'try again in a moment';
    case 'CursorExpired':
    case 'StoreChanged':
    case 'CursorInFuture':
    case 'Diverged':
      return `begin anew, with all events that are kept: ${commandLine('tail --from start')}`;
    case 'StoreUnavailable':
      return error.data.reason === 'full' ? 'the disk is full' : undefined;
    default:
      return undefined;
  }
}

function spawnFailure(error: SpawnError, commandLine: CommandLine): Failure {
  if (error.reason === 'refused') return failure(exitCodes.failure, error.message, againHint(commandLine, 'start'));
  if (error.reason === 'locked') return failure(exitCodes.busy, error.message, lockedHint);
  return failure(exitCodes.notReachable, error.message, `the log may say why: ${error.logFile}`);
}

/** For a daemon that another process keeps from starting. */
export const lockedHint = 'another process holds the store and does not answer on this socket';

/** For a daemon that said itself what keeps it from starting. */
export function againHint(commandLine: CommandLine, verb: string): string {
  return `put that right, then: ${commandLine(verb)}`;
}

function failure(code: number, message: string, hint?: string, kind?: ErrorKind): Failure {
  const shown = { code, message: cleanText(message), ...(hint !== undefined && { hint: cleanText(hint) }) };
  return kind === undefined ? shown : { ...shown, kind };
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException & { code: string } {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}

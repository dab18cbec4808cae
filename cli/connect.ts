// A connection for a verb: to the daemon that runs, else to one that is started for it (unless that is turned off).
import type { Client } from '../protocol/client.ts';
import { RpcError } from '../protocol/errors.ts';
import type { Result } from '../protocol/methods.ts';
import { connectAnswering } from '../protocol/node/connect-answering.ts';
import { pathsFrom } from '../protocol/node/paths.ts';
import { TransportClosedError } from '../protocol/transport.ts';
import { protocolVersion } from '../protocol/version.ts';
import type { Context } from './context.ts';
import { CliError, exitCodes } from './exit.ts';

const answerTimeoutMs = 10_000;
const startTimeoutMs = 60_000;
/** For who may not read, and typed what may be the start of an id. */
export const wholeIdHint = 'the capability cannot read, so the full id is needed: ask whoever gave it';

export type Connected = {
  client: Client;
  server: Result<'initialize'>;
  /** Whether the daemon was started for this connection. */
  started: boolean;
  /** Whether it may read: without that right ids must be typed whole, and nothing is asked to tell of what was done. */
  canRead: boolean;
};

/**
 * Connects as `sessiond-cli`; with a token it acts with what that stands for from the first call on, and never as the owner.
 * A daemon of another version is told on stderr, once. Rejects with what exit.ts knows: not reachable, not authorised,
 * another protocol.
 */
export async function connect(context: Context): Promise<Connected> {
  const connected = await connectQuietly(context);
  const { version } = connected.server.server;
  if (version !== context.version) await (await import('./version-skew.ts')).noticeSkew(context, version);
  return connected;
}

/** The same without a word about versions. */
export async function connectQuietly(context: Context): Promise<Connected> {
  const { socket } = pathsFrom(context.env);
  // Asked by a connection, systemd would start a daemon.
  if (!context.spawn && (await (await import('./service/held-socket.ts')).heldSocket(context)) === 'waiting')
    throw new NotRunningError(`systemd listens on ${socket}, for the next use`, context.program);
  const { token, version } = context;
  const who = { protocolVersion, client: { name: 'sessiond-cli', version }, ...(token !== undefined && { token }) };
  const introduce = (client: Client) => client.call('initialize', who);
  try {
    const { client, answer } = await connectAnswering(socket, answerTimeoutMs, introduce);
    return { client, server: answer, started: false, canRead: canRead(answer) };
  } catch (error) {
    if (!isAbsent(error)) throw error;
    if (!context.spawn) throw new NotRunningError(`nobody listens on ${socket}`, context.program);
  }
  const { daemonPath, env, tied = false } = context;
  // Loaded when it is needed, and with it Node's module that starts processes.
  const { spawnDaemon } = await import('../protocol/node/spawn.ts');
  const { client, started } = await spawnDaemon({ daemonPath, env, tied, timeoutMs: startTimeoutMs });
  try {
    const server = await introduce(client);
    return { client, server, started, canRead: canRead(server) };
  } catch (error) {
    client.close();
    throw error;
  }
}

/** Connects only when a daemon runs, without a word about versions; undefined when none does. */
export async function connectIfRunning(context: Context): Promise<Connected | undefined> {
  try {
    return await connectQuietly({ ...context, spawn: false });
  } catch (error) {
    if (error instanceof NotRunningError) return undefined;
    throw error;
  }
}

/** Runs `use` on a connection and closes it behind that, however it ends. */
export async function withDaemon<T>(context: Context, use: (connected: Connected) => Promise<T>): Promise<T> {
  const connected = await connect(context);
  return useConnected(connected, () => use(connected));
}

/** The same of a connection that is there. */
export async function useConnected<T>(connected: Connected, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    throw connected.canRead ? error : notFoundUnread(error);
  } finally {
    connected.client.close();
  }
}

function canRead({ rights }: Result<'initialize'>): boolean {
  return rights.includes('read');
}

/** What is not found may be the start of an id, which only who may read can use. Any other error as it is. */
function notFoundUnread(error: unknown): unknown {
  if (!(error instanceof RpcError) || error.kind !== 'NotFound') return error;
  return new CliError(exitCodes.notFound, error.message, wholeIdHint, error.kind);
}

/** No daemon serves the socket. */
export class NotRunningError extends CliError {
  constructor(why: string, program: string) {
    super(exitCodes.notReachable, `no daemon is running (${why})`, `start it: ${program} start`);
  }
}

/** Nobody listens, or a daemon that is just ending. ENOTDIR: the folder cannot even be made, which spawnDaemon tells. */
function isAbsent(error: unknown): boolean {
  if (error instanceof TransportClosedError) return true;
  if (error instanceof RpcError) return error.kind === 'ShuttingDown';
  return ['ENOENT', 'ENOTDIR', 'ECONNREFUSED', 'ENOTSOCK'].includes((error as NodeJS.ErrnoException).code ?? '');
}

// A connection for a verb: to the daemon that runs, else to one that is started for it (unless that is turned off).
import type { Client } from '../protocol/client.ts';
import { RpcError } from '../protocol/errors.ts';
import type { Result } from '../protocol/methods.ts';
import { connectAnswering } from '../protocol/node/connect-answering.ts';
import { pathsFrom } from '../protocol/node/paths.ts';
import { spawnDaemon } from '../protocol/node/spawn.ts';
import { TransportClosedError } from '../protocol/transport.ts';
import { protocolVersion } from '../protocol/version.ts';
import type { Context } from './context.ts';
import { CliError, exitCodes } from './exit.ts';

const answerTimeoutMs = 10_000;
const startTimeoutMs = 60_000;

export type Connected = {
  client: Client;
  server: Result<'initialize'>;
  /** Whether the daemon was started for this connection. */
  started: boolean;
};

/**
 * Connects as `sessiond-cli`; with a token it acts with what that stands for from the first call on, and never as the owner.
 * Rejects with what exit.ts knows: not reachable, not authorised, another version.
 */
export async function connect(context: Context): Promise<Connected> {
  const { socket } = pathsFrom(context.env);
  const { token, version } = context;
  const who = { protocolVersion, client: { name: 'sessiond-cli', version }, ...(token !== undefined && { token }) };
  const introduce = (client: Client) => client.call('initialize', who);
  try {
    const { client, answer } = await connectAnswering(socket, answerTimeoutMs, introduce);
    return { client, server: answer, started: false };
  } catch (error) {
    if (!isAbsent(error)) throw error;
    if (!context.spawn) throw new NotRunningError(socket, context.program);
  }
  const { daemonPath, env, tied = false } = context;
  const { client, started } = await spawnDaemon({ daemonPath, env, tied, timeoutMs: startTimeoutMs });
  try {
    return { client, server: await introduce(client), started };
  } catch (error) {
    client.close();
    throw error;
  }
}

/** Connects only when a daemon runs; undefined when none does. */
export async function connectIfRunning(context: Context): Promise<Connected | undefined> {
  try {
    return await connect({ ...context, spawn: false });
  } catch (error) {
    if (error instanceof NotRunningError) return undefined;
    throw error;
  }
}

/** Runs `use` on a connection and closes it behind that, however it ends. */
export async function withDaemon<T>(context: Context, use: (connected: Connected) => Promise<T>): Promise<T> {
  const connected = await connect(context);
  try {
    return await use(connected);
  } finally {
    connected.client.close();
  }
}

/** Nobody listens on the socket. */
export class NotRunningError extends CliError {
  constructor(socketPath: string, program: string) {
    super(
      exitCodes.notReachable,
      `no daemon is running (nobody listens on ${socketPath})`,
      `start it: ${program} start`,
    );
  }
}

/** Nobody listens, or a daemon that is just ending. ENOTDIR: the folder cannot even be made, which spawnDaemon tells. */
function isAbsent(error: unknown): boolean {
  if (error instanceof TransportClosedError) return true;
  if (error instanceof RpcError) return error.kind === 'ShuttingDown';
  return ['ENOENT', 'ENOTDIR', 'ECONNREFUSED', 'ENOTSOCK'].includes((error as NodeJS.ErrnoException).code ?? '');
}

// Ends the daemon that a connection leads to.
import { pathsFrom } from '../protocol/node/paths.ts';
import { TransportClosedError } from '../protocol/transport.ts';
import type { Connected } from './connect.ts';
import type { Context } from './context.ts';
import { CliError, exitCodes } from './exit.ts';
import { isRunning, waitUntilStopped } from './stopped.ts';

const stopTimeoutMs = 30_000;

/** Resolves when it is really gone, with its pid; closes the connection. Rejects with CliError when it does not end. */
export async function stopDaemon(context: Context, { client, server }: Connected): Promise<number> {
  const { pid } = server.server;
  // The socket file may be a service manager's, and stay. It tells only of a process that cannot be seen from here, such
  // as one in another container.
  const sign = isRunning(pid) ? undefined : pathsFrom(context.env).socket;
  try {
    await client.call('daemon/shutdown', {});
  } catch (error) {
    if (!(error instanceof TransportClosedError)) throw error; // closed: it was stopping already
  } finally {
    client.close();
  }
  if (await waitUntilStopped(pid, sign, stopTimeoutMs)) return pid;
  throw new CliError(
    exitCodes.failure,
    `the daemon was told to stop and has not ended after ${stopTimeoutMs / 1000} s`,
    `end its process: kill ${pid}`,
  );
}

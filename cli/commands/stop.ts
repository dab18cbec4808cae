// stop: ends the daemon and returns when it is really gone. That none runs is no failure.
import type { Command } from 'commander';
import { pathsFrom } from '../../protocol/node/paths.ts';
import { TransportClosedError } from '../../protocol/transport.ts';
import { connectIfRunning } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { waitUntilStopped } from '../stopped.ts';

const stopTimeoutMs = 30_000;

export function configure(command: Command, context: Context): void {
  command
    .addHelpText('after', `\nThat none runs is no failure.\n\nExample:\n  ${context.program} stop`)
    .action(async () => {
      const { out, json } = context;
      const { socket } = pathsFrom(context.env);
      const connected = await connectIfRunning(context);
      if (!connected) {
        await (json ? out.json({ stopped: false, running: false }) : out.line('sessiond is not running'));
        return;
      }
      const { client, server } = connected;
      const { pid } = server.server;
      try {
        await client.call('daemon/shutdown', {});
      } catch (error) {
        if (!(error instanceof TransportClosedError)) throw error; // closed: it was stopping already
      } finally {
        client.close();
      }
      if (!(await waitUntilStopped(pid, socket, stopTimeoutMs))) {
        throw new CliError(
          exitCodes.failure,
          `the daemon was told to stop and has not ended after ${stopTimeoutMs / 1000} s`,
          `end its process: kill ${pid}`,
        );
      }
      await (json ? out.json({ stopped: true, running: false, pid }) : out.line(`sessiond stopped (pid ${pid})`));
    });
}

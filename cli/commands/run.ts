// run: the daemon in the foreground, in this very process: one pid for a supervisor, one Ctrl-C, its own exit code.
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { pathsFrom } from '../../protocol/node/paths.ts';
import { makeFolder } from '../../protocol/node/spawn.ts';
import { connectIfRunning } from '../connect.ts';
import type { Context } from '../context.ts';
import { againHint, CliError, exitCodes, lockedHint } from '../exit.ts';
import { heldSocket } from '../service/held-socket.ts';

export const withoutToken = 'the daemon runs as its owner';

export function configure(command: Command, context: Context): void {
  command
    .addHelpText(
      'after',
      `\nIt logs to stderr; Ctrl-C stops it.\n\nExamples:\n  ${context.program} run\n  ${context.program} run 2>daemon.log`,
    )
    .action(async () => {
      const { data } = pathsFrom(context.env); // throws what is wrong with them
      // A socket that a service manager hands over would be asked in vain: it is for this process to answer.
      if (context.env.LISTEN_PID !== String(process.pid)) await refuseSecond(context);
      makeFolder(data);
      // The bundle is the daemon's whole program: it reads argv itself, and ends the process when it ends.
      process.argv.splice(1, process.argv.length, context.daemonPath, '--throw');
      await context.load(pathToFileURL(context.daemonPath).href).catch((error) => {
        throw startFailure(error, context);
      });
    });
}

/** What the daemon foresaw has an exit code; all else is told with its stack, also what the system refused. */
function startFailure({ exitCode, message, stack }: Error & { exitCode?: number }, { commandLine }: Context): Error {
  if (exitCode === undefined) return Object.assign(new Error(message), { stack });
  return new CliError(exitCode, message, exitCode === exitCodes.busy ? lockedHint : againHint(commandLine, 'run'));
}

/** Of a daemon that answers, this tells how to end it; about one that does not, the daemon itself knows more. */
async function refuseSecond(context: Context): Promise<void> {
  if ((await heldSocket(context)) === 'waiting') {
    const hint = 'to run it by hand, first: systemctl --user stop sessiond.socket';
    throw new CliError(exitCodes.busy, 'systemd listens on the socket, and starts the daemon with the first use', hint);
  }
  const other = await connectIfRunning(context).catch(() => undefined);
  if (!other) return;
  other.client.close();
  const { pid } = other.server.server;
  const hint = `stop that one first: ${context.program} stop`;
  throw new CliError(exitCodes.busy, `a daemon is running already (pid ${pid})`, hint);
}

// socket: where the daemon listens, for other programs. Needs no daemon.
import type { Command } from 'commander';
import { pathsFrom } from '../../protocol/node/paths.ts';
import type { Context } from '../context.ts';

export const withoutToken = 'it asks nothing of the daemon';

export function configure(command: Command, context: Context): void {
  command
    .addHelpText(
      'after',
      `\nExample:\n  echo '{"jsonrpc":"2.0","id":1,"method":"ping"}' | socat - "UNIX:$(${context.program} socket)"`,
    )
    .action(async () => {
      const { socket } = pathsFrom(context.env);
      if (context.json) await context.out.json({ socket });
      else await context.out.line(socket);
    });
}

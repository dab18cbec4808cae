// socket: where the daemon listens, for other programs. Needs no daemon.
import type { Command } from 'commander';
import { pathsFrom } from '../../protocol/node/paths.ts';
import type { Context } from '../context.ts';

export function configure(command: Command, context: Context): void {
  command
    .addHelpText('after', `\nExample:\n  curl --unix-socket "$(${context.program} socket)" http://localhost/health`)
    .action(async () => {
      const { socket } = pathsFrom(context.env);
      if (context.json) await context.out.json({ socket });
      else await context.out.line(socket);
    });
}

// run: the daemon in the foreground, in this very process: one pid for a supervisor, one Ctrl-C, its own exit code.
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import type { Context } from '../context.ts';

export function configure(command: Command, context: Context): void {
  command
    .addHelpText('after', `\nIt logs to stderr; Ctrl-C stops it.\n\nExample:\n  ${context.program} run`)
    .action(async () => {
      // The bundle is the daemon's whole program and reads argv itself.
      process.argv.splice(1, process.argv.length, context.daemonPath);
      await import(pathToFileURL(context.daemonPath).href);
    });
}

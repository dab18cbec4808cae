// ls: the sessions, newest first, subagents under their parent.
import type { Command } from 'commander';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { printSessions, printSessionsJson } from '../list.ts';
import { wholeNumber } from '../option-values.ts';

const terminalLimit = 50;

export function configure(command: Command, context: Context): void {
  command
    .option('--limit <N>', 'show at most N sessions', wholeNumber('--limit'))
    .option(
      '--all',
      `show all sessions (into a pipe and with --json the default; on a terminal it is ${terminalLimit})`,
    )
    .addHelpText(
      'after',
      `\nExamples:\n  ${context.program} ls --limit 5\n  ${context.program} ls --json | jq -r '.[].title'`,
    )
    .action(async (options: { limit?: number; all?: boolean }) => {
      const byDefault = context.out.isTerminal && !context.json ? terminalLimit : Number.POSITIVE_INFINITY;
      const limit = options.limit ?? (options.all ? Number.POSITIVE_INFINITY : byDefault);
      const print = context.json ? printSessionsJson : printSessions;
      await withDaemon(context, ({ client }) => print(context, client, limit));
    });
}

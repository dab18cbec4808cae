// ls: the sessions by directory, newest first, subagents under their parent.
import type { Command } from 'commander';
import { defaultLimit } from '../asked-sessions.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { printSessions, printSessionsJson } from '../list.ts';
import { oneOf, pastTime, wholeNumber } from '../option-values.ts';
import type { SessionFilter } from '../session-filter.ts';
import { filterWords, statuses } from '../session-filter.ts';

type Options = {
  agent?: string;
  dir?: string;
  since?: string;
  status?: SessionFilter['status'];
  limit?: number;
  all?: boolean;
};

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .option('--agent <NAME>', 'only sessions of this agent, for example claude-code')
    .option('--dir <PATH>', 'only sessions in this folder and below')
    .option('--since <WHEN>', 'only sessions with news since then: 2h, 3d, yesterday, 2026-11-01')
    .option('--status <STATUS>', `only sessions that are ${statuses.join(', ')}`, oneOf('--status', statuses))
    .option('--limit <N>', 'at most N sessions', wholeNumber('--limit', `all of them: ${program} ls --all`))
    .option(
      '--all',
      `archived sessions too, and no limit (on a terminal it is ${defaultLimit(true)}, else there is none)`,
    )
    .addHelpText(
      'after',
      `\nExamples:\n  ${program} ls --dir . --since yesterday\n  ${program} ls --agent codex --limit 5\n` +
        `  ${program} ls --json | jq -r '.[].title'`,
    )
    .action(async ({ limit, all, ...typed }: Options) => {
      const byDefault = defaultLimit(context.out.isTerminal && !context.json && !all);
      const { since, ...exact } = typed;
      const filter: SessionFilter = {
        ...exact,
        ...(since !== undefined && { since: pastTime('--since', context.now)(since) }),
        archived: all === true,
      };
      const wanted = { limit: limit ?? byDefault, filter, filterWords: filterWords(typed) };
      const print = context.json ? printSessionsJson : printSessions;
      await withDaemon(context, ({ client }) => print(context, client, wanted));
    });
}

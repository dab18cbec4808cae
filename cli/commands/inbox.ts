// inbox: what waits for an answer, over all agents, the oldest first.
import type { Command } from 'commander';
import { pendingBlockers } from '../blockers.ts';
import { connect } from '../connect.ts';
import type { Context } from '../context.ts';
import { InboxPrinter } from '../inbox-printer.ts';
import { watchInbox } from '../inbox-watch.ts';
import { loadWidths } from '../render/width.ts';
import { insideOf } from '../session-filter.ts';

type Options = { watch?: boolean; dir?: string };

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .option('--watch', 'stay, and print what comes and what is answered until Ctrl-C')
    .option('--dir <PATH>', 'only of sessions in this folder and below')
    .addHelpText(
      'after',
      `\nWhat waits longest stands first. Each entry ends with the command that answers it; in brackets what may stand behind that.\n` +
        `With --json each line is an object with the blocker and its session; with --watch there is one line more\n` +
        `when it is resolved, or with "deleted" when its session is gone.\n\n` +
        `Examples:\n  ${program} inbox\n  ${program} inbox --watch --dir .\n  ${program} inbox --json | jq -r .blocker.id`,
    )
    .action(async ({ watch, dir }: Options) => {
      const { out } = context;
      if (out.width !== Number.POSITIVE_INFINITY) await loadWidths();
      const { client } = await connect(context);
      try {
        const printer = new InboxPrinter(context, client, dir === undefined ? undefined : insideOf(dir));
        const { blockers, cursor } = await pendingBlockers(client);
        await printer.printAll(blockers, { watches: watch === true });
        if (watch) await watchInbox(context, client, printer, cursor);
      } finally {
        client.close();
      }
    });
}

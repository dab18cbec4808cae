// rename ID TITLE: a title that the user gives a session.
import type { Command } from 'commander';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { sessionName } from '../render/session-name.ts';
import { resolveTarget } from '../resolve.ts';

export function configure(command: Command, context: Context): void {
  const { program, out } = context;
  command
    .argument('<id>', "the session's id or the agent's own, or the start of it")
    .argument('<title...>', 'the new title, in quotes or not')
    .addHelpText(
      'after',
      `\nIt stays, also when the agent itself gives the session another title later.\n\n` +
        `Example:\n  ${program} rename ses_4kZq Fix the login test`,
    )
    .action(async (id: string, words: string[]) => {
      const title = words.join(' ').toWellFormed().trim();
      if (title === '') {
        throw new CliError(exitCodes.usage, 'the title is empty', context.commandLine(`rename ${id} Some words`));
      }
      await withDaemon(context, async (connected) => {
        const session = await resolveTarget(context, connected, id);
        await connected.client.call('session/update', { sessionId: session.id, title });
        if (context.json) await out.json({ sessionId: session.id, title });
        else await out.line(`renamed ${sessionName({ ...session, title })}`);
      });
    });
}

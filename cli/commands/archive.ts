// archive ID…: takes sessions out of the list; nothing of them is lost, and --undo brings them back.
import type { Command } from 'commander';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { sessionName } from '../render/session-name.ts';
import { resolveTargets } from '../resolve.ts';

export function configure(command: Command, context: Context): void {
  const { program, out } = context;
  command
    .argument('<id...>', 'the ids of the sessions, or starts of them')
    .option('--undo', 'bring them back into the list')
    .addHelpText(
      'after',
      `\nArchived sessions are listed by ${program} ls --all, and shown and resumed like any other.\n\n` +
        `Examples:\n  ${program} archive ses_4kZq\n  ${program} archive --undo ses_4kZq ses_9Tua`,
    )
    .action(async (ids: string[], options: { undo?: boolean }) => {
      const archived = !options.undo;
      const word = archived ? 'archived' : 'unarchived';
      await withDaemon(context, async (connected) => {
        const sessions = await resolveTargets(context, connected, ids);
        for (const session of sessions) {
          await connected.client.call('session/update', { sessionId: session.id, archived });
          if (!context.json) await out.line(`${word} ${sessionName(session)}`);
        }
        if (context.json) await out.json({ [word]: sessions.map(({ id }) => id) });
      });
    });
}

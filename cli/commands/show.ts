// show ID: one session as a readable transcript, page by page: a long session is never held whole.
import type { Command } from 'commander';
import type { Client } from '../../protocol/client.ts';
import type { Session } from '../../protocol/schema.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { pages } from '../pages.ts';
import { safeJson } from '../render/clean.ts';
import { headerLines, messageLines } from '../render/transcript.ts';
import { loadWidths } from '../render/width.ts';
import { resolveSession } from '../resolve.ts';

export function configure(command: Command, context: Context): void {
  command
    .argument('<id>', "the session's id, or the start of it")
    .option('--all-parts', 'show every part, and the output of tools whole')
    .addHelpText(
      'after',
      `\nExamples:\n  ${context.program} show ses_4kZq\n  ${context.program} show ses_4kZq | less -R`,
    )
    .action(async (id: string, options: { allParts?: boolean }) => {
      await withDaemon(context, async ({ client }) => {
        const session = await resolveSession(context, client, id);
        if (context.json) await showJson(context, client, session);
        else await showText(context, client, session, options.allParts === true);
      });
    });
}

async function showText(context: Context, client: Client, session: Session, allParts: boolean): Promise<void> {
  const { out, home } = context;
  const { style, width } = out;
  const options = { width, style, home, allParts, now: context.now() };
  if (width !== Number.POSITIVE_INFINITY) await loadWidths();
  await out.lines(headerLines(session, options));
  for await (const items of pages(client, 'message/list', { sessionId: session.id })) {
    for (const { message, parts } of items) {
      await out.lines(['', ...messageLines(message, parts, options)]);
    }
  }
}

async function showJson({ out }: Context, client: Client, session: Session): Promise<void> {
  await out.write(`{"session":${safeJson(session)},"messages":[`);
  let separator = '\n';
  for await (const items of pages(client, 'message/list', { sessionId: session.id })) {
    if (items.length === 0) continue;
    await out.write(separator + items.map((item) => safeJson(item)).join(',\n'));
    separator = ',\n';
  }
  await out.line('\n]}');
}

// fork ID: a copy of a session, or of its beginning, as a session of its own.
import type { Command } from 'commander';
import type { Client } from '../../protocol/client.ts';
import { wholeIdHint, withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { newId } from '../new-id.ts';
import { pages } from '../pages.ts';
import { cleanLine, cleanStart } from '../render/clean.ts';
import { countOf } from '../render/quantity.ts';
import { sessionName } from '../render/session-name.ts';
import type { Target } from '../resolve.ts';
import { findSession, resolveTarget } from '../resolve.ts';

const messagePrefix = 'msg_';

export function configure(command: Command, context: Context): void {
  const { program, out } = context;
  command
    .argument('<id>', "the session's id or the agent's own, or the start of it")
    .option('--at <MESSAGE>', 'up to and with this message: its id, the start of it, or its number from 1')
    .option('--title <TEXT>', 'the title of the copy (without it, that of the session with "(fork)" behind it)')
    .addHelpText(
      'after',
      `\nThe copy is a record here alone: no agent knows of it, and the session stays as it is. Tokens are\n` +
        `counted in the session they were spent in.\nThe ids of messages: ${program} show ID --json | jq -r '.messages[].message.id'\n\n` +
        `Examples:\n  ${program} fork ses_4kZq\n  ${program} fork ses_4kZq --at 5 --title "another way"`,
    )
    .action(async (id: string, { at, title }: { at?: string; title?: string }) => {
      await withDaemon(context, async (connected) => {
        const { client, canRead } = connected;
        const session = await resolveTarget(context, connected, id);
        const named = () => (canRead ? messageNamed(context, client, session, at!) : wholeMessageId(at!));
        const atMessageId = at === undefined ? undefined : await named();
        const { ids } = await client.call('session/fork', {
          opId: newId('op'),
          sessionId: session.id,
          ...(atMessageId !== undefined && { atMessageId }),
          ...(title !== undefined && { title: title.toWellFormed().trim() || null }),
        });
        const fork = canRead ? await findSession(client, ids.sessionId!) : undefined;
        if (context.json) return out.json({ sessionId: ids.sessionId, forkedFrom: session.id });
        const name = sessionName(fork ?? { id: ids.sessionId! });
        await out.line(`forked ${name}`);
        if (fork) await out.line(out.style.dim(`${countOf(fork.messageCount, 'message')} of ${cleanLine(session.id)}`));
      });
    });
}

/** For who may not read. */
function wholeMessageId(given: string): string {
  if (given.startsWith(messagePrefix)) return given;
  throw new CliError(exitCodes.usage, `"${cleanStart(given, 80)}" is not the full id of a message`, wholeIdHint);
}

async function messageNamed(context: Context, client: Client, session: Target, given: string): Promise<string> {
  const number = /^[0-9]{1,9}$/.test(given) ? Number(given) : undefined;
  const start = given.startsWith(messagePrefix) ? given : messagePrefix + given;
  const found: string[] = [];
  let count = 0;
  for await (const items of pages(client, 'message/list', { sessionId: session.id })) {
    for (const { message } of items) {
      count += 1;
      if (number === undefined ? message.id === start : count === number) return message.id;
      if (number === undefined && message.id.startsWith(start)) found.push(message.id);
    }
  }
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const hint = `the messages there are: ${context.commandLine(`show ${cleanLine(session.id)} --json`)}`;
  const typed = cleanStart(given, 80);
  if (found.length > 1) {
    throw new CliError(exitCodes.usage, `${found.length} messages have ids that start with ${typed}`, hint);
  }
  const what = number === undefined ? `no message's id starts with ${typed}` : `there is no message ${typed}`;
  throw new CliError(exitCodes.notFound, `${what}; the session has ${countOf(count, 'message')}`, hint);
}

// rm ID…: deletes sessions from the store, for good. Asks first on a terminal; never waits for an answer elsewhere.
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import type { Session } from '../../protocol/schema.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { countOf } from '../render/quantity.ts';
import { sessionName } from '../render/session-name.ts';
import { resolveSessions } from '../resolve.ts';

const kept =
  "The agents' own transcripts are left alone. What is deleted stays deleted, also when they are read again.";

export function configure(command: Command, context: Context): void {
  const { program, out } = context;
  command
    .argument('<id...>', 'the ids of the sessions, or starts of them')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      `\n${kept}\nWhere there is no terminal to ask on, it needs --yes (else exit code 2).\n\nExamples:\n  ${program} rm ses_4kZq\n  ${program} rm ses_4kZq ses_9Tua --yes`,
    )
    .action(async (ids: string[], options: { yes?: boolean }) => {
      await withDaemon(context, async ({ client }) => {
        const sessions = await resolveSessions(context, client, ids);
        if (!options.yes) await confirm(context, sessions, ids);
        for (const session of sessions) {
          await client.call('session/delete', { sessionId: session.id });
          if (!context.json) await out.line(`deleted ${sessionName(session)}`);
        }
        if (context.json) await out.json({ deleted: sessions.map(({ id }) => id) });
        else await out.line(out.style.dim(kept));
      });
    });
}

/** Returns on a yes. */
async function confirm(context: Context, sessions: Session[], ids: string[]): Promise<void> {
  const { err, input, json, program } = context;
  if (json || !err.isTerminal || !(input as { isTTY?: boolean }).isTTY) {
    const message = 'nothing was deleted: there is no terminal to ask on';
    throw new CliError(exitCodes.usage, message, `${program} rm ${ids.join(' ')} --yes`);
  }
  await err.lines([...sessions.map((session) => `  ${sessionName(session)}`), kept]);
  await err.write(`Delete ${sessions.length === 1 ? 'it' : `these ${countOf(sessions.length, 'session')}`}? [y/N] `);
  if (!/^y(es)?$/i.test((await readLine(input)).trim())) throw new CliError(exitCodes.failure, 'nothing was deleted');
}

/** The next line; empty at the end of the input. */
async function readLine(input: NodeJS.ReadableStream): Promise<string> {
  const lines = createInterface({ input, terminal: false });
  try {
    for await (const line of lines) return line;
    return '';
  } finally {
    lines.close();
  }
}

// rm ID…: deletes sessions from the store, for good. Asks first on a terminal; never waits for an answer elsewhere.
import type { Command } from 'commander';
import type { Client } from '../../protocol/client.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { sessionPages } from '../pages.ts';
import { readLine } from '../read-line.ts';
import { cleanLine } from '../render/clean.ts';
import { countOf } from '../render/quantity.ts';
import { sessionName } from '../render/session-name.ts';
import type { Target } from '../resolve.ts';
import { resolveTargets } from '../resolve.ts';

type Options = { yes?: boolean; subagents?: boolean };

const kept =
  "The agents' own transcripts are left alone. What is deleted stays deleted, also when they are read again.";

export function configure(command: Command, context: Context): void {
  const { program, out } = context;
  command
    .argument('<id...>', 'the ids of the sessions, or starts of them')
    .option('--subagents', 'the sessions of their subagents too; without it these stay')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      `\n${kept}\nWhere there is no terminal to ask on, it needs --yes (else exit code 2).\n\nExamples:\n  ${program} rm ses_4kZq\n  ${program} rm ses_4kZq ses_9Tua --yes\n  ${program} rm ses_4kZq --subagents`,
    )
    .action(async (ids: string[], options: Options) => {
      await withDaemon(context, async (connected) => {
        const { client, canRead } = connected;
        if (options.subagents && !canRead) throw new CliError(exitCodes.notAuthorised, unseen, unseenHint);
        const named = await resolveTargets(context, connected, ids);
        const below = canRead ? await subagentsOf(client, named) : [];
        // The youngest first: one that fails half-way leaves no subagent without its parent.
        const doomed = options.subagents ? [...below.toReversed(), ...named] : named;
        const staying = options.subagents ? [] : below;
        if (!options.yes) await confirm(context, doomed, staying, ids, options);
        for (const session of doomed) {
          await client.call('session/delete', { sessionId: session.id });
          if (!context.json) await out.line(`deleted ${sessionName(session)}`);
        }
        if (context.json) return out.json({ deleted: idsOf(doomed), subagentsLeft: canRead ? idsOf(staying) : null });
        if (staying.length > 0) {
          const command = context.commandLine(`rm ${idsOf(staying).map(cleanLine).join(' ')}`);
          await out.line(stayText(staying.length, `(${command})`));
        }
        await out.line(out.style.dim(kept));
      });
    });
}

const unseen = 'the capability cannot read which sessions are of subagents';
const unseenHint = 'name each by its full id instead of --subagents';

const idsOf = (sessions: Target[]) => sessions.map(({ id }) => id);

/** The sessions below these, each once, parents before their children, without those that are named themselves. */
async function subagentsOf(client: Client, named: Target[]): Promise<Target[]> {
  const seen = new Set(idsOf(named));
  const below: Target[] = [];
  const parents = [...named];
  for (let parent = parents.shift(); parent; parent = parents.shift()) {
    for await (const sessions of sessionPages(client, { parentId: parent.id, limit: 1000 })) {
      const found = sessions.filter(({ id }) => !seen.has(id));
      for (const { id } of found) seen.add(id);
      below.push(...found);
      parents.push(...found);
    }
  }
  return below;
}

/** Returns on a yes. */
async function confirm(
  context: Context,
  sessions: Target[],
  staying: Target[],
  ids: string[],
  options: Options,
): Promise<void> {
  const { err, input, json, commandLine } = context;
  if (json || !err.isTerminal || !(input as { isTTY?: boolean }).isTTY) {
    const stays = staying.length > 0 ? `; ${stayText(staying.length, 'without --subagents')}` : '';
    const subagents = options.subagents ? ' --subagents' : '';
    const message = `nothing was deleted: there is no terminal to ask on${stays}`;
    throw new CliError(exitCodes.usage, message, commandLine(`rm ${ids.join(' ')}${subagents} --yes`));
  }
  const stays = staying.length > 0 ? [stayText(staying.length, '(--subagents deletes them too)')] : [];
  await err.lines([...sessions.map((session) => `  ${sessionName(session)}`), ...stays, kept]);
  await err.write(`Delete ${sessions.length === 1 ? 'it' : `these ${countOf(sessions.length, 'session')}`}? [y/N] `);
  if (!/^y(es)?$/i.test((await readLine(input)).trim())) throw new CliError(exitCodes.failure, 'nothing was deleted');
}

function stayText(count: number, how: string): string {
  return `${countOf(count, 'session of a subagent stays', 'sessions of subagents stay')} ${how}`;
}

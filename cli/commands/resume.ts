// resume ID: the agent's own command that goes on with a session, printed for a shell; with --exec run here.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import type { Command } from 'commander';
import type { Client } from '../../protocol/client.ts';
import type { Session } from '../../protocol/schema.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { findProgram } from '../find-program.ts';
import { cleanLine, cleanStart } from '../render/clean.ts';
import { shownPath } from '../render/path.ts';
import { findSession, resolveSession } from '../resolve.ts';
import type { ResumeCommand } from '../resume-command.ts';
import { findParentCommand, findResumeCommand, isSubagent, resumeLine } from '../resume-command.ts';

/** With --exec, for the agent. */
export function takesInput(command: Command): boolean {
  return command.opts<{ exec?: boolean }>().exec === true;
}

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .argument('<id>', "the session's id or the agent's own, or the start of it")
    .option('--exec', 'run it, in the folder of the session; its exit code is the one of this command')
    .addHelpText(
      'after',
      `\nExamples:\n  ${program} resume ses_4kZq\n  ${program} resume ses_4kZq --exec\n` +
        `  ${program} resume ses_4kZq --json | jq -r '.command[]'`,
    )
    .action(async (id: string, options: { exec?: boolean }) => {
      const session = await withDaemon(context, async ({ client }) => {
        const found = await resolveSession(context, client, id);
        if (isSubagent(found)) throw await subagentError(context, client, found);
        return found;
      });
      const resume = resumeOf(context, session);
      const trouble = troubleOf(context, resume, session);
      const warnings = [trouble, goneTranscript(context, session)].filter((warning) => warning !== undefined);
      if (!options.exec) return tell(context, resume, warnings);
      if (trouble) throw new CliError(exitCodes.failure, trouble.message, trouble.hint);
      await warn(context, warnings);
      // The one verb that ends with an exit code of another program; everything it wrote was taken.
      process.exit(await run(context, resume));
    });
}

function resumeOf({ commandLine }: Context, session: Session): ResumeCommand {
  const id = cleanLine(session.id);
  const readIt = `read it: ${commandLine(`show ${id}`)}`;
  const found = findResumeCommand(session);
  if ('none' in found) {
    const source = cleanStart(session.origin?.source ?? '', 60);
    const why = {
      noAgent: `no agent wrote ${id}, so none can go on with it`,
      unknownAgent: `how ${source} resumes a session is not known`,
      badId: `the id that ${source} gave to ${id} is none that can be typed safely`,
    }[found.none];
    throw new CliError(exitCodes.failure, why, readIt);
  }
  return found;
}

/** Only the parent can be resumed: where it is in the store by us, else by its agent where its transcript is there. */
async function subagentError({ commandLine }: Context, client: Client, session: Session): Promise<CliError> {
  const id = cleanLine(session.id);
  const message = `${id} is a subagent's session: only its parent can be resumed`;
  if (await findSession(client, session.parentId!)) {
    return new CliError(exitCodes.failure, message, commandLine(`resume ${cleanLine(session.parentId!)}`));
  }
  const parent = findParentCommand(session);
  const isThere = parent !== undefined && existsSync(parent.transcript);
  const hint = isThere ? resumeLine(parent.command) : `read it: ${commandLine(`show ${id}`)}`;
  return new CliError(exitCodes.failure, `${message}, which is not in the store`, hint);
}

type Trouble = { message: string; hint: string };

/** What would keep the command from running here and now. */
function troubleOf(
  { env, home }: Context,
  { directory, command }: ResumeCommand,
  session: Session,
): Trouble | undefined {
  if (directory !== null && !isFolder(directory)) {
    return {
      message: `the folder of this session is gone: ${shownPath(directory, home)}`,
      hint: 'make it again, or put the project back there: the agent looks for its session by that folder',
    };
  }
  const [name] = command;
  if (findProgram(name!, env) !== undefined) return undefined;
  const agent = cleanStart(session.origin!.source, 60);
  return { message: `${name} is not in PATH`, hint: `install ${agent}, or add the folder of ${name} to PATH` };
}

/** Agents find a session by its transcript. Codex compresses some of its own. */
function goneTranscript({ home }: Context, { origin }: Session): Trouble | undefined {
  const path = origin?.path;
  if (path === undefined || existsSync(path) || existsSync(`${path}.zst`)) return undefined;
  return {
    message: `the transcript is gone: ${shownPath(path, home)}`,
    hint: 'the agent has deleted it, so its command will probably not find the session',
  };
}

/** The command is told also where it would not run now; why it would not is told beside it. */
async function tell(context: Context, resume: ResumeCommand, warnings: Trouble[]): Promise<void> {
  if (context.json) await context.out.json(resume);
  else await context.out.line(resumeLine(resume));
  await warn(context, warnings);
}

async function warn({ err, json }: Context, warnings: Trouble[]): Promise<void> {
  for (const warning of warnings) {
    if (json) await err.json({ warning });
    else await err.lines([err.style.yellow(warning.message), err.style.dim(`hint: ${warning.hint}`)]);
  }
}

async function run({ env }: Context, { directory, command: [name, ...words] }: ResumeCommand): Promise<number> {
  // Before the agent begins: a signal in between would leave it without us. Ctrl-C reaches both, and what it means is the
  // agent's to say; what was sent to this process alone is handed on.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  const child = spawn(name!, words, { stdio: 'inherit', env, ...(directory !== null && { cwd: directory }) });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return code ?? 128 + (constants.signals[signal!] ?? 0);
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

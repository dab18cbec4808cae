// restore FILE: a backup takes the place of the store. What is to be restored is looked at before the daemon is stopped, and the
// store that was there is kept.
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Prepared, Restored } from '../../protocol/node/store-words.ts';
import type { Connected } from '../connect.ts';
import { connectIfRunning } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { fileError } from '../file-error.ts';
import { readLine } from '../read-line.ts';
import { shownPath } from '../render/path.ts';
import { bytes, countOf } from '../render/quantity.ts';
import { shellQuote } from '../shell-quote.ts';
import { stopDaemon } from '../stop-daemon.ts';
import { StoreProgram } from '../store-program.ts';

export const withoutToken = "it puts a file in the place of the daemon owner's store";

type Options = { yes?: boolean };

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .argument('<file>', 'a backup, or a store.db that was copied while no daemon ran, with its -wal where it has one')
    .option('--yes', 'stop a daemon that runs without asking')
    .addHelpText(
      'after',
      `\nThe file is copied and checked first, and stays as it is; the store that was there is kept beside the new one, and its\n` +
        `name is told. What is restored is another store: whoever resumes from a cursor of before is told so (StoreChanged), and\n` +
        `sinks are sent all of it anew. What was revoked or unshared since the backup stays so.\n` +
        `Where there is no terminal to ask on and a daemon runs, it needs --yes (else exit code 2).\n\n` +
        `Examples:\n  ${program} restore /mnt/stick/sessions.db\n  ${program} restore /mnt/stick/sessions.db --yes`,
    )
    .action((file: string, options: Options) => restore(context, file, options));
}

async function restore(context: Context, file: string, options: Options): Promise<void> {
  const path = resolve(file);
  try {
    statSync(path);
  } catch (error) {
    throw fileError('read', path, context.home, error as NodeJS.ErrnoException);
  }
  const storeProgram = new StoreProgram(context, ['--restore', path]);
  try {
    const prepared = await storeProgram.word('prepared');
    const running = await connectIfRunning(context);
    if (running) await stopFor(context, running, file, prepared, options);
    storeProgram.go();
    const restored = await storeProgram.word('restored').catch((error) => {
      throw running ? withStopped(error, context) : error;
    });
    await tell(context, prepared, restored, running !== undefined);
  } finally {
    storeProgram.end();
  }
}

/** The same, telling that the daemon was stopped for nothing. */
function withStopped(error: unknown, { program }: Context): unknown {
  if (!(error instanceof CliError)) return error;
  const hint = `the daemon is stopped, and its store as it was; to start it: ${program} start`;
  return new CliError(error.exitCode, error.message, hint);
}

async function stopFor(
  context: Context,
  running: Connected,
  file: string,
  prepared: Prepared,
  { yes }: Options,
): Promise<void> {
  try {
    if (!yes) await confirm(context, running, file, prepared);
  } catch (error) {
    running.client.close();
    throw error;
  }
  await stopDaemon(context, running);
}

/** Returns on a yes. */
async function confirm(context: Context, { server }: Connected, file: string, prepared: Prepared): Promise<void> {
  const { err, input, json, program } = context;
  const { pid } = server.server;
  if (json || !err.isTerminal || !(input as { isTTY?: boolean }).isTTY) {
    const message = `nothing was restored: a daemon runs (pid ${pid}), and there is no terminal to ask on`;
    throw new CliError(
      exitCodes.usage,
      message,
      `to stop it and restore: ${program} restore ${shellQuote(file)} --yes`,
    );
  }
  await err.line(`  ${shownPath(prepared.file, context.home)}: ${sizeText(prepared)}`);
  await err.write(`Stop the daemon (pid ${pid}) and put this in the place of its store, which is kept? [y/N] `);
  if (!/^y(es)?$/i.test((await readLine(input)).trim())) throw new CliError(exitCodes.failure, 'nothing was restored');
}

async function tell(context: Context, prepared: Prepared, restored: Restored, wasRunning: boolean): Promise<void> {
  const { out, home, program } = context;
  const { aside, withdrawn } = restored;
  if (context.json) {
    const { file, bytes: size, sessions } = prepared;
    return out.json({ file, bytes: size, sessions, ...restored, aside: aside ?? null, daemonStopped: wasRunning });
  }
  const lines = [`restored ${shownPath(prepared.file, home)} (${sizeText(prepared)})`];
  if (aside !== undefined) lines.push(`the store that was there is kept: ${shownPath(aside, home)}`);
  if (withdrawn === null) {
    lines.push(
      out.style.yellow(
        'What was revoked or unshared since the backup is not known, for the store that was there is damaged: look',
      ),
      out.style.yellow(`through ${program} caps and ${program} share --list, and revoke again what should not work.`),
    );
  } else if (withdrawn > 0) {
    lines.push(`${countOf(withdrawn, 'token or share', 'tokens and shares')} taken back since the backup stay so`);
  }
  lines.push(
    out.style.dim('It is another store now: cursors from before are told so, and sinks are sent all of it anew.'),
  );
  lines.push(
    out.style.dim(`${wasRunning ? 'the daemon is stopped; to start it' : 'to start the daemon'}: ${program} start`),
  );
  await out.lines(lines);
}

function sizeText({ bytes: size, sessions }: Prepared): string {
  return `${countOf(sessions, 'session')}, ${bytes(size)}`;
}

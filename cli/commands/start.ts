// start: the daemon in the background. Returns when it answers and its first read of the transcripts is over.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { pathsFrom } from '../../protocol/node/paths.ts';
import { connectToCurrent } from '../change-over.ts';
import type { Connected } from '../connect.ts';
import { useConnected } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { followFirstRead } from '../first-read.ts';
import { emptyLines, printSessions } from '../list.ts';
import { nextSteps } from '../next-steps.ts';
import { wholeNumber } from '../option-values.ts';
import { cleanLine } from '../render/clean.ts';
import { shownPath } from '../render/path.ts';
import { badHint, heldSummary, progressOf, progressText, readSummary } from '../render/sources.ts';

const listedSessions = 20;

type Options = { wait: boolean; list?: number | true };

export function configure(command: Command, context: Context): void {
  command
    .option('--no-wait', 'return when the daemon answers, without waiting for the first read of the transcripts')
    .option('--list [N]', `then list the newest N sessions (${listedSessions})`, wholeNumber('--list'))
    .addHelpText(
      'after',
      `\nA daemon of an older version than this is stopped and started anew, when it is idle; one of a newer version stays.\n\n` +
        `Examples:\n  ${context.program} start\n  ${context.program} start --list=5`,
    )
    .action(async (options: Options) => {
      if (!context.spawn) {
        throw new CliError(exitCodes.usage, 'start does nothing with --no-spawn', `start it: ${context.program} start`);
      }
      const isNew = !existsSync(join(pathsFrom(context.env).data, 'store.db'));
      const connected = await connectToCurrent(context);
      await useConnected(connected, () => started(context, connected, options, isNew));
    });
}

/** `isNew`: there was no store before. */
async function started(context: Context, connected: Connected, options: Options, isNew: boolean): Promise<void> {
  const { out, json } = context;
  const { socket } = pathsFrom(context.env);
  const { client, server } = connected;
  const { pid, version } = server.server;
  // Not told by an older daemon, nor to who may not read.
  const http = (connected.canRead && (await client.call('daemon/status', {})).http) || null;
  if (json) {
    const sources = options.wait
      ? (await followFirstRead(context, client)).sources
      : (await client.call('source/list', {})).items;
    await out.json({ pid, version, socket, http, started: connected.started, sources });
    return;
  }
  const word = connected.started ? 'started' : 'is already running';
  const facts = [`version ${cleanLine(version)}`, `pid ${pid}`, shownPath(socket, context.home)];
  if (http) facts.push(cleanLine(http));
  await out.line(`${out.style.bold('sessiond')} ${word} (${facts.join(', ')})`);
  if (options.wait) {
    const { sources, hadNews } = await followFirstRead(context, client);
    const progress = progressOf(sources);
    if (progress.reading) await out.line(`still reading transcripts: ${progressText(progress)}`);
    else if (progress.files > 0) {
      const summary = isNew || hadNews ? readSummary(sources) : heldSummary(sources);
      await out.lines([summary, ...badHint(sources, context.program)]);
    } else if (!options.list && (await client.call('daemon/status', {})).sessions === 0)
      await out.lines(emptyLines(context, sources));
  }
  if (options.list) {
    await out.line();
    await printSessions(context, client, { limit: options.list === true ? listedSessions : options.list });
  }
  await out.lines(['', 'Next:', ...nextSteps(context.commandLine)]);
}

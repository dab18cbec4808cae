// tail [ID]: events as they happen, one a line, from now or from a cursor; at its end it tells the cursor to go on from.
import type { Command } from 'commander';
import type { Client } from '../../protocol/client.ts';
import { parseCursor } from '../../protocol/cursor.ts';
import { RpcError } from '../../protocol/errors.ts';
import type { Filter } from '../../protocol/methods.ts';
import type { Event } from '../../protocol/schema.ts';
import { connect } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { cleanStart, safeJson } from '../render/clean.ts';
import { eventLine } from '../render/event.ts';
import { noticeLine, refusedText } from '../render/tail-notice.ts';
import { loadWidths } from '../render/width.ts';
import { resolveSession } from '../resolve.ts';
import { shellCommand } from '../shell-quote.ts';
import { onStopSignal } from '../signals.ts';
import type { TailEnd } from '../tail.ts';
import { Tail } from '../tail.ts';

type Options = { from?: string; name?: string };

const longestName = 128;

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .argument('[id]', 'only the session with this id, or start of one')
    .option('--from <CURSOR>', 'events after this cursor, "start" for all that are kept, or "now", the default')
    .option('--name <NAME>', 'a durable subscriber: goes on where the last tail of this name ended')
    .addHelpText(
      'after',
      `\nCtrl-C ends it and prints, on stderr, what to resume with. A daemon that goes away is waited for, as long as\n` +
        `that takes, and not started; when it is back the tail resumes. Where the daemon no longer has what was missed,\n` +
        `that is told on stderr, and all that is kept is printed from its beginning. A --from CURSOR that cannot be resumed\n` +
        `from is an error (1).\n\n` +
        `With --name the daemon keeps how far the tail has printed and, within the limits of its config, the events behind\n` +
        `that: after Ctrl-C or a crash the next one misses nothing, and what was printed last may come again. --from does\n` +
        `not take back what was acknowledged. A name has one place in the journal of all sessions: what an ID left out\n` +
        `counts as seen, for a later tail of that name without it too. One tail at a time reads by a name: another takes\n` +
        `it over, and the first ends with 7. The names there are, and how to forget one:\n` +
        `  ${program} rpc subscriber/list\n  ${program} rpc subscriber/remove '{"name":"NAME"}'\n\n` +
        `With --json what is no event is a JSON line on stderr: {"begun":…} of a name; {"lost":…} and {"back":…} of the\n` +
        `daemon; {"gap":…}, events that are gone; at the end {"unacknowledged":…} and {"cursor":…}, to resume from.\n\n` +
        `Examples:\n  ${program} tail\n  ${program} tail ses_4kZq --from start --json | jq .type\n` +
        `  ${program} tail --name backup --json >>events.jsonl`,
    )
    .action((id: string | undefined, options: Options) => tail(context, id, options));
}

async function tail(context: Context, id: string | undefined, options: Options): Promise<void> {
  check(context, options);
  const { client } = await connect(context);
  try {
    if (context.out.width !== Number.POSITIVE_INFINITY) await loadWidths();
    const session = id === undefined ? undefined : await resolveSession(context, client, id);
    await follow(context, client, session && { sessions: [session.id] }, id, options);
  } finally {
    client.close();
  }
}

async function follow(
  context: Context,
  client: Client,
  filter: Filter | undefined,
  id: string | undefined,
  { from, name }: Options,
): Promise<void> {
  const stop = new AbortController();
  const undo = onStopSignal(() => stop.abort());
  context.out.onReaderGone(() => stop.abort());
  const tail = new Tail({
    ...(filter && { filter }),
    ...(name !== undefined && { name }),
    reconnect: async () => (await connect({ ...context, spawn: false })).client,
    print: (events) => print(context, events),
    tell: (notice) => tell(context, notice, noticeLine(notice, context.program, name !== undefined)),
    stop,
  });
  const typed = ['tail', ...(id === undefined ? [] : [id])];
  try {
    const end = await tail.follow(client, from ?? (name === undefined ? 'now' : undefined));
    const byCursor = [...typed, '--from', tail.cursor!];
    if (end.why !== 'stopped') throw endOf(end, context, byCursor);
    if (end.owesAck) await tell(context, { is: 'unacknowledged' }, unacknowledged);
    await tellCursor(context, tail.cursor!, name === undefined ? byCursor : [...typed, '--name', name]);
  } catch (error) {
    // A failure to print, say. One whose end the daemon told names the cursor in its hint.
    const { cursor } = tail;
    if (cursor === undefined && from !== undefined) throw refusalOf(error, from, context, typed, name);
    if (cursor !== undefined && !(error instanceof CliError)) {
      await tellCursor(context, cursor, [...typed, '--from', cursor]);
    }
    throw error;
  } finally {
    undo();
  }
}

function check({ out, commandLine }: Context, { from, name }: Options): void {
  if (out.isMissing) {
    const message = 'stdout is closed: nobody can read what is printed';
    throw new CliError(exitCodes.failure, message, `to throw it away: ${commandLine('tail … >/dev/null')}`);
  }
  if (from !== undefined && from !== 'now' && from !== 'start' && !parseCursor(from)) {
    throw new CliError(exitCodes.usage, `--from takes a cursor, "start" or "now", not "${cleanStart(from, 100)}"`);
  }
  if (name !== undefined && (name === '' || name.length > longestName)) {
    throw new CliError(exitCodes.usage, `--name takes a name of 1 to ${longestName} characters`);
  }
}

async function print(context: Context, events: Event[]): Promise<void> {
  const { out, json, home } = context;
  if (json) return out.lines(events.map((event) => safeJson(event)));
  const { style, width } = out;
  const now = context.now();
  await out.lines(events.map((event) => eventLine(event, { width, style, home, now })));
}

const unacknowledged = 'what was printed last could not be acknowledged: it comes again with this name';

/** As JSON: `{"lost": {…}}`. */
async function tell({ err, json }: Context, notice: { is: string }, line: string): Promise<void> {
  const { is, ...members } = notice;
  try {
    if (json) await err.json({ [is]: members });
    else await err.line(err.style.yellow(line));
  } catch {
    // nobody reads stderr; the events go on
  }
}

/** The daemon has ended the subscription for good. */
function endOf({ why }: TailEnd, { commandLine }: Context, goOn: string[]): CliError {
  const hint = `to go on without the name: ${commandLine(shellCommand(goOn))}`;
  if (why === 'takenOver') return new CliError(exitCodes.busy, 'another reader has taken the name over', hint);
  return new CliError(exitCodes.notFound, 'the name was removed', hint);
}

/** A `--from` that cannot be resumed, with what was typed beside it; any other error as it is. */
function refusalOf(error: unknown, from: string, { commandLine }: Context, typed: string[], name?: string): unknown {
  if (!(error instanceof RpcError)) return error;
  const message = refusedText(error, from);
  if (message === undefined) return error;
  const anew = [...typed, '--from', 'start', ...(name === undefined ? [] : ['--name', name])];
  const hint = `begin anew, with all events that are kept: ${commandLine(shellCommand(anew))}`;
  return new CliError(exitCodes.failure, message, hint, error.kind);
}

/** Not where the reader is gone: a pipe takes what nobody read, and a cursor behind that would be past it. */
async function tellCursor({ out, err, json, commandLine }: Context, cursor: string, words: string[]): Promise<void> {
  if (out.isReaderGone) return;
  try {
    if (json) await err.json({ cursor });
    else await err.afterSignal(`resume with: ${commandLine(shellCommand(words))}`);
  } catch {
    // a closed terminal reads no cursor
  }
}

// tail [ID]: events as they happen, one a line, from now or from a cursor; at its end it tells the cursor to go on from.
// A cursor is told only when all events up to it were printed: behind a batch that was not, it stands still.
import type { Command } from 'commander';
import type { Client, Delivery } from '../../protocol/client.ts';
import { parseCursor } from '../../protocol/cursor.ts';
import type { Event } from '../../protocol/schema.ts';
import { connect } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { OutputClosedError } from '../output.ts';
import { cleanStart, safeJson } from '../render/clean.ts';
import { eventLine } from '../render/event.ts';
import { loadWidths } from '../render/width.ts';
import { resolveSession } from '../resolve.ts';
import { onStopSignal } from '../signals.ts';

/** Why a tail is over. `stopped`: by a signal or a closed pipe; `gone`: the daemon ended. */
type End = 'stopped' | 'gone';

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .argument('[id]', 'only the session with this id, or start of one')
    .option('--from <CURSOR>', 'events after this cursor, or "start" for all that are kept; without it, from now on')
    .addHelpText(
      'after',
      `\nCtrl-C ends it and prints the cursor to resume from, on stderr.\n\n` +
        `Examples:\n  ${program} tail\n  ${program} tail ses_4kZq --from start --json | jq .type`,
    )
    .action(async (id: string | undefined, options: { from?: string }) => {
      const from = options.from ?? 'now';
      if (from !== 'now' && from !== 'start' && !parseCursor(from)) {
        throw new CliError(exitCodes.usage, `--from takes a cursor or "start", not "${cleanStart(from, 100)}"`);
      }
      const { client } = await connect(context);
      try {
        await tail(context, client, id, from);
      } finally {
        client.close();
      }
    });
}

async function tail(context: Context, client: Client, id: string | undefined, from: string): Promise<void> {
  if (context.out.width !== Number.POSITIVE_INFINITY) await loadWidths();
  const session = id === undefined ? undefined : await resolveSession(context, client, id);
  let cursor: string | undefined;
  let finish!: (end: End) => void;
  let fail!: (error: unknown) => void;
  const ended = new Promise<End>((resolve, reject) => {
    finish = resolve;
    fail = reject;
  });
  const undo = onStopSignal(() => finish('stopped'));
  context.out.onReaderGone(() => finish('stopped'));
  let printed = true;
  const listener = async (delivery: Delivery) => {
    if (!printed) return;
    try {
      if (delivery.type === 'events/batch') await printEvents(context, delivery.params.events);
    } catch (error) {
      printed = false;
      if (error instanceof OutputClosedError) finish('stopped');
      else fail(error);
      return;
    }
    // Also of deliveries that a newer daemon may add: where there is a cursor, all before it was delivered.
    cursor = (delivery.params as { cursor?: string }).cursor ?? cursor;
    if (delivery.type === 'events/ended') finish('gone');
  };
  const gone = () => finish('gone');
  client.closed.then(gone, gone);
  try {
    const filter = session && { sessions: [session.id] };
    const subscription = await client.subscribe({ from, snapshot: 'never', ...(filter && { filter }) }, listener);
    cursor ??= subscription.cursor;
    const end = await ended;
    await tellCursor(context, cursor, id);
    if (end === 'gone') {
      throw new CliError(exitCodes.notReachable, 'the daemon has ended', `start it again: ${context.program} start`);
    }
  } finally {
    undo();
  }
}

async function printEvents(context: Context, events: Event[]): Promise<void> {
  const { out, json, home } = context;
  if (json) return out.lines(events.map((event) => safeJson(event)));
  const { style, width } = out;
  const now = context.now();
  await out.lines(events.map((event) => eventLine(event, { width, style, home, now })));
}

async function tellCursor(context: Context, cursor: string, id: string | undefined): Promise<void> {
  const { err, json, program } = context;
  const typed = id === undefined ? '' : `${id} `;
  try {
    if (json) await err.json({ cursor });
    else await err.afterSignal(`resume with: ${program} tail ${typed}--from ${cursor}`);
  } catch {
    // a closed terminal reads no cursor
  }
}

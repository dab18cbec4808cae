// outbox: what waits to be sent to each sink, and why it has not arrived; a batch is sent again, or given up.
import type { Command } from 'commander';
import { connect, withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { batchesThat, readWaiting, resolveBatch } from '../outbox.ts';
import { watchOutbox } from '../outbox-watch.ts';
import { outboxLines } from '../render/batch.ts';
import { cleanLine, safeJson } from '../render/clean.ts';
import { loadWidths, wrap } from '../render/width.ts';

type Options = { watch?: boolean; all?: boolean; sink?: string };

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .usage('[COMMAND] [options]')
    .helpCommand(false)
    .option('--watch', 'stay, and print what becomes of it until Ctrl-C')
    .option('--all', 'also what arrived last, and what of it was not taken')
    .option('--sink <SINK>', 'only what is for this one, as sink ls shows it')
    .addHelpText(
      'after',
      `\nWhat is sent is sent in batches, again and again until it arrives. One that was refused is set aside, and its sink\n` +
        `paused, until it is sent again or given up. With --json each line is a batch; with --watch there is one line more\n` +
        `when it is tried, when it has arrived, or with "discarded" when it was given up. It looks once a second: of what came\n` +
        `and went in between it tells only that the sink moved on.\n\n` +
        `Examples:\n  ${program} outbox\n  ${program} outbox --watch --sink mirror\n  ${program} outbox retry bat_4kZq`,
    )
    .action((options: Options) => show(context, options));
  verb('retry', 'send a batch at once that waits or was set aside')
    .argument('<batch>', 'its id as outbox shows it, or the start of it')
    .addHelpText('after', `\nIts sink goes on with it.\n\nExample:\n  ${program} outbox retry bat_4kZq`)
    .action((given: string) => retry(context, given));
  verb('discard', 'give a batch up: what is in it is never sent as it is')
    .argument('<batch>', 'its id as outbox shows it, or the start of it')
    .addHelpText(
      'after',
      `\nAnother sessiond that lacks it asks for its sessions whole, as they are then.\n\nExample:\n  ${program} outbox discard bat_4kZq`,
    )
    .action((given: string) => discard(context, given));

  function verb(name: string, summary: string): Command {
    return command
      .command(name)
      .summary(summary)
      .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`);
  }
}

async function show(context: Context, { watch = false, all: whole = false, sink }: Options): Promise<void> {
  const { out, home, commandLine } = context;
  if (out.width !== Number.POSITIVE_INFINITY) await loadWidths();
  const { client } = await connect(context);
  try {
    const waiting = await readWaiting(client, sink);
    const { sinks, batches } = waiting;
    const arrived = context.json && !whole ? [] : await batchesThat(client, 'acked', sink);
    if (context.json) await out.lines([...arrived, ...batches].map((batch) => safeJson(batch)));
    else if (sinks.length === 0)
      await out.lines(['Nothing is sent anywhere.', `To add a place: ${commandLine('sink add NAME URL')}`]);
    else {
      const { width, style } = out;
      const options = { width, style, now: context.now(), home, commandLine, whole };
      await out.lines(outboxLines(waiting, arrived, options));
    }
    if (!watch) return;
    if (!context.json) await out.line(out.style.dim('watching (Ctrl-C ends)'));
    await watchOutbox(context, client, waiting, sink);
  } finally {
    client.close();
  }
}

async function retry(context: Context, given: string): Promise<void> {
  const { out } = context;
  const { batch } = await withDaemon(context, async ({ client }) => {
    const { batchId } = await resolveBatch(context, client, given);
    return client.call('outbox/retry', { batchId });
  });
  if (context.json) return out.json(batch);
  await out.lines([
    `${cleanLine(batch.batchId)} is sent to ${cleanLine(batch.sink)} again`,
    `how it goes: ${context.commandLine('outbox')}`,
  ]);
}

async function discard(context: Context, given: string): Promise<void> {
  const { out, commandLine } = context;
  const { batch, sink } = await withDaemon(context, async ({ client }) => {
    const found = await resolveBatch(context, client, given);
    await client.call('outbox/discard', { batchId: found.batchId });
    const { items } = await client.call('sink/list', {});
    return { batch: found, sink: items.find(({ name }) => name === found.sink) };
  });
  if (context.json) return out.json({ discarded: batch.batchId });
  const name = cleanLine(batch.sink);
  const lines = [
    `${cleanLine(batch.batchId)} is given up: it is not sent to ${name}`,
    ...(sink?.state === 'paused' ? [`${name} is paused; to go on: ${commandLine(`sink resume ${name}`)}`] : []),
  ];
  await out.lines(lines.flatMap((line) => wrap(line, out.width)));
}

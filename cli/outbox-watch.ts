// outbox --watch: tells what becomes of what waits. There is no event for it: the lists are read again and again.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../protocol/client.ts';
import type { Batch, SinkStatus } from '../protocol/outbox.ts';
import type { Context } from './context.ts';
import { CliError, exitCodes } from './exit.ts';
import type { Waiting } from './outbox.ts';
import { batchesThat, readWaiting } from './outbox.ts';
import { batchText } from './render/batch.ts';
import { cleanLine, cleanStart } from './render/clean.ts';
import { shortId } from './render/short-id.ts';
import { isInTrouble, sinkFacts } from './render/sink.ts';
import { localTime } from './render/time.ts';
import { wrap } from './render/width.ts';
import { onStopSignal } from './signals.ts';

/** How long a change may go untold, ms. */
const everyMs = 1000;

/**
 * Prints what changed since `seen`, until a stop signal comes or nobody reads any more. Fails as not reachable (3) when the
 * daemon ends.
 */
export async function watchOutbox(context: Context, client: Client, seen: Waiting, sink?: string): Promise<void> {
  const stop = new AbortController();
  let isGone = false;
  const undo = onStopSignal(() => stop.abort());
  context.out.onReaderGone(() => stop.abort());
  const gone = () => {
    isGone = true;
    stop.abort();
  };
  client.closed.then(gone, gone);
  const isOver = () => stop.signal.aborted;
  try {
    for (let before = seen; ; ) {
      await sleep(everyMs, undefined, { signal: stop.signal }).catch(() => {}); // aborted: over
      if (isOver()) break;
      const now = await readWaiting(client, sink);
      if (!isOver()) await tellChanges(context, client, before, now);
      before = now;
    }
  } catch (error) {
    if (!isOver()) throw error;
  } finally {
    undo();
  }
  if (isGone)
    throw new CliError(exitCodes.notReachable, 'the daemon has ended', `start it again: ${context.program} start`);
}

async function tellChanges(context: Context, client: Client, before: Waiting, now: Waiting): Promise<void> {
  const { out, json } = context;
  const was = new Map(before.batches.map((batch) => [batch.batchId, batch]));
  const is = new Map(now.batches.map((batch) => [batch.batchId, batch]));
  const ended = before.batches.filter(({ batchId }) => !is.has(batchId));
  const news = now.batches.filter((batch) => !isSame(was.get(batch.batchId), batch));
  const arrived = new Map<string, Batch>();
  for (const sink of new Set(ended.map(({ sink }) => sink))) {
    if (!now.sinks.some(({ name }) => name === sink)) continue;
    for (const batch of await batchesThat(client, 'acked', sink)) arrived.set(batch.batchId, batch);
  }
  if (json) {
    for (const batch of ended) await out.json(arrived.get(batch.batchId) ?? { ...batch, discarded: true });
    for (const batch of news) await out.json(batch);
    return;
  }
  const lineOf = ({ sink, batchId }: Batch, text: string) =>
    `${cleanLine(sink)}  ${cleanLine(shortId(batchId))}  ${text}`;
  const at = context.now();
  const { green, yellow, red } = out.style;
  for (const batch of ended) {
    const acked = arrived.get(batch.batchId);
    const paint = acked && acked.rejected.length === 0 ? green : yellow;
    await tell(context, lineOf(batch, acked ? batchText(acked, at) : 'given up'), paint);
  }
  for (const batch of news) {
    const why = batch.lastError === null ? '' : `: ${cleanStart(batch.lastError, 300)}`;
    await tell(context, lineOf(batch, `${batchText(batch, at)}${why}`), why === '' ? String : red);
  }
  const held = new Map(before.sinks.map((sink) => [sink.name, sink]));
  for (const sink of now.sinks) {
    const isTold = [...ended, ...news].some((batch) => batch.sink === sink.name);
    if (!isSameSink(held.get(sink.name), sink, isTold)) {
      await tell(context, `${cleanLine(sink.name)}  ${sinkFacts(sink)}`, isInTrouble(sink) ? red : String);
    }
    held.delete(sink.name);
  }
  for (const name of held.keys()) await tell(context, `${cleanLine(name)}  removed`, yellow);
}

async function tell({ out, now }: Context, text: string, paint: (text: string) => string): Promise<void> {
  await out.lines(wrap(`${localTime(now())}  ${text}`, out.width).map((line) => paint(line)));
}

/** On its way and back is the same try. */
function isSame(before: Batch | undefined, now: Batch): boolean {
  const isWaiting = ({ state }: Batch) => state !== 'failed';
  return before !== undefined && before.attempts === now.attempts && isWaiting(before) === isWaiting(now);
}

/** Where nothing was told of its batches, one may have come and gone meanwhile. */
function isSameSink(before: SinkStatus | undefined, now: SinkStatus, isTold: boolean): boolean {
  if (before === undefined || before.state !== now.state) return false;
  return (before.lag === 0) === (now.lag === 0) && (isTold || before.cursor === now.cursor);
}

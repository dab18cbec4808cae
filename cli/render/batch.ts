// What waits to be sent, by sink: each batch, how often it was tried and when it is tried next, and why it did not arrive.
import type { Batch, SinkStatus } from '../../protocol/outbox.ts';
import type { CommandLine } from '../command-line.ts';
import type { Waiting } from '../outbox.ts';
import { cleanLine, cleanStart } from './clean.ts';
import { countOf } from './quantity.ts';
import { shortIds } from './short-id.ts';
import { isInTrouble, sinkFacts, sinkPlace, troubleLines } from './sink.ts';
import type { Style } from './style.ts';
import { duration } from './time.ts';
import { wrap } from './width.ts';

export type OutboxOptions = {
  width: number;
  style: Style;
  now: number;
  home: string;
  commandLine: CommandLine;
};

const mostRejected = 5;

/**
 * Of each sink that lacks something, or is in trouble, what waits for it; the others in one line. `arrived`: what was
 * acknowledged last: all of it is shown `whole`, else how much of it the other side did not take.
 */
export function outboxLines(
  { sinks, batches }: Waiting,
  arrived: Batch[],
  { whole = false, ...options }: OutboxOptions & { whole?: boolean },
): string[] {
  const { width, style } = options;
  const ids = shortIds(
    [...arrived, ...batches].map(({ batchId }) => batchId),
    false, // older ones are not listed any more, or not asked for
  );
  const of = (list: Batch[], { name }: SinkStatus) => list.filter(({ sink }) => sink === name);
  const isDone = (sink: SinkStatus) =>
    !isInTrouble(sink) && sink.lag === 0 && of(batches, sink).length === 0 && notTaken(of(arrived, sink)) === 0;
  const listed = whole ? sinks : sinks.filter((sink) => !isDone(sink));
  const done = sinks.filter((sink) => !listed.includes(sink));
  const lines = listed.flatMap((sink) => [
    ...headLines(sink, options),
    ...(whole ? of(arrived, sink).flatMap((batch) => batchLines(batch, ids.get(batch.batchId)!, options)) : []),
    ...of(batches, sink).flatMap((batch) => batchLines(batch, ids.get(batch.batchId)!, options)),
    ...(whole ? [] : notTakenLines(sink, of(arrived, sink), options)),
    ...troubleLines(sink, options, isTold(sink, of(batches, sink))),
  ]);
  if (done.length === 0) return lines;
  const names = done.map(({ name }) => cleanLine(name)).join(', ');
  return [...lines, ...wrap(`Nothing waits for ${names}.`, width).map(lines.length > 0 ? style.dim : String)];
}

/** A batch in one line: `12 ops, waiting, tried 3 times, next try in 12s`. */
export function batchText({ items, state, attempts, nextRetryAt, rejected }: Batch, now: number): string {
  const tried = attempts === 0 ? [] : [`tried ${attempts === 1 ? 'once' : `${attempts} times`}`];
  if (state === 'acked') {
    return rejected.length === 0 ? 'arrived' : `arrived, ${countOf(rejected.length, 'op')} of it not taken`;
  }
  const next = nextRetryAt === null ? [] : [`next try ${untilText(nextRetryAt, now)}`];
  const words = { pending: 'waiting', inFlight: 'on its way', failed: 'set aside' }[state];
  return [countOf(items, 'op'), words, ...tried, ...(state === 'pending' ? next : [])].join(', ');
}

/** `in 12s`, `now` */
function untilText(at: number, now: number): string {
  return at - now < 1000 ? 'now' : `in ${duration(at - now)}`;
}

function headLines(sink: SinkStatus, { width, style, home }: OutboxOptions): string[] {
  const name = cleanLine(sink.name);
  const [first = '', ...rest] = wrap(`${name}  ${sinkFacts(sink)}  ${sinkPlace(sink, home)}`, width);
  return [first.replace(name, () => style.bold(name)), ...rest];
}

function batchLines(batch: Batch, shownId: string, { width, style, now, commandLine }: OutboxOptions): string[] {
  const id = cleanLine(shownId);
  const deeper = (text: string) => wrap(text, width - 4).map((line) => `    ${line}`);
  const { rejected, lastError } = batch;
  const more = rejected.length - mostRejected;
  return [
    ...wrap(`${id}  ${batchText(batch, now)}`, width - 2).map((line) => `  ${line.replace(id, style.cyan)}`),
    ...(lastError === null ? [] : deeper(cleanStart(lastError, 300)).map(style.red)),
    ...rejected
      .slice(0, mostRejected)
      .flatMap(({ opId, reason }) => deeper(`${cleanStart(opId, 128)}: ${cleanStart(reason, 300)}`).map(style.yellow)),
    ...(more > 0 ? deeper(`and ${countOf(more, 'other')} (--json)`) : []),
    ...(batch.state === 'failed'
      ? [
          `to send it again: ${commandLine(`outbox retry ${id}`)}`,
          `to give it up: ${commandLine(`outbox discard ${id}`)}`,
        ].flatMap((text) => deeper(text).map(style.dim))
      : []),
  ];
}

/** Why a batch did not arrive is told with it. */
function isTold(sink: SinkStatus, batches: Batch[]): boolean {
  return batches.some(({ lastError }) => lastError === sink.lastError);
}

function notTaken(arrived: Batch[]): number {
  return arrived.reduce((sum, { rejected }) => sum + rejected.length, 0);
}

function notTakenLines({ name }: SinkStatus, arrived: Batch[], { width, style, commandLine }: OutboxOptions): string[] {
  const count = notTaken(arrived);
  if (count === 0) return [];
  const text = `${countOf(count, 'op')} that arrived ${count === 1 ? 'was' : 'were'} not taken: ${commandLine(`outbox --all --sink ${cleanLine(name)}`)}`;
  return wrap(text, width - 2).map((line) => style.yellow(`  ${line}`));
}

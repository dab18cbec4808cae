// Sinks in words and as a table: what each is sent, how far it is behind, what is wrong with it and what can be done.
import type { SinkStatus } from '../../protocol/outbox.ts';
import type { CommandLine } from '../command-line.ts';
import { shellQuote } from '../shell-quote.ts';
import { cleanLine, cleanStart } from './clean.ts';
import { shownPath } from './path.ts';
import { countOf, grouped } from './quantity.ts';
import { shortId } from './short-id.ts';
import type { Style } from './style.ts';
import type { Column } from './table.ts';
import { table } from './table.ts';
import { loadWidths, wrap } from './width.ts';

export type SinkTableOptions = { width: number; style: Style; home: string; commandLine: CommandLine };

/** The lines of the table, its header first; below a sink in trouble why, and what to do. */
export async function sinkTable(sinks: SinkStatus[], options: SinkTableOptions): Promise<string[]> {
  const { width, style, home } = options;
  const columns: Column[] = [
    { header: 'name', paint: style.cyan },
    { header: 'kind', drop: 1 },
    { header: 'state' },
    { header: 'behind', align: 'right' },
    { header: 'sessions', drop: 2, cut: { at: 'end', least: 8 } },
    { header: 'secrets', drop: 0 },
    { header: 'to', cut: { at: 'middle', least: 12, weight: 2 } },
  ];
  const rows = sinks.map((sink) => [
    cleanLine(sink.name),
    cleanLine(sink.kind),
    cleanLine(sink.state),
    grouped(sink.lag),
    filterText(sink, home),
    sink.mask ? 'masked' : 'sent',
    sinkPlace(sink, home),
  ]);
  if (width !== Number.POSITIVE_INFINITY) await loadWidths(rows.flat());
  const [header = '', ...lines] = table(columns, rows, width, style.dim);
  return [header, ...lines.flatMap((line, at) => [line, ...troubleLines(sinks[at]!, options)])];
}

export function sinkPlace({ kind, url }: SinkStatus, home: string): string {
  return kind === 'file' ? shownPath(url, home) : cleanStart(url, 2048);
}

/** Which sessions it is sent, in few words. */
export function filterText({ filter }: SinkStatus, home: string): string {
  const { sessions = [], directory, agents = [] } = filter ?? {};
  const words = [
    ...(sessions.length > 0 ? [sessions.map((id) => cleanLine(shortId(id))).join(', ')] : []),
    ...(directory === undefined ? [] : [`in ${shownPath(directory, home)}`]),
    ...(agents.length > 0 ? [`of ${agents.map((agent) => cleanStart(agent, 60)).join(', ')}`] : []),
  ];
  return words.length === 0 ? 'all' : words.join(' ');
}

/** `failing, 120 events behind` */
export function sinkFacts({ state, lag }: SinkStatus): string {
  return `${cleanLine(state)}, ${lag === 0 ? 'has everything' : `${countOf(lag, 'event')} behind`}`;
}

export function isInTrouble({ state }: SinkStatus): boolean {
  return state !== 'active';
}

/** What is wrong with it, unless that is told already, and what to do, indented; nothing of one that is well. */
export function troubleLines(
  sink: SinkStatus,
  { width, style, commandLine }: Pick<SinkTableOptions, 'width' | 'style' | 'commandLine'>,
  isTold = false,
): string[] {
  if (!isInTrouble(sink)) return [];
  const error =
    sink.lastError === null || isTold ? [] : wrap(cleanStart(sink.lastError, 300), width - 2).map(style.red);
  const todo = wrap(todoText(sink, commandLine), width - 2).map(style.dim);
  return [...error, ...todo].map((line) => `  ${line}`);
}

function todoText({ name, kind, state, lastError }: SinkStatus, commandLine: CommandLine): string {
  if (state === 'failing') return `it is tried again by itself; when: ${commandLine('outbox')}`;
  const resume = commandLine(`sink resume ${shellQuote(cleanLine(name))}`);
  if (lastError === null) return `nothing is sent until: ${resume}`;
  const token = kind === 'file' ? '' : ' (--host-token-file PATH for another token)';
  return `nothing is sent until that is put right and: ${resume}${token}`;
}

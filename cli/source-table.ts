// The sources as a table: progress in numbers, what went wrong last below the row. Those that are not there stand last.
// Where the table does not fit, each source has lines of its own instead: no column is left out.
import type { SourceStatus } from '../protocol/methods.ts';
import { cleanLine, cleanStart } from './render/clean.ts';
import { shownPath } from './render/path.ts';
import { bytes, grouped } from './render/quantity.ts';
import { byPresence, sourceFacts } from './render/sources.ts';
import type { Style } from './render/style.ts';
import type { Column } from './render/table.ts';
import { table } from './render/table.ts';
import { displayWidth, truncateStart, wrap } from './render/width.ts';

const leastPath = 16;

/** The lines of the table, its header first. */
export function sourceTable(
  sources: SourceStatus[],
  { width, style, home }: { width: number; style: Style; home: string },
): string[] {
  const columns: Column[] = [
    { header: 'name', paint: style.cyan },
    { header: 'state' },
    { header: 'files read', align: 'right' },
    { header: 'behind', align: 'right' },
    { header: 'sessions', align: 'right' },
    { header: 'not understood', align: 'right' },
    { header: 'path', cut: { at: 'start', least: leastPath } },
  ];
  const { present, absent } = byPresence(sources);
  const listed = [...present, ...absent];
  const rowsOf = listed.map((source) => cells(source, home));
  const narrowest = rowsOf.map((row) => row.with(-1, truncateStart(row.at(-1)!, leastPath)));
  const fits = table(columns, narrowest, Number.POSITIVE_INFINITY).every((line) => displayWidth(line) <= width);
  if (!fits) return listed.flatMap((source) => sourceLines(source, { width, style, home }));
  const [header = '', ...rows] = table(columns, rowsOf, width, style.dim, (index) =>
    index < present.length ? undefined : style.dim,
  );
  return [header, ...rows.flatMap((row, index) => [row, ...errorLines(listed[index]!, width, style)])];
}

function sourceLines(source: SourceStatus, { width, style, home }: { width: number; style: Style; home: string }) {
  const facts = [shownPath(source.path, home), ...(source.state === 'absent' ? [] : [sourceFacts(source)])];
  return [
    ...wrap(`${cleanLine(source.name)} ${cleanLine(source.state)}`, width).map(style.cyan),
    ...facts.flatMap((fact) => indented(fact, width)),
    ...errorLines(source, width, style),
  ];
}

function cells(source: SourceStatus, home: string): string[] {
  return [
    cleanLine(source.name),
    cleanLine(source.state),
    `${grouped(source.filesDone)}/${grouped(source.files)}`,
    source.bytesBehind === 0 ? '0' : bytes(source.bytesBehind),
    grouped(source.sessions),
    grouped(source.badRecords),
    shownPath(source.path, home),
  ];
}

function errorLines({ lastError }: SourceStatus, width: number, style: Style): string[] {
  return lastError === null ? [] : indented(cleanStart(lastError, 300), width).map(style.red);
}

function indented(text: string, width: number): string[] {
  return wrap(text, width - 2).map((line) => `  ${line}`);
}

// The sources as a table: progress in numbers, what went wrong last below the row. Those that are not there stand last.
import type { SourceStatus } from '../protocol/methods.ts';
import { cleanLine, cleanStart } from './render/clean.ts';
import { shownPath } from './render/path.ts';
import { bytes, grouped } from './render/quantity.ts';
import { byPresence } from './render/sources.ts';
import type { Style } from './render/style.ts';
import type { Column } from './render/table.ts';
import { table } from './render/table.ts';

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
    { header: 'sessions', align: 'right', drop: 1 },
    { header: 'bad records', align: 'right', drop: 0 },
    { header: 'path', cut: { at: 'start', least: 16 } },
  ];
  const { present, absent } = byPresence(sources);
  const listed = [...present, ...absent];
  const [header = '', ...rows] = table(
    columns,
    listed.map((source) => cells(source, home)),
    width,
    style.dim,
    (index) => (index < present.length ? undefined : style.dim),
  );
  return [header, ...rows.flatMap((row, index) => [row, ...errorLines(listed[index]!, style)])];
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

function errorLines({ lastError }: SourceStatus, style: Style): string[] {
  return lastError === null ? [] : [`  ${style.red(cleanStart(lastError, 300))}`];
}

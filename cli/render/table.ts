// A table that fits its width: columns that may be cut share what the others leave, and where even that is too little,
// the columns that can be missed go; no line is ever wider. Without a limit (a pipe) nothing is cut. Cells are clean text
// without colours.
import { displayWidth, pad, truncateEnd, truncateMiddle, truncateStart } from './width.ts';

export type Column = {
  header: string;
  align?: 'left' | 'right';
  /**
   * Set for a column that may be cut: at which end, the least width at which it is still of use, and its weight when
   * the columns that may be cut share what the others leave.
   */
  cut?: { at: 'start' | 'middle' | 'end'; least: number; weight?: number };
  /** When the table is too wide, the column with the lowest number goes first; one without a number stays. */
  drop?: number;
  paint?: Paint;
};

const gap = 2;

const cuts = { start: truncateStart, middle: truncateMiddle, end: truncateEnd };

type Paint = (text: string) => string;

/** The lines of the table, its header first. A row has one cell for each column. `paintRow` goes before the columns' paint. */
export function table(
  columns: Column[],
  rows: string[][],
  width: number,
  paintHeader: Paint = same,
  paintRow: (index: number) => Paint | undefined = () => undefined,
): string[] {
  const { kept, widths } = fitColumns(columns, rows, width);
  const lineOf = (cells: string[], isHeader: boolean, paintAll?: Paint) =>
    kept
      .map((index, position) => {
        const column = columns[index]!;
        const room = widths[position]!;
        const cut = cuts[isHeader ? 'end' : (column.cut?.at ?? 'end')];
        const text = cut(cells[index] ?? '', room);
        const isLast = position === kept.length - 1 && column.align !== 'right';
        return (paintAll ?? column.paint ?? same)(isLast ? text : pad(text, room, column.align));
      })
      .join(' '.repeat(gap));
  return [
    lineOf(
      columns.map((column) => column.header),
      true,
      paintHeader,
    ),
    ...rows.map((row, index) => lineOf(row, false, paintRow(index))),
  ];
}

/** The headers of the columns that are left out for want of room. */
export function leftOut(columns: Column[], rows: string[][], width: number): string[] {
  const { kept } = fitColumns(columns, rows, width);
  return columns.filter((_, index) => !kept.includes(index)).map(({ header }) => header);
}

/** Which columns are kept, and how wide each of these is. */
function fitColumns(columns: Column[], rows: string[][], width: number): { kept: number[]; widths: number[] } {
  const natural = columns.map((column, index) =>
    rows.reduce((most, row) => Math.max(most, displayWidth(row[index] ?? '')), displayWidth(column.header)),
  );
  let kept = columns.map((_, index) => index);
  for (;;) {
    const widths = share(
      kept.map((index) => columns[index]!),
      kept.map((index) => natural[index]!),
      width,
    );
    const fits = widths.every((room, position) => {
      const index = kept[position]!;
      return room >= Math.min(natural[index]!, columns[index]!.cut?.least ?? natural[index]!);
    });
    const next = kept
      .filter((index) => columns[index]!.drop !== undefined)
      .sort((a, b) => columns[a]!.drop! - columns[b]!.drop!)[0];
    if (fits || next === undefined) return { kept, widths };
    kept = kept.filter((index) => index !== next);
  }
}

/** Columns that may be cut share by weight what the fixed ones leave; one that needs less than its share gives the rest on. */
function share(columns: Column[], natural: number[], width: number): number[] {
  if (width === Number.POSITIVE_INFINITY) return natural;
  const widths = [...natural];
  let room = width - gap * (columns.length - 1);
  const open: number[] = [];
  for (const [index, column] of columns.entries()) {
    if (column.cut) {
      open.push(index);
      continue;
    }
    widths[index] = Math.max(0, Math.min(natural[index]!, room));
    room -= widths[index]!;
  }
  const weight = (index: number) => columns[index]!.cut?.weight ?? 1;
  open.sort((a, b) => natural[a]! / weight(a) - natural[b]! / weight(b));
  let weights = open.reduce((sum, index) => sum + weight(index), 0);
  for (const index of open) {
    widths[index] = Math.max(0, Math.min(natural[index]!, Math.floor((room * weight(index)) / weights)));
    room -= widths[index]!;
    weights -= weight(index);
  }
  return widths;
}

function same(text: string): string {
  return text;
}

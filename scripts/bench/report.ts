// What a run found, as JSON and as a table to read.
import type { Machine } from './machine.ts';
import { payload } from './part-put.ts';
import type { Row, Target, Unit } from './row.ts';
import { median } from './row.ts';

export type Figure = { median: number; rounds: number[] };
export type RowResult = {
  name: string;
  what: string;
  unit: Unit;
  floor: Figure & { what: string };
  ours: Figure;
  /** Median of ours by median of the floor. */
  ratio: number;
  /** Ours by floor of each round: how noisy the machine was. */
  ratios: number[];
  target: Target;
  reached: boolean;
};
export type Report = { machine: Machine; payload: string; quick: boolean; rows: RowResult[] };

export function rowResult(name: string, row: Row, floor: number[], ours: number[]): RowResult {
  const ratio = median(ours) / median(floor);
  return {
    name,
    what: row.what,
    unit: row.unit,
    floor: { what: row.floor, median: median(floor), rounds: floor },
    ours: { median: median(ours), rounds: ours },
    ratio,
    ratios: ours.map((value, round) => value / floor[round]!),
    target: row.target,
    reached: 'atLeast' in row.target ? ratio >= row.target.atLeast : ratio <= row.target.atMost,
  };
}

export function newReport(machine: Machine, quick: boolean, rows: RowResult[]): Report {
  return { machine, payload, quick, rows };
}

export function reportText({ machine, quick, rows }: Report): string {
  const { cores, cpu, node, filesystem, fsyncP50Ms } = machine;
  const table = [['row', 'floor', 'ours', 'ratio', '(rounds)', 'target', '']];
  for (const row of rows) {
    const verdict = quick ? 'not judged' : row.reached ? 'reached' : 'MISSED';
    const spread = `${ratioText(Math.min(...row.ratios))}–${ratioText(Math.max(...row.ratios))}`;
    const [floor, ours] = [figureText(row.floor.median, row.unit), figureText(row.ours.median, row.unit)];
    table.push([row.name, floor, ours, `${ratioText(row.ratio)} ×`, spread, targetText(row.target), verdict]);
  }
  const lines = [
    `${cores} cores (${cpu}), node ${node}, ${filesystem}, fsync p50 ${fsyncP50Ms.toFixed(3)} ms`,
    `payload: ${payload}`,
    '',
    ...aligned(table),
    '',
    ...rows.map((row) => `${row.name}: ${row.what}; floor: ${row.floor.what}`),
  ];
  if (quick) lines.push('', 'quick: a few operations, to see that it runs; the figures mean nothing');
  return lines.join('\n');
}

function aligned(table: string[][]): string[] {
  const widths = table[0]!.map((_, column) => Math.max(...table.map((cells) => cells[column]!.length)));
  const isNumber = (column: number) => column >= 1 && column <= 3;
  return table.map((cells) =>
    cells
      .map((cell, column) => (isNumber(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}

function figureText(value: number, unit: Unit): string {
  if (unit === 'per second') return `${Math.round(value).toLocaleString('en')}/s`;
  if (unit === 'bytes') return `${(value / 1e6).toFixed(1)} MB`;
  const digits = unit === 'ms' ? 3 : unit === 'MB' ? 0 : 2;
  return `${value.toFixed(digits)} ${unit === '% of a core' ? '%' : unit}`;
}

function ratioText(ratio: number): string {
  return ratio.toFixed(2);
}

function targetText(target: Target): string {
  return 'atLeast' in target ? `≥ ${target.atLeast} ×` : `≤ ${target.atMost} ×`;
}

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
  target: Target | null;
  /** Null where there is no target. */
  reached: boolean | null;
};
/** A row that this machine cannot measure. */
export type RowLeftOut = { name: string; why: string };
export type Report = {
  machine: Machine;
  payload: string;
  quick: boolean;
  rows: RowResult[];
  leftOut: RowLeftOut[];
};

export function rowResult(name: string, row: Row, floor: number[], ours: number[], floorNote?: string): RowResult {
  const ratio = median(ours) / median(floor);
  return {
    name,
    what: row.what,
    unit: row.unit,
    floor: { what: floorNote ? `${row.floor} (${floorNote})` : row.floor, median: median(floor), rounds: floor },
    ours: { median: median(ours), rounds: ours },
    ratio,
    ratios: ours.map((value, round) => value / floor[round]!),
    target: row.target,
    reached: isReached(ratio, row.target),
  };
}

function isReached(ratio: number, target: Target | null): boolean | null {
  if (target === null) return null;
  return 'atLeast' in target ? ratio >= target.atLeast : ratio <= target.atMost;
}

export function newReport(machine: Machine, quick: boolean, rows: RowResult[], leftOut: RowLeftOut[]): Report {
  return { machine, payload, quick, rows, leftOut };
}

export function reportText({ machine, quick, rows, leftOut }: Report): string {
  const { cores, cpu, node, filesystem, fsyncP50Ms } = machine;
  const table = [['row', 'floor', 'ours', 'ratio', '(rounds)', 'target', '']];
  for (const row of rows) {
    const verdict = row.reached === null ? 'for comparison' : quick ? 'not judged' : row.reached ? 'reached' : 'MISSED';
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
    ...leftOut.map(({ name, why }) => `${name}: left out: ${why}`),
  ];
  const missed = rows.filter((row) => row.reached === false).map((row) => row.name);
  if (!quick && missed.length > 0) lines.push('', `missed: ${missed.join(', ')}`);
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

function targetText(target: Target | null): string {
  if (target === null) return 'none';
  return 'atLeast' in target ? `≥ ${target.atLeast} ×` : `≤ ${target.atMost} ×`;
}

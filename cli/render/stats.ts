// Sums of tokens and cost as tables. A cost is printed only where an agent told one.
import type { UsageSum, UsageSums } from '../usage-sums.ts';
import { cleanStart } from './clean.ts';
import { countOf, grouped } from './quantity.ts';
import type { Style } from './style.ts';
import type { Column } from './table.ts';
import { leftOut, table } from './table.ts';
import { displayWidth, loadWidths, truncateMiddle, wrap } from './width.ts';

export type StatsOptions = {
  width: number;
  style: Style;
  /** At most so many days, the newest of those with any usage; without it all days. */
  mostDays?: number | undefined;
  /** The command that shows all days. */
  allDays: string;
};

export async function statsLines(sums: UsageSums, options: StatsOptions): Promise<string[]> {
  const { style, width, mostDays, allDays } = options;
  const days = mostDays === undefined ? sums.days : sums.days.filter(isUsed).slice(0, mostDays);
  const more = sums.days.length - days.length;
  await loadWidths([...sums.agents, ...sums.models, ...sums.days].map(nameOf));
  const isPriced = sums.total.pricedMessages > 0;
  const missing = new Set<string>();
  const section = (header: string, rows: UsageSum[]) => sumTable(header, rows, isPriced, missing, options);
  return [
    ...section('agent', sums.agents.length === 1 ? sums.agents : [...sums.agents, { ...sums.total, name: 'total' }]),
    '',
    ...section('model', sums.models),
    '',
    ...(days.length > 0 ? section('day', days) : []),
    ...(more > 0 ? wrap(`+ ${countOf(more, 'more day')}: ${allDays}`, width).map(style.dim) : []),
    '',
    ...(missing.size > 0 ? wrap(`Left out for want of room: ${[...missing].join(', ')}.`, width) : []),
    ...wrap(costText(sums.total), width).map(style.dim),
  ];
}

function isUsed({ usage: { input, output, cacheRead, cacheWrite, costUsd = 0 } }: UsageSum): boolean {
  return input + output + cacheRead + cacheWrite + costUsd > 0;
}

/** The headers of columns that found no room are added to `missing`. */
function sumTable(
  header: string,
  sums: UsageSum[],
  isPriced: boolean,
  missing: Set<string>,
  { width, style }: StatsOptions,
): string[] {
  const right = { align: 'right' } as const;
  const columns: Column[] = [
    { header, cut: { at: 'middle', least: leastDistinct(sums.map(nameOf)) }, paint: style.cyan },
    { header: 'sessions', ...right, drop: 0 },
    { header: 'messages', ...right, drop: 2 },
    { header: 'input', ...right, drop: 5 },
    { header: 'output', ...right },
    { header: 'cache read', ...right, drop: 3 },
    { header: 'cache write', ...right, drop: 1 },
    ...(isPriced ? [{ header: 'cost', ...right, drop: 4 }] : []),
  ];
  const rows = sums.map((sum) => [
    nameOf(sum),
    ...[sum.sessions, sum.messages, sum.usage.input, sum.usage.output, sum.usage.cacheRead, sum.usage.cacheWrite].map(
      grouped,
    ),
    sum.usage.costUsd === undefined ? '' : dollars(sum.usage.costUsd),
  ]);
  for (const each of leftOut(columns, rows, width)) missing.add(each);
  return table(columns, rows, width, style.dim);
}

/** The width from which on no two names are cut to the same. */
function leastDistinct(names: string[]): number {
  const widest = Math.max(...names.map(displayWidth));
  let width = 10;
  while (width < widest && new Set(names.map((name) => truncateMiddle(name, width))).size < names.length) width += 1;
  return width;
}

function nameOf({ name }: UsageSum): string {
  return cleanStart(name ?? '', 60) || '(not told)';
}

function costText({ messages, pricedMessages, usage }: UsageSum): string {
  if (pricedMessages === 0) return 'No agent told a cost; none is guessed.';
  const some = `${grouped(pricedMessages)} of ${countOf(messages, 'message')}`;
  return `Cost is known for ${some}, as their agents told it: ${dollars(usage.costUsd ?? 0)}. None is guessed.`;
}

function dollars(value: number): string {
  const [whole, cents] = value.toFixed(2).split('.');
  return `$${grouped(Number(whole))}.${cents}`;
}

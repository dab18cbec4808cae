// Shares in words and as a table, and what would be masked of a session that is to be shared.
import type { MaskFinding, Share } from '../../protocol/outbox.ts';
import type { CommandLine } from '../command-line.ts';
import { cleanLine, cleanStart } from './clean.ts';
import { shortId, shortIds } from './short-id.ts';
import type { Style } from './style.ts';
import type { Column } from './table.ts';
import { table } from './table.ts';
import { localDateTime } from './time.ts';
import { loadWidths, wrap } from './width.ts';

export type ShareOptions = { width: number; style: Style; commandLine: CommandLine };

const rightWords: Record<string, string> = {
  read: 'read it',
  append: 'append to it',
  answer: 'answer what waits in it',
};

/** `read it, append to it` */
export function rightsText(rights: readonly string[]): string {
  return rights.map((right) => rightWords[right] ?? cleanLine(right)).join(', ');
}

/** The lines of the table, its header first; below a share in trouble why, and what to do. */
export async function shareTable(shares: Share[], options: ShareOptions): Promise<string[]> {
  const { width, style } = options;
  const columns: Column[] = [
    { header: 'id', paint: style.cyan },
    { header: 'session', drop: 2 },
    { header: 'title', drop: 3, cut: { at: 'end', least: 8, weight: 2 } },
    { header: 'allows', drop: 1 },
    { header: 'state' },
    { header: 'valid', drop: 0 },
    { header: 'host', cut: { at: 'middle', least: 12, weight: 2 } },
  ];
  const ids = shortIds(
    shares.map(({ id }) => id),
    true,
  );
  const rows = shares.map(({ id, sessionId, title, host, rights, state, lag, expiresAt }) => [
    cleanLine(ids.get(id)!),
    cleanLine(shortId(sessionId)),
    cleanStart(title ?? '', 200) || '(no title)',
    rights.map(cleanLine).join(', '),
    lag > 0 ? `${cleanLine(state)}, ${lag} behind` : cleanLine(state),
    `until ${expiresAt === null ? 'taken back' : localDateTime(expiresAt)}`,
    cleanStart(host, 2048),
  ]);
  if (width !== Number.POSITIVE_INFINITY) await loadWidths(rows.flat());
  const paintRow = (at: number) => (shares[at]!.state === 'ending' ? style.dim : undefined);
  const [header = '', ...lines] = table(columns, rows, width, style.dim, paintRow);
  return [header, ...lines.flatMap((line, at) => [line, ...troubleOf(shares[at]!, options)])];
}

function troubleOf(share: Share, { width, style, commandLine }: ShareOptions): string[] {
  const { lastError } = share;
  const error = lastError === null ? [] : wrap(cleanStart(lastError, 300), width - 2).map(style.red);
  const todo = wrap(todoText(share, commandLine), width - 2).map(style.dim);
  return [...error, ...todo].filter((line) => line !== '').map((line) => `  ${line}`);
}

function todoText({ id, state }: Share, commandLine: CommandLine): string {
  switch (state) {
    case 'active':
      return '';
    case 'ending':
      return 'taken back here; its host is told as soon as it can be reached';
    case 'failing':
      return `it is tried again by itself; when: ${commandLine(`outbox --sink ${cleanLine(id)}`)}`;
    case 'paused':
      return `nothing is sent until: ${commandLine(`sink resume ${cleanLine(id)}`)}`;
  }
}

/** What would be masked, as a table, its header first. */
export async function findingTable(
  findings: MaskFinding[],
  { width, style }: Pick<ShareOptions, 'width' | 'style'>,
): Promise<string[]> {
  const columns: Column[] = [
    { header: 'secret', paint: style.yellow },
    { header: 'in', drop: 0, paint: style.cyan },
    { header: 'where', drop: 1, cut: { at: 'start', least: 12 } },
    { header: 'around it', cut: { at: 'end', least: 16, weight: 2 } },
  ];
  const rows = findings.map(({ rule, messageId, partId, blockerId, where, excerpt }) => [
    cleanLine(rule),
    cleanLine(partId ?? blockerId ?? messageId ?? ''),
    cleanStart(where, 200),
    cleanStart(excerpt, 300),
  ]);
  if (width !== Number.POSITIVE_INFINITY) await loadWidths(rows.flat());
  return table(columns, rows, width, style.dim);
}

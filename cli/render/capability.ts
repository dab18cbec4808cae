// Capabilities in words and as a table: how much was handed out, and whether it can still be used.
import type { Capability, Right } from '../../protocol/capability.ts';
import { cleanLine, cleanStart } from './clean.ts';
import { countOf } from './quantity.ts';
import { marker, underParents } from './sessions.ts';
import { shortId, shortIds } from './short-id.ts';
import type { Style } from './style.ts';
import type { Column } from './table.ts';
import { table } from './table.ts';
import { localDateTime, relativeTime } from './time.ts';
import { loadWidths } from './width.ts';

const mostNamed = 5;

const rightWords: Record<Right, string> = {
  read: 'read',
  append: 'append',
  answer: 'answer what waits',
  share: 'share parts of this',
  admin: 'administer the daemon',
};

/** What it gives, in plain words; ids whole, for they are what was typed. */
export function givenLines(capability: Capability): string[] {
  const { id, label, rights, sessions, expiresAt } = capability;
  const may = rights.map((right) => rightWords[right] ?? cleanLine(right)).join(', ');
  const where =
    sessions === '*'
      ? 'all sessions'
      : sessions.length > mostNamed
        ? countOf(sessions.length, 'session')
        : sessions.map(cleanLine).join(', ');
  return [
    `${cleanLine(id)}  ${cleanStart(label, 200)}`.trimEnd(),
    `may ${may}${opsText(capability, ' only')}`,
    `in ${where}`,
    expiresAt === null ? 'until it is taken back' : `until ${localDateTime(expiresAt)}`,
  ];
}

/** Whether it can be acted with. */
export function isValid({ revokedAt, expiresAt }: Capability, now: number): boolean {
  return revokedAt === null && (expiresAt === null || expiresAt > now);
}

/** The lines of the table, what was made out of another below that. `all`: with those that are not listed. */
export async function capabilityTable(
  listed: Capability[],
  all: Capability[],
  { width, style, now }: { width: number; style: Style; now: number },
): Promise<string[]> {
  const columns: Column[] = [
    { header: 'id', paint: style.cyan },
    { header: 'label', cut: { at: 'end', least: 8, weight: 2 } },
    { header: 'rights', cut: { at: 'end', least: 8 } },
    { header: 'sessions', drop: 2, cut: { at: 'end', least: 8 } },
    { header: 'valid', drop: 1 },
    { header: 'last used', drop: 0, paint: style.dim },
  ];
  const ids = shortIds(
    all.map(({ id }) => id),
    true,
  );
  const order = underParents(listed);
  const rows = order.map(({ session: capability, depth }) => [
    cleanLine(ids.get(capability.id)!),
    `${marker(depth)}${cleanStart(capability.label, 200) || '(no label)'}`,
    rightsText(capability),
    sessionsText(capability),
    validText(capability, now),
    capability.lastUsedAt === null ? 'never' : relativeTime(capability.lastUsedAt, now),
  ]);
  if (width !== Number.POSITIVE_INFINITY) await loadWidths(rows.flat());
  const paintRow = (at: number) => (isValid(order[at]!.session, now) ? undefined : style.dim);
  return table(columns, rows, width, style.dim, paintRow);
}

function rightsText(capability: Capability): string {
  return `${capability.rights.map(cleanLine).join(', ')}${opsText(capability)}`;
}

/** Nothing where no op could be appended anyway. */
function opsText({ rights, ops }: Capability, only = ''): string {
  const mayAppend = rights.includes('append') || rights.includes('answer');
  return ops && mayAppend ? ` (${ops.map(cleanLine).join(', ')}${only})` : '';
}

function sessionsText({ sessions }: Capability): string {
  return sessions === '*' ? 'all' : sessions.map((id) => cleanLine(shortId(id))).join(', ');
}

function validText({ revokedAt, expiresAt }: Capability, now: number): string {
  if (revokedAt !== null) return `revoked ${relativeTime(revokedAt, now)}`;
  if (expiresAt === null) return 'until revoked';
  return expiresAt > now ? `until ${localDateTime(expiresAt)}` : `expired ${relativeTime(expiresAt, now)}`;
}

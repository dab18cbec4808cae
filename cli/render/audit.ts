// The audit as a table: when, with what, by whom where that is somebody else, what, in which session, and how it ended.
import type { AuditEntry, Capability } from '../../protocol/capability.ts';
import { cleanLine, cleanStart } from './clean.ts';
import { shortId, shortIds } from './short-id.ts';
import type { Style } from './style.ts';
import type { Column } from './table.ts';
import { table } from './table.ts';
import { localDate, localTime } from './time.ts';
import { loadWidths } from './width.ts';

/** The lines of the table, its header first. `known`: the capabilities there are. */
export async function auditTable(
  entries: AuditEntry[],
  known: Capability[],
  { width, style }: { width: number; style: Style },
): Promise<string[]> {
  const columns: Column[] = [
    { header: 'at', drop: 2, paint: style.dim },
    { header: 'capability', cut: { at: 'end', least: 12 }, paint: style.cyan },
    { header: 'by', drop: 0, cut: { at: 'end', least: 8 } },
    { header: 'method' },
    { header: 'session', drop: 1 },
    { header: 'outcome' },
  ];
  const ids = shortIds(
    known.map(({ id }) => id),
    true,
  );
  const labels = new Map(known.map(({ id, label }) => [id, label]));
  const rows = entries.map(({ at, capabilityId, actorId, method, sessionId, outcome }) => [
    `${localDate(at)} ${localTime(at)}`,
    `${cleanLine(ids.get(capabilityId) ?? capabilityId)} ${cleanStart(labels.get(capabilityId) ?? '', 60)}`.trimEnd(),
    actorText(actorId, capabilityId, ids),
    cleanLine(method),
    sessionId === null ? '' : cleanLine(shortId(sessionId)),
    cleanLine(outcome),
  ]);
  if (width !== Number.POSITIVE_INFINITY) await loadWidths(rows.flat());
  const wasDone = ['ok', 'duplicate'];
  const paintRow = (at: number) => (wasDone.includes(entries[at]!.outcome) ? undefined : style.yellow);
  return table(columns, rows, width, style.dim, paintRow);
}

/** An actor is a capability or, of the owner, a client; behind the slash its connection. */
function actorText(actorId: string, capabilityId: string, ids: Map<string, string>): string {
  const [who = '', connection] = actorId.split('/');
  const name = who === capabilityId ? 'itself' : (ids.get(who) ?? who);
  return cleanStart(connection === undefined ? name : `${name}/${connection}`, 60);
}

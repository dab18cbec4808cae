// Sessions as a table, grouped by directory, subagents under their parent.
import type { Session } from '../../protocol/schema.ts';
import { cleanLine, cleanStart } from './clean.ts';
import { shownPath } from './path.ts';
import { grouped } from './quantity.ts';
import { shortIds } from './short-id.ts';
import type { Style } from './style.ts';
import type { Column } from './table.ts';
import { table } from './table.ts';
import { relativeTime } from './time.ts';
import { loadWidths, truncateEnd, truncateStart } from './width.ts';

export type SessionTableOptions = {
  width: number;
  style: Style;
  now: number;
  home: string;
  /** Whether these are all sessions there are. */
  complete: boolean;
  /** What sessions that wait ask for, by their id. */
  waits: Map<string, string>;
};

/** Narrower than this, rows are not set in below the heading of their directory. */
const leastIndented = 40;
/** How many columns what a session waits for may take: at most a third of the line, so that its title is still seen. */
const [leastWait, mostWait] = [20, 60];

/**
 * The table's lines: below each directory its sessions, the newest first, the directory with the newest one first. A
 * family is listed where its eldest is.
 */
export async function sessionTable(sessions: Session[], options: SessionTableOptions): Promise<string[]> {
  const { style, width } = options;
  const indent = width < leastIndented ? '' : '  ';
  const columns: Column[] = [
    { header: 'id', paint: style.cyan },
    { header: 'agent', drop: 1, cut: { at: 'end', least: 6 } },
    { header: 'updated', drop: 2, paint: style.dim },
    { header: 'msgs', align: 'right', drop: 0 },
    { header: 'title', cut: { at: 'end', least: 10, weight: 3 } },
  ];
  const ids = shortIds(
    sessions.map((session) => session.id),
    options.complete,
  );
  const groups = byDirectory(sessions, options.home);
  const listedSessions = [...groups.values()].flat();
  const paintRow = (at: number) => (listedSessions[at]!.session.status === 'waiting' ? style.yellow : undefined);
  const rows = listedSessions.map(({ session, depth }) => [
    cleanLine(ids.get(session.id)!),
    cleanStart(session.agent ?? '', 40),
    relativeTime(session.updatedAt, options.now),
    grouped(session.messageCount),
    `${marker(depth)}${stateOf(session, options)}${cleanStart(session.title ?? '', 500) || '(no title)'}`,
  ]);
  await loadWidths([...rows.flat(), ...groups.keys()]);
  const [header, ...lines] = table(columns, rows, width - indent.length, style.dim, paintRow).map(
    (line) => indent + line,
  );
  let at = 0;
  const listed = [...groups].flatMap(([directory, { length }]) => {
    at += length;
    return [style.bold(truncateStart(directory, width)), ...lines.slice(at - length, at)];
  });
  return [header!, ...listed];
}

/** Sessions with their depth, by the directory of the eldest of their family, as it is shown. */
function byDirectory(sessions: Session[], home: string): Map<string, { session: Session; depth: number }[]> {
  const groups = new Map<string, { session: Session; depth: number }[]>();
  for (const { session, depth, root } of underParents(sessions)) {
    const directory = root.directory ? shownPath(root.directory, home) : '(no directory)';
    const group = groups.get(directory);
    if (group) group.push({ session, depth });
    else groups.set(directory, [{ session, depth }]);
  }
  return groups;
}

/** What is not usual about a session, before its title: `[waiting: Bash (npm test)] `. */
function stateOf({ id, archivedAt, status }: Session, { waits, width }: SessionTableOptions): string {
  const room = Math.max(leastWait, Math.min(mostWait, Math.floor(width / 3)));
  const wait = truncateEnd(cleanLine(waits.get(id) ?? ''), room);
  const statusText = wait === '' ? cleanLine(status) : `${cleanLine(status)}: ${wait}`;
  const states = [archivedAt !== null && 'archived', status !== 'idle' && statusText].filter((state) => state);
  return states.map((state) => `[${state}] `).join('');
}

/** How what stands below a parent is marked: one step in for each parent above it. */
export function marker(depth: number): string {
  return depth === 0 ? '' : `${'  '.repeat(Math.min(depth, 8) - 1)}└ `;
}

/**
 * Sessions in the order given, each followed by those it is the parent of. A family stands where its first member
 * stood; a session whose parent is not among them stands as a row of its own.
 */
export function underParents<S extends Pick<Session, 'id' | 'parentId'>>(
  sessions: S[],
): { session: S; depth: number; root: S }[] {
  const byId = new Map(sessions.map((session) => [session.id, session]));
  const children = new Map<string, S[]>();
  for (const session of sessions) {
    if (session.parentId === null || !byId.has(session.parentId)) continue;
    const siblings = children.get(session.parentId);
    if (siblings) siblings.push(session);
    else children.set(session.parentId, [session]);
  }
  const placed = new Set<string>();
  const order: { session: S; depth: number; root: S }[] = [];
  for (const first of sessions) {
    if (placed.has(first.id)) continue;
    const root = rootOf(first, byId, placed);
    const waiting = [{ session: root, depth: 0 }];
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      if (placed.has(next.session.id)) continue;
      placed.add(next.session.id);
      order.push({ ...next, root });
      const below = (children.get(next.session.id) ?? []).map((session) => ({ session, depth: next!.depth + 1 }));
      for (const child of below.reverse()) waiting.push(child);
    }
  }
  return order;
}

/** The eldest listed ancestor. Records that name each other as parents, in a circle, must not hang a listing. */
function rootOf<S extends Pick<Session, 'id' | 'parentId'>>(session: S, byId: Map<string, S>, placed: Set<string>): S {
  const seen = new Set([session.id]);
  let root = session;
  for (;;) {
    const parent: S | undefined = root.parentId === null ? undefined : byId.get(root.parentId);
    if (!parent || seen.has(parent.id) || placed.has(parent.id)) return root;
    seen.add(parent.id);
    root = parent;
  }
}

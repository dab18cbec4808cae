// Sessions as a table, subagents under their parent.
import type { Session } from '../../protocol/schema.ts';
import { cleanLine, cleanStart } from './clean.ts';
import { shownPath } from './path.ts';
import { grouped } from './quantity.ts';
import { shortIds } from './short-id.ts';
import type { Style } from './style.ts';
import type { Column } from './table.ts';
import { table } from './table.ts';
import { relativeTime } from './time.ts';
import { loadWidths } from './width.ts';

export type SessionTableOptions = {
  width: number;
  style: Style;
  now: number;
  home: string;
  /** Whether these are all sessions there are. */
  complete: boolean;
};

/** The table's lines. */
export async function sessionTable(sessions: Session[], options: SessionTableOptions): Promise<string[]> {
  const { style, width } = options;
  const columns: Column[] = [
    { header: 'id', paint: style.cyan },
    { header: 'agent', drop: 2, cut: { at: 'end', least: 6 } },
    { header: 'updated', paint: style.dim },
    { header: 'msgs', align: 'right', drop: 1 },
    { header: 'directory', drop: 0, cut: { at: 'start', least: 10 } },
    { header: 'title', cut: { at: 'end', least: 10, weight: 2 } },
  ];
  const ids = shortIds(
    sessions.map((session) => session.id),
    options.complete,
  );
  const rows = underParents(sessions).map(({ session, depth }) => [
    cleanLine(ids.get(session.id)!),
    cleanStart(session.agent ?? '', 40),
    relativeTime(session.updatedAt, options.now),
    grouped(session.messageCount),
    session.directory === null ? '' : shownPath(session.directory, options.home),
    `${marker(depth)}${cleanStart(session.title ?? '', 500) || '(no title)'}`,
  ]);
  await loadWidths(rows.flat());
  return table(columns, rows, width, style.dim);
}

/** How a subagent's session is marked: one step in for each parent above it. */
function marker(depth: number): string {
  return depth === 0 ? '' : `${'  '.repeat(Math.min(depth, 8) - 1)}└ `;
}

/**
 * Sessions in the order given, each followed by those it is the parent of. A family stands where its first member
 * stood; a session whose parent is not among them is still marked as a child.
 */
export function underParents<S extends Pick<Session, 'id' | 'parentId'>>(
  sessions: S[],
): { session: S; depth: number }[] {
  const byId = new Map(sessions.map((session) => [session.id, session]));
  const children = new Map<string, S[]>();
  for (const session of sessions) {
    if (session.parentId === null || !byId.has(session.parentId)) continue;
    const siblings = children.get(session.parentId);
    if (siblings) siblings.push(session);
    else children.set(session.parentId, [session]);
  }
  const placed = new Set<string>();
  const order: { session: S; depth: number }[] = [];
  for (const first of sessions) {
    if (placed.has(first.id)) continue;
    const root = rootOf(first, byId, placed);
    const waiting = [{ session: root, depth: root.parentId === null ? 0 : 1 }];
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      if (placed.has(next.session.id)) continue;
      placed.add(next.session.id);
      order.push(next);
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

// Which sessions a listing is about: what session/list filters, and what is looked at here as its pages arrive.
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Client } from '../protocol/client.ts';
import type { Session } from '../protocol/schema.ts';
import { sessionPages } from './pages.ts';
import { shellCommand } from './shell-quote.ts';

export const statuses = ['idle', 'busy', 'waiting'] as const satisfies Session['status'][];

export type SessionFilter = {
  agent?: string | undefined;
  /** This folder and all below it. */
  dir?: string | undefined;
  /** Milliseconds since the epoch. */
  since?: number | undefined;
  status?: Session['status'] | undefined;
  /** Archived ones too. */
  archived?: boolean | undefined;
};

const pageSize = 250;

/** The pages of the sessions that fit, newest first, each session once. A page may be empty. */
export async function* filteredSessions(client: Client, filter: SessionFilter): AsyncGenerator<Session[], void, void> {
  const { agent, dir, since, status, archived } = filter;
  const params = {
    ...(agent !== undefined && { agent }),
    ...(status !== undefined && { status }),
    ...(since !== undefined && { updatedAfter: Math.max(0, since - 1) }),
    ...(!archived && { archived: false }),
    limit: pageSize,
  };
  const isInside = dir === undefined ? () => true : insideOf(dir);
  for await (const sessions of sessionPages(client, params)) yield sessions.filter(isInside);
}

/** Whether a session's directory is this folder or below it, as it was typed or as its links resolve. */
export function insideOf(given: string): (session: Pick<Session, 'directory'>) => boolean {
  const roots = [resolve(given)];
  try {
    roots.push(realpathSync(roots[0]!));
  } catch {
    // a folder that is gone may still have sessions
  }
  const starts = roots.map((root) => (root.endsWith('/') ? root : `${root}/`));
  return ({ directory }) => directory !== null && starts.some((start) => `${directory}/`.startsWith(start));
}

/** The options as typed, for a command that shows more of the same. */
export function filterWords(typed: Record<string, string | undefined>): string {
  const words = Object.entries(typed).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  return words.length === 0 ? '' : ` ${shellCommand(words)}`;
}

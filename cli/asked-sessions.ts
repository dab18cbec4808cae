// What a list of sessions asks of the daemon. Apart from how it is printed (list.ts), which is loaded while the daemon is at work.
import type { Client } from '../protocol/client.ts';
import type { SourceStatus } from '../protocol/methods.ts';
import type { Session } from '../protocol/schema.ts';
import type { SessionFilter } from './session-filter.ts';
import { filteredSessions } from './session-filter.ts';

/** Further sessions are counted up to here: a count is not worth reading a whole archive. */
export const mostCounted = 1000;
const terminalLimit = 50;

/** `filterWords`: the filter as options, for the command that shows more. */
export type Wanted = { limit: number; filter?: SessionFilter; filterWords?: string };

/** What is on its way. */
export type Asked = {
  sources: Promise<SourceStatus[]>;
  newest: Promise<{ sessions: Session[]; more: number }>;
};

/** How many sessions are listed when it was not said: on a terminal what a reader can take in, else all. */
export function defaultLimit(isTerminal: boolean): number {
  return isTerminal ? terminalLimit : Number.POSITIVE_INFINITY;
}

/** Asks for what printSessions prints. */
export function askSessions(client: Client, { limit, filter = {} }: Wanted): Asked {
  const asked = { sources: askSources(client), newest: newest(client, filter, limit) };
  asked.newest.catch(() => {}); // told when it is awaited
  return asked;
}

/**
 * The sources as they stand before the sessions are listed: of a read that ends meanwhile some may be missing. Awaited behind
 * these, so that who may see neither is told of the sessions that they asked for.
 */
export function askSources(client: Client): Promise<SourceStatus[]> {
  const sources = client.call('source/list', {}).then(({ items }) => items);
  sources.catch(() => {}); // told when it is awaited
  return sources;
}

async function newest(
  client: Client,
  filter: SessionFilter,
  limit: number,
): Promise<{ sessions: Session[]; more: number }> {
  const sessions: Session[] = [];
  let more = 0;
  for await (const items of filteredSessions(client, filter)) {
    const taken = items.slice(0, limit - sessions.length);
    sessions.push(...taken);
    more += items.length - taken.length;
    if (more > mostCounted) break;
  }
  return { sessions, more };
}

// From what a person types to one session: the whole id, or the start of one when no other session has it.
import type { Client } from '../protocol/client.ts';
import { RpcError } from '../protocol/errors.ts';
import type { Session } from '../protocol/schema.ts';
import type { Context } from './context.ts';
import { CliError, exitCodes } from './exit.ts';
import { sessionPages } from './pages.ts';
import { cleanLine, cleanStart } from './render/clean.ts';

const prefix = 'ses_';
const wholeId = /^ses_[A-Za-z0-9_-]{1,64}$/;
const shownCandidates = 10;

/** The session named. `ses_` may be left out. Fails as not found (5), or with the candidates as ambiguous (2). */
export async function resolveSession(context: Context, client: Client, given: string): Promise<Session> {
  const start = given.startsWith(prefix) ? given : prefix + given;
  if (!wholeId.test(start)) {
    throw new CliError(exitCodes.usage, `"${cleanStart(given, 100)}" is not an id`, listHint(context));
  }
  const exact = await findSession(client, start);
  if (exact) return exact;
  const matches: Session[] = [];
  for await (const sessions of sessionPages(client, { limit: 1000 })) {
    matches.push(...matching(sessions, start));
  }
  const [only] = matches;
  if (!only) throw new CliError(exitCodes.notFound, `no session's id starts with ${start}`, listHint(context));
  if (matches.length > 1) throw ambiguous(start, matches);
  return only;
}

/** The sessions named, each once, in the order given. Fails before anything is done to any of them. */
export async function resolveSessions(context: Context, client: Client, given: string[]): Promise<Session[]> {
  const sessions = new Map<string, Session>();
  for (const each of given) {
    const session = await resolveSession(context, client, each);
    sessions.set(session.id, session);
  }
  return [...sessions.values()];
}

/** The sessions whose id starts so. */
export function matching<S extends { id: string }>(sessions: S[], start: string): S[] {
  return sessions.filter((session) => session.id.startsWith(start));
}

async function findSession(client: Client, sessionId: string): Promise<Session | undefined> {
  try {
    return (await client.call('session/get', { sessionId })).session;
  } catch (error) {
    if (error instanceof RpcError && error.kind === 'NotFound') return undefined;
    throw error;
  }
}

function ambiguous(start: string, matches: Session[]): CliError {
  const lines = matches
    .slice(0, shownCandidates)
    .map((session) => `  ${cleanLine(session.id)}  ${cleanStart(session.title ?? '', 60)}`.trimEnd());
  if (matches.length > shownCandidates) lines.push(`  and ${matches.length - shownCandidates} more`);
  const message = `${matches.length} sessions have ids that start with ${start}:\n${lines.join('\n')}`;
  return new CliError(exitCodes.usage, message, 'give more of the id');
}

function listHint(context: Context): string {
  return `the sessions there are: ${context.program} ls --all`;
}

// From what a person types to one session: its id, or the id that its agent gave it; or the start of one, when no other
// session has it.
import type { Client } from '../protocol/client.ts';
import { RpcError } from '../protocol/errors.ts';
import type { Session } from '../protocol/schema.ts';
import { candidateLines } from './candidates.ts';
import type { Connected } from './connect.ts';
import { wholeIdHint } from './connect.ts';
import type { Context } from './context.ts';
import { CliError, exitCodes } from './exit.ts';
import { sessionPages } from './pages.ts';
import { cleanStart } from './render/clean.ts';

const prefix = 'ses_';
const wholeId = /^ses_[A-Za-z0-9_-]{1,64}$/;
const agentId = /^[\w.:@/-]{1,200}$/;

/** Whether this may be an agent's own id, or its name, and can be typed without quotes. */
export function isAgentId(text: string): boolean {
  return agentId.test(text);
}

/** The same id, for who may not read. Fails as wrong usage (2) where it cannot be one of our own, whole. */
export function wholeSessionId(given: string): string {
  if (wholeId.test(given)) return given;
  throw new CliError(exitCodes.usage, `"${cleanStart(given, 100)}" is not the full id of a session`, wholeIdHint);
}

/**
 * The session named; of our own ids, which go before those of agents, `ses_` may be left out. Fails as not found (5), or
 * with the candidates as ambiguous (2).
 */
export async function resolveSession(context: Context, client: Client, given: string): Promise<Session> {
  const start = given.startsWith(prefix) ? given : prefix + given;
  if (!wholeId.test(start) && !isAgentId(given)) {
    throw new CliError(exitCodes.usage, `"${cleanStart(given, 100)}" is not an id`, listHint(context));
  }
  const exact = await findExact(client, start, given);
  const found = exact.length > 0 ? exact : await startingWith(client, start, given);
  const [only] = found;
  if (!only) throw new CliError(exitCodes.notFound, `no session's id starts with ${given}`, listHint(context));
  if (found.length > 1) throw ambiguous(given, found, start);
  return only;
}

/** The session with this id, else those that their agents gave it. */
async function findExact(client: Client, id: string, externalId: string): Promise<Session[]> {
  const own = wholeId.test(id) ? await findSession(client, id) : undefined;
  return own ? [own] : (await client.call('session/list', { origin: { externalId } })).items;
}

/** The sessions whose id starts so, else those whose id of their agent does. */
async function startingWith(client: Client, start: string, externalStart: string): Promise<Session[]> {
  const own: Session[] = [];
  const agents: Session[] = [];
  for await (const sessions of sessionPages(client, { limit: 1000 })) {
    own.push(...matching(sessions, start));
    agents.push(...sessions.filter(({ origin }) => origin?.externalId.startsWith(externalStart)));
  }
  return own.length > 0 ? own : agents;
}

/** A session that something is done to. Who may not read knows no title. */
export type Target = { id: string; title?: string | null };

/**
 * The session named, for something that needs no right to read it: who has not that right gives one of our own ids whole,
 * and nothing is asked. Fails as resolveSession does, or as wrong usage (2) where an id must be whole and is not.
 */
export async function resolveTarget(
  context: Context,
  { client, canRead }: Pick<Connected, 'client' | 'canRead'>,
  given: string,
): Promise<Target> {
  return canRead ? resolveSession(context, client, given) : { id: wholeSessionId(given) };
}

/** The sessions named, each once, in the order given. Fails before anything is done to any of them. */
export async function resolveTargets(
  context: Context,
  connected: Pick<Connected, 'client' | 'canRead'>,
  given: string[],
): Promise<Target[]> {
  const targets = new Map<string, Target>();
  for (const each of given) {
    const target = await resolveTarget(context, connected, each);
    targets.set(target.id, target);
  }
  return [...targets.values()];
}

/** The sessions whose id starts so. */
export function matching<S extends { id: string }>(sessions: S[], start: string): S[] {
  return sessions.filter((session) => session.id.startsWith(start));
}

/** The session with this id, if there is one. */
export async function findSession(client: Client, sessionId: string): Promise<Session | undefined> {
  try {
    return (await client.call('session/get', { sessionId })).session;
  } catch (error) {
    if (error instanceof RpcError && error.kind === 'NotFound') return undefined;
    throw error;
  }
}

/** `ownStart`: what one of our own ids would begin with. */
function ambiguous(given: string, matches: Session[], ownStart: string): CliError {
  const lines = candidateLines(matches, ({ title }) => title ?? '');
  const message = `${matches.length} sessions have ids that start with ${given}:\n${lines.join('\n')}`;
  // More of an id that they share would not tell them apart.
  const shared = matches[0]?.origin?.externalId;
  const share =
    matching(matches, ownStart).length === 0 && matches.every(({ origin }) => origin?.externalId === shared);
  const hint = share ? "they share their agent's id: give the one that begins with ses_" : 'give more of the id';
  return new CliError(exitCodes.usage, message, hint);
}

function listHint(context: Context): string {
  return `the sessions there are: ${context.commandLine('ls --all')}`;
}

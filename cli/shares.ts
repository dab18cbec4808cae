// Shares as the daemon lists them, and as a person names them: by their own id, or by the session that is shared.
import type { Client } from '../protocol/client.ts';
import type { Share } from '../protocol/outbox.ts';
import type { Connected } from './connect.ts';
import type { Context } from './context.ts';
import { CliError, exitCodes } from './exit.ts';
import { pages } from './pages.ts';
import { cleanLine, cleanStart } from './render/clean.ts';
import { resolveSession } from './resolve.ts';
import { resolveListed } from './resolve-listed.ts';

/** All that the caller may know of, the oldest first. */
export async function allShares(client: Client): Promise<Share[]> {
  const all: Share[] = [];
  for await (const items of pages(client, 'share/list', { limit: 1000 })) all.push(...items);
  return all;
}

/**
 * The share named, or all those of the session named, also of one that is deleted. Fails as not found (5), or with the
 * candidates as ambiguous (2).
 */
export async function resolveShares(
  context: Context,
  { client, canRead }: Pick<Connected, 'client' | 'canRead'>,
  given: string,
): Promise<Share[]> {
  const all = await allShares(client);
  const sessions = [...new Map(all.map((share) => [share.sessionId, { ...share, id: share.sessionId }])).values()];
  const hint = `what is shared: ${context.commandLine('share --list')}`;
  const ofSession = (id: string) => all.filter(({ sessionId }) => sessionId === id);
  const kind = { hint, none: 'nothing is shared whose id, or whose session, starts with' };
  if (given.startsWith('shr_') || given === '') {
    return [resolveListed(all, given, { ...kind, prefix: 'shr_', several: 'shares', textOf: ({ host }) => host })];
  }
  const start = given.startsWith('ses_') ? given : `ses_${given}`;
  if (sessions.some(({ id }) => id.startsWith(start))) {
    const textOf = ({ title }: Share) => title ?? '';
    return ofSession(
      resolveListed(sessions, given, { ...kind, prefix: 'ses_', several: 'shared sessions', textOf }).id,
    );
  }
  // By the id that its agent gave it, say.
  const session = canRead ? await resolveSession(context, client, given).catch(unlessNotFound) : undefined;
  const found = session ? ofSession(session.id) : [];
  if (found.length > 0) return found;
  const message = session ? `${cleanLine(session.id)} is not shared` : `${kind.none} ${cleanStart(given, 100)}`;
  throw new CliError(exitCodes.notFound, message, hint);
}

function unlessNotFound(error: unknown): undefined {
  if (!(error instanceof CliError) || error.exitCode !== exitCodes.notFound) throw error;
}

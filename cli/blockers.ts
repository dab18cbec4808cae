// What waits for an answer, and from what a person types to one of these: its id, or the start of it.
import type { Client } from '../protocol/client.ts';
import { RpcError } from '../protocol/errors.ts';
import type { Params } from '../protocol/methods.ts';
import type { Blocker } from '../protocol/schema.ts';
import { candidateLines } from './candidates.ts';
import type { Connected } from './connect.ts';
import { wholeIdHint } from './connect.ts';
import type { Context } from './context.ts';
import { CliError, exitCodes } from './exit.ts';
import { askText, blockerText } from './render/blocker.ts';
import { cleanLine, cleanStart } from './render/clean.ts';
import { localDateTime, relativeTime } from './render/time.ts';
import { wholeSessionId } from './resolve.ts';

const prefix = 'blk_';
const wholeId = /^blk_[A-Za-z0-9_-]{1,64}$/;
/** Behind the prefix, of an id that was made here; what is printed in short has fewer. */
const leastOfWhole = 20;

export type Pending = {
  /** The oldest first. */
  blockers: Blocker[];
  /** Whoever subscribes from here misses nothing: what is told again, of later pages, is known by its id. */
  cursor: string;
};

/** All that waits, over all sessions. */
export async function pendingBlockers(client: Client): Promise<Pending> {
  const { blockers, cursor } = await blockersThat(client, { state: 'pending' });
  return { blockers: blockers.sort((a, b) => (a.askedAt ?? 0) - (b.askedAt ?? 0)), cursor };
}

/** The blocker as it stands; undefined when there is none. */
export async function findBlocker(client: Client, blockerId: string): Promise<Blocker | undefined> {
  try {
    return (await client.call('blocker/wait', { blockerId, timeoutMs: 0 })).blocker;
  } catch (error) {
    if (error instanceof RpcError && error.kind === 'NotFound') return undefined;
    throw error;
  }
}

/**
 * The blocker named; `blk_` may be left out. A start is looked for among those that wait, then among all. Fails as not
 * found (5), or with the candidates as ambiguous (2).
 */
export async function resolveBlocker(context: Context, client: Client, given: string): Promise<Blocker> {
  const start = given.startsWith(prefix) ? given : prefix + given;
  if (!wholeId.test(start)) {
    throw new CliError(exitCodes.usage, `"${cleanStart(given, 100)}" is not an id`, inboxHint(context));
  }
  const exact = await findBlocker(client, start);
  if (exact) return exact;
  const startsSo = ({ id }: Blocker) => id.startsWith(start);
  const waiting = (await pendingBlockers(client)).blockers.filter(startsSo);
  const found = waiting.length > 0 ? waiting : (await blockersThat(client, {})).blockers.filter(startsSo);
  const [only] = found;
  if (!only) {
    throw new CliError(
      exitCodes.notFound,
      `nothing that was asked has an id that starts with ${start}`,
      inboxHint(context),
    );
  }
  if (found.length > 1) throw ambiguous(start, found);
  return only;
}

/**
 * What is resolved by who may not read: nothing is asked, so that both ids are typed whole. That is looked at here, for the
 * daemon keeps the answer to an id that it does not know yet. Fails as wrong usage (2).
 */
export function typedBlocker(given: string, session: string | undefined) {
  const blockerId = given.startsWith(prefix) ? given : prefix + given;
  if (!wholeId.test(blockerId) || blockerId.length < prefix.length + leastOfWhole) {
    throw new CliError(exitCodes.usage, `"${cleanStart(given, 100)}" may be only the start of an id`, wholeIdHint);
  }
  if (session === undefined) {
    const message = 'the capability cannot read in which session it waits';
    throw new CliError(exitCodes.usage, message, 'give the full id of that: --session ID');
  }
  return { blockerId, sessionId: wholeSessionId(session) };
}

type Resolved = Pick<Blocker, 'id' | 'state' | 'kind' | 'request' | 'resolvedBy' | 'resolution' | 'resolvedAt'>;

/** Throws the error, or where somebody else was first, who; who may not read is not told when. */
export async function throwWinner(
  { now }: Context,
  { client, canRead }: Pick<Connected, 'client' | 'canRead'>,
  blockerId: string,
  error: unknown,
): Promise<never> {
  if (!(error instanceof RpcError) || error.kind !== 'AlreadyResolved') throw error;
  const told = error.data as Pick<Blocker, 'state' | 'resolution' | 'resolvedBy'>;
  const unread = { ...told, id: blockerId, kind: null, request: null, resolvedAt: null };
  throw alreadyResolved((canRead && (await findBlocker(client, blockerId))) || unread, now());
}

/** For somebody whose answer came too late: who was first, with what, and when. */
export function alreadyResolved(blocker: Resolved, now: number): CliError {
  const { id, resolvedAt } = blocker;
  const when = resolvedAt === null ? '' : `, ${localDateTime(resolvedAt)} (${relativeTime(resolvedAt, now)})`;
  return new CliError(exitCodes.alreadyResolved, `${cleanLine(id)} was ${blockerText(blocker)}${when}`);
}

async function blockersThat(client: Client, params: Params<'blocker/list'>): Promise<Pending> {
  const first = await client.call('blocker/list', { ...params, limit: 1000 });
  const blockers = new Map(first.items.map((blocker) => [blocker.id, blocker]));
  for (let pageToken = first.nextPageToken; pageToken !== undefined; ) {
    const page = await client.call('blocker/list', { ...params, limit: 1000, pageToken });
    for (const blocker of page.items) blockers.set(blocker.id, blocker);
    pageToken = page.nextPageToken;
  }
  return { blockers: [...blockers.values()], cursor: first.cursor };
}

function ambiguous(start: string, found: Blocker[]): CliError {
  const lines = candidateLines(found, askText);
  const message = `${found.length} questions have ids that start with ${start}:\n${lines.join('\n')}`;
  return new CliError(exitCodes.usage, message, 'give more of the id');
}

function inboxHint({ commandLine }: Context): string {
  return `what waits for an answer: ${commandLine('inbox')}`;
}

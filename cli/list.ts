// The list of sessions, as `ls`, `start --list` and `demo` print it.
import type { Client } from '../protocol/client.ts';
import type { SourceStatus } from '../protocol/methods.ts';
import { pathsFrom } from '../protocol/node/paths.ts';
import type { Session } from '../protocol/schema.ts';
import { unknownAgentText } from './agents.ts';
import type { Asked, Wanted } from './asked-sessions.ts';
import { askSessions, askSources, mostCounted } from './asked-sessions.ts';
import type { Context } from './context.ts';
import { waitText } from './render/blocker.ts';
import { safeJson } from './render/clean.ts';
import { shownPath } from './render/path.ts';
import { countOf, grouped } from './render/quantity.ts';
import { sessionTable } from './render/sessions.ts';
import { lookedIn, progressOf, progressText } from './render/sources.ts';
import { wrap } from './render/width.ts';
import { filteredSessions } from './session-filter.ts';

/** Of so many sessions that wait it is told for what: each costs a call. */
const mostWaiting = 50;

/**
 * Prints the newest sessions that fit, as a table; says what is not in it: more sessions, or a read under way. `asked`: where
 * they were asked for already.
 */
export async function printSessions(context: Context, client: Client, wanted: Wanted, asked?: Asked): Promise<void> {
  const { out } = context;
  const { filter = {}, filterWords = '' } = wanted;
  const { newest, sources: sourceList } = asked ?? askSessions(client, wanted);
  const { sessions, more } = await newest;
  const sources = await sourceList;
  const { width, style } = out;
  if (sessions.length === 0) {
    const lines = await nothingLines(context, client, sources, wanted);
    await out.lines(lines.flatMap((line) => wrap(line, width)));
  } else {
    const complete = more === 0 && filter.archived === true && filterWords === '';
    const waits = await waitsOf(client, sessions);
    const { home } = context;
    await out.lines(await sessionTable(sessions, { width, style, now: context.now(), home, complete, waits }));
    if (more > 0) await out.lines(wrap(moreText(context, more, filterWords), width).map(style.dim));
  }
  await noticeReading(context, client, sources);
}

/** Prints the newest sessions that fit, as a JSON array with a record on each line. */
export async function printSessionsJson(context: Context, client: Client, wanted: Wanted): Promise<void> {
  const { out } = context;
  const { limit, filter = {} } = wanted;
  const sources = askSources(client);
  let count = 0;
  for await (const items of filteredSessions(client, filter)) {
    const taken = items.slice(0, limit - count);
    if (taken.length > 0) {
      await out.write((count === 0 ? '[\n' : ',\n') + taken.map((session) => safeJson(session)).join(',\n'));
    }
    count += taken.length;
    if (count >= limit) break;
  }
  await out.line(count === 0 ? '[]' : '\n]');
  await noticeReading(context, client, await sources);
}

/** What the sessions that wait ask for, by their id. One that was answered meanwhile, or deleted, asks nothing. */
async function waitsOf(client: Client, sessions: Session[]): Promise<Map<string, string>> {
  const waiting = sessions.filter(({ status }) => status === 'waiting').slice(0, mostWaiting);
  const asked = waiting.map(async ({ id }): Promise<[string, string]> => {
    const { blockers } = await client.call('session/get', { sessionId: id });
    return [id, waitText(blockers)];
  });
  return new Map(
    (await Promise.allSettled(asked)).flatMap((each) => (each.status === 'fulfilled' ? [each.value] : [])),
  );
}

function moreText({ commandLine }: Context, more: number, filterWords: string): string {
  const count = more > mostCounted ? `over ${grouped(mostCounted)}` : grouped(more);
  return `${count} more: ${commandLine(`ls${filterWords} --all`)}`;
}

async function nothingLines(
  context: Context,
  client: Client,
  sources: SourceStatus[],
  { filter, filterWords = '' }: Wanted,
): Promise<string[]> {
  const { sessions } = await client.call('daemon/status', {});
  if (sessions === 0 && context.token !== undefined) return ['There is no session that this token is for.'];
  if (sessions === 0) return emptyLines(context, sources);
  const agent = filter?.agent;
  const unknown = agent === undefined ? undefined : await unknownAgentText(client, agent);
  if (unknown !== undefined) return [`N${unknown.slice(1)}`];
  if (filterWords !== '') return ['No session fits.', `All there are: ${context.commandLine('ls --all')}`];
  return [`No sessions but ${countOf(sessions, 'archived one')}: ${context.commandLine('ls --all')}`];
}

/** What an empty list says: where was looked, and how to see it work all the same. */
export function emptyLines(context: Context, sources: SourceStatus[]): string[] {
  return [
    'No sessions yet.',
    ...(sources.length > 0 ? lookedLines(context, sources) : noSourcesLines(context)),
    `To see what it is like, play a recorded session in a throwaway home: ${context.program} demo`,
  ];
}

function lookedLines({ home, commandLine }: Context, sources: SourceStatus[]): string[] {
  return [...lookedIn(sources, home), `Where each was looked for: ${commandLine('source ls')}`];
}

function noSourcesLines({ env, home }: Context): string[] {
  return [`No folders are looked in: [sources] in ${shownPath(pathsFrom(env).config, home)} turns them off.`];
}

/** On stderr, so that a pipe gets sessions only; and only when something is still to read, not at each start. */
export async function noticeReading(context: Context, client: Client, sources: SourceStatus[]): Promise<void> {
  const progress = progressOf(sources);
  if (!progress.reading) return;
  if (progress.bytesBehind === 0 && (await client.call('daemon/status', {})).sessions > 0) return;
  if (context.json) return context.err.json({ reading: progress });
  const text = `the first read is still going on (${progressText(progress)}); the list is not complete yet`;
  await context.err.line(context.err.style.yellow(text));
}

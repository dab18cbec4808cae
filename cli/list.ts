// The list of sessions, as `ls`, `start --list` and `demo` print it.
import type { Client } from '../protocol/client.ts';
import type { SourceStatus } from '../protocol/methods.ts';
import type { Session } from '../protocol/schema.ts';
import type { Context } from './context.ts';
import { sessionPages } from './pages.ts';
import { safeJson } from './render/clean.ts';
import { grouped } from './render/quantity.ts';
import { sessionTable } from './render/sessions.ts';
import { lookedIn, progressOf, progressText } from './render/sources.ts';

/** Prints the newest `limit` sessions, or all, as a table; says what is not in it: more sessions, or a read under way. */
export async function printSessions(context: Context, client: Client, limit: number): Promise<void> {
  const { out } = context;
  const [{ sessions, complete }, { items: sources }] = await Promise.all([
    newest(client, limit),
    client.call('source/list', {}),
  ]);
  if (sessions.length === 0) {
    await out.lines(emptyLines(context, sources));
  } else {
    const { width, style } = out;
    await out.lines(await sessionTable(sessions, { width, style, now: context.now(), home: context.home, complete }));
    if (!complete) await printMore(context, client, sessions.length);
  }
  await noticeReading(context, sources);
}

/** Prints the newest `limit` sessions, or all, as a JSON array with a record on each line. */
export async function printSessionsJson(context: Context, client: Client, limit: number): Promise<void> {
  const { out } = context;
  const sources = client.call('source/list', {});
  sources.catch(() => {}); // told when it is awaited
  let count = 0;
  for await (const items of sessionPages(client, { limit: Math.min(limit, 1000) })) {
    const taken = items.slice(0, limit - count);
    if (taken.length > 0) {
      await out.write((count === 0 ? '[\n' : ',\n') + taken.map((session) => safeJson(session)).join(',\n'));
    }
    count += taken.length;
    if (count >= limit) break;
  }
  await out.line(count === 0 ? '[]' : '\n]');
  await noticeReading(context, (await sources).items);
}

async function newest(client: Client, limit: number): Promise<{ sessions: Session[]; complete: boolean }> {
  const sessions: Session[] = [];
  // One over the limit tells whether there are more; a page may be cut short by its size and tells nothing.
  for await (const items of sessionPages(client, { limit: Math.min(limit + 1, 1000) })) {
    sessions.push(...items);
    if (sessions.length > limit) return { sessions: sessions.slice(0, limit), complete: false };
  }
  return { sessions, complete: true };
}

async function printMore(context: Context, client: Client, shown: number): Promise<void> {
  const { sessions } = await client.call('daemon/status', {});
  const more = sessions > shown ? `${grouped(sessions - shown)} more` : 'more';
  await context.out.line(context.out.style.dim(`${more}: ${context.program} ls --all`));
}

/** What an empty list says: where was looked, and how to see it work all the same. */
export function emptyLines(context: Context, sources: SourceStatus[]): string[] {
  return [
    'No sessions yet.',
    ...(sources.length > 0 ? ['Looked in:', ...lookedIn(sources, context.home)] : ['No folders are looked in.']),
    `To see what it is like, play a recorded session in a throwaway home: ${context.program} demo`,
  ];
}

/** On stderr, so that a pipe gets sessions only. */
async function noticeReading(context: Context, sources: SourceStatus[]): Promise<void> {
  const progress = progressOf(sources);
  if (!progress.reading) return;
  if (context.json) return context.err.json({ reading: progress });
  const text = `the first read is still going on (${progressText(progress)}); the list is not complete yet`;
  await context.err.line(context.err.style.yellow(text));
}

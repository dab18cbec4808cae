// Whether the transcript that a session comes from is still being read, so that what is told of the session may lack its end.
import type { Client } from '../protocol/client.ts';
import type { Session } from '../protocol/schema.ts';
import type { Context } from './context.ts';
import { cleanLine } from './render/clean.ts';
import { progressOf, progressText } from './render/sources.ts';

/** Looks now; what it returns tells on stderr how things stood. It says nothing where there was nothing left to read. */
export async function lookBehind(
  { err, json }: Context,
  client: Client,
  { origin }: Pick<Session, 'origin'>,
): Promise<() => Promise<void>> {
  const nothing = async () => {};
  if (origin === null) return nothing;
  const { items } = await client.call('source/list', {});
  const progress = progressOf(items.filter(({ kind }) => kind === origin.source));
  if (!progress.reading && progress.bytesBehind === 0) return nothing;
  if (json) return () => err.json({ reading: progress });
  const text = `transcripts of ${cleanLine(origin.source)} are still being read (${progressText(progress)})`;
  return () => err.line(err.style.yellow(`${text}; the newest messages may be missing`));
}

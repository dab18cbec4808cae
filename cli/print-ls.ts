// Prints the list that ask-ls.ts has asked for. A bundle of its own.
import { isatty } from 'node:tty';
import type { Client } from '../protocol/client.ts';
import type { Asked, Wanted } from './asked-sessions.ts';
import type { Context } from './context.ts';
import { directOutput } from './direct-output.ts';
import { printSessions } from './list.ts';
import { OutputClosedError } from './output.ts';
import { processContext } from './process-context.ts';

/** Of launch.ts. */
declare const __load: Context['load'];
declare const __filename: string;

const context = processContext(__filename, __load, isatty(1) ? process.stdout : directOutput());

/** False where nothing was printed: where there is no session, or a source is still being read, and where it could not be asked. */
export async function printLs(client: Client, wanted: Wanted, asked: Asked): Promise<boolean> {
  const { sessions } = await asked.newest;
  const sources = await asked.sources;
  if (sessions.length === 0 || sources.some(({ state }) => state === 'reading')) return false;
  try {
    await printSessions(context, client, wanted, asked);
  } catch (error) {
    if (!(error instanceof OutputClosedError)) throw error;
  }
  return true;
}

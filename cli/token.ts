// The token of a capability: from a file or from stdin, never from an argument or the environment, which others can read.
// Nothing of what was read is in any error.
import { open } from 'node:fs/promises';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import type { Context } from './context.ts';
import { CliError, exitCodes } from './exit.ts';
import { fileError } from './file-error.ts';
import { shownPath } from './render/path.ts';
import { shellCommand } from './shell-quote.ts';

/** As long as the daemon takes one; what is read beyond that is none. */
const longest = 512;
const mostRead = 4096;

/**
 * The token in a file, or with `-` the one that stdin gives. Fails as not found (5) where there is no file, as wrong usage
 * (2) where others may read it, or where it holds no token.
 */
export async function readToken(context: Context, path: string): Promise<string> {
  const isStdin = path === '-';
  const text = isStdin ? await readInput(context) : await readFile(context, path);
  return asToken(text, isStdin ? 'stdin' : shownPath(path, context.home));
}

/** The token in a text. Fails as wrong usage (2), in words that name the place it was found in. */
export function asToken(text: string, place: string): string {
  const token = text.trim();
  if (token !== '' && token.length <= longest && !/\s/.test(token)) return token;
  const message = token === '' ? `${place} is empty: there is no token` : `what ${place} holds is no token`;
  throw new CliError(exitCodes.usage, message, 'a token is one word, as grant and attenuate print it');
}

/** A file of the user alone; of a pipe, such as `<(pass show it)`, nobody else can read. */
async function readFile({ home }: Context, path: string): Promise<string> {
  try {
    const file = await open(path, 'r');
    try {
      const stats = await file.stat();
      if (stats.isFile() && (stats.mode & 0o077) !== 0) throw openToOthers(path, home, stats.mode);
      return await startOf(file.createReadStream({ autoClose: false }));
    } finally {
      await file.close();
    }
  } catch (error) {
    throw error instanceof CliError ? error : fileError('read', path, home, error as Error);
  }
}

function openToOthers(path: string, home: string, mode: number): CliError {
  const message = `others may get at ${shownPath(path, home)} (its mode is ${(mode & 0o777).toString(8)})`;
  return new CliError(exitCodes.usage, message, shellCommand(['chmod', '600', path]));
}

async function readInput({ input, err }: Context): Promise<string> {
  if (!(input as { isTTY?: boolean }).isTTY) return startOf(input);
  await err.write('the token, which is not shown as you type or paste it: ');
  try {
    return await readHidden(input);
  } finally {
    await err.line();
  }
}

/** A line that a terminal does not show; empty at the end of the input. */
async function readHidden(input: NodeJS.ReadableStream): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input, output: nowhere, terminal: true });
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve);
      lines.once('close', () => resolve(''));
      lines.once('SIGINT', () => reject(new CliError(128 + constants.signals.SIGINT, 'ended by SIGINT')));
    });
  } finally {
    lines.close();
  }
}

/** What is longer is not read to its end. */
async function startOf(input: AsyncIterable<string | Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of input) {
    text += chunk;
    if (text.length > mostRead) break;
  }
  return text;
}

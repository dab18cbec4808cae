// The token that somebody else's sessiond asks for: from a file or from stdin, or out of a link that was given whole. It is
// handed to the daemon, and never printed.
import type { Command } from 'commander';
import type { Context } from './context.ts';
import { CliError, exitCodes } from './exit.ts';
import { cleanStart } from './render/clean.ts';
import { asToken, readToken } from './token.ts';

/** `token` undefined: none was given. */
export type Place = { url: string; token: string | undefined };

export type HostTokenOption = { hostTokenFile?: string };

/** For the help of those that take it. */
export const hostTokenHelp =
  `The token is the one that the owner of the other side made there with grant. It may also stand behind # in the url, as in a\n` +
  `link; others on this machine can then read it while the command runs, and your shell may keep it.`;

export function addHostTokenOption(command: Command): Command {
  return command.option('--host-token-file <PATH>', 'the file with the token that the other side asks for; - is stdin');
}

/** Whether it is to be read from stdin (Verb.takesInput). */
export function takesHostToken(command: Command): boolean {
  return command.opts<HostTokenOption>().hostTokenFile === '-';
}

/** The url without what stands behind `#`, and the token. Fails as readToken does, or as wrong usage (2). */
export async function placeOf(context: Context, given: string, { hostTokenFile }: HostTokenOption): Promise<Place> {
  const at = /^[a-z]+:\/\//i.test(given) ? given.indexOf('#') : -1;
  const url = at < 0 ? given : given.slice(0, at);
  const inUrl = at < 0 ? '' : given.slice(at + 1);
  if (hostTokenFile === undefined)
    return { url, token: inUrl === '' ? undefined : asToken(decoded(inUrl), behindHash) };
  if (inUrl === '') return { url, token: await readToken(context, hostTokenFile) };
  throw new CliError(exitCodes.usage, 'the token is given twice: behind # in the url, and by --host-token-file');
}

/** Fails as wrong usage (2) where it is no url of a sessiond's HTTP door. */
export function checkHost({ url }: Place, option: string): void {
  const { protocol = '' } = URL.canParse(url) ? new URL(url) : {};
  if (protocol === 'http:' || protocol === 'https:') return;
  const message = `${option} takes the url of another sessiond, not "${cleanStart(url.replace(/#.*/s, ''), 100)}"`;
  throw new CliError(exitCodes.usage, message, 'for example https://host.example:7433');
}

const behindHash = 'the url behind #';

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

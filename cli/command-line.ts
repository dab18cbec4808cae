// Commands of this program as hints print them: what acted with a token file is told to go on with it.
import type { Context } from './context.ts';
import { shellQuote } from './shell-quote.ts';

/** `ls --all` becomes `sessiond ls --all`, as it can be typed here and now. */
export type CommandLine = (words: string) => string;

/** What the owner alone does, or what takes no token, and help. */
const withoutToken = /^(start|stop|run|logs|demo)\b| --help$/;

/** The one place where a command that is printed takes the token file along; before a `--`, behind which it would be a word. */
export function commandLine({ program, tokenFile }: Pick<Context, 'program' | 'tokenFile'>, words: string): string {
  if (tokenFile === undefined || withoutToken.test(words)) return `${program} ${words}`;
  const [options, ...rest] = words.split(/(?= -- )/);
  return [`${program} ${options} --token-file ${shellQuote(tokenFile)}`, ...rest].join('');
}

// What launch.ts loads for a list without options: no more than the question, since to load the whole command line takes longer than
// all of the list. What prints (print-ls.ts) is loaded while the daemon is at work. Whatever is out of the ordinary is left to the
// command line, which begins anew, for nothing was printed then.
import { isatty } from 'node:tty';
import type { Client } from '../protocol/client.ts';
import { connectAnswering } from '../protocol/node/connect-answering.ts';
import { defaultSocket } from '../protocol/node/paths.ts';
import { protocolVersion } from '../protocol/version.ts';
import type { Asked } from './asked-sessions.ts';
import { askSessions, defaultLimit } from './asked-sessions.ts';

type Printing = typeof import('./print-ls.ts');

declare const __VERSION__: string;
/** Of launch.ts: runs another bundle. */
declare const __run: (bundle: 'cli-main.js' | 'cli-ls-print.js') => unknown;

/** A daemon that needs longer is waited for by the command line, and told of. */
const answerTimeoutMs = 2_000;

ask().then(
  (done) => (done ? process.exit() : __run('cli-main.js')),
  // It will go wrong for the command line too, and is told there.
  () => __run('cli-main.js'),
);

async function ask(): Promise<boolean> {
  const all = process.argv.includes('--all');
  const wanted = { limit: defaultLimit(isatty(1) && !all), filter: { archived: all } };
  const who = { protocolVersion, client: { name: 'sessiond-cli', version: __VERSION__ } };
  let asked!: Asked;
  let printing!: Promise<Printing>;
  const introduce = (client: Client) => {
    const answer = client.call('initialize', who);
    asked = askSessions(client, wanted);
    printing = behindWrites(() => __run('cli-ls-print.js') as Printing);
    return answer;
  };
  const { client, answer } = await connectAnswering(defaultSocket(), answerTimeoutMs, introduce);
  const { printLs } = await printing;
  if (answer.server.version === __VERSION__ && (await printLs(client, wanted, asked))) return true;
  client.close();
  return false;
}

/** What is sent leaves at the end of this turn of the event loop: in the next one the daemon has it. */
function behindWrites<T>(run: () => T): Promise<T> {
  return new Promise<void>((resolve) => setImmediate(resolve)).then(run);
}

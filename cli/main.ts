// The command line: the verbs, the options that all share, and how the process ends. Each verb is one file, loaded only
// when it is used; the only file here that reads the process (argv, environment, streams).
import { homedir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import type { Context, Verb } from './context.ts';
import type { Failure } from './exit.ts';
import { exitCodeHelp, exitCodes, failureOf } from './exit.ts';
import { Output, OutputClosedError } from './output.ts';
import { programName } from './program-name.ts';

declare const __VERSION__: string;

type VerbEntry = { summary: string; load: () => Promise<Verb> };

/** The verbs, in the order that --help lists them. */
const verbs: Record<string, VerbEntry> = {
  start: { summary: 'start the daemon in the background', load: () => import('./commands/start.ts') },
  stop: { summary: 'stop the daemon', load: () => import('./commands/stop.ts') },
  status: { summary: 'tell how the daemon is doing; never starts it', load: () => import('./commands/status.ts') },
  run: { summary: 'run the daemon in the foreground', load: () => import('./commands/run.ts') },
  ls: { summary: 'list the sessions', load: () => import('./commands/ls.ts') },
  show: { summary: 'print a session as a readable transcript', load: () => import('./commands/show.ts') },
  tail: { summary: 'follow events, live or from a cursor', load: () => import('./commands/tail.ts') },
  rpc: { summary: 'call a method of the daemon', load: () => import('./commands/rpc.ts') },
  socket: { summary: "print the path of the daemon's socket", load: () => import('./commands/socket.ts') },
  demo: { summary: 'play a bundled session in a throwaway home', load: () => import('./commands/demo.ts') },
};

const script = fileURLToPath(import.meta.url);
const args = process.argv.slice(2);
const out = new Output(process.stdout, process.env);
const err = new Output(process.stderr, process.env);
const program = programName({ script, cwd: process.cwd(), env: process.env });

main().then(
  (handedOver) => {
    if (handedOver !== 'handedOver') process.exit(exitCodes.ok);
  },
  async (error: unknown) => process.exit(await report(error)),
);

async function main(): Promise<'handedOver' | undefined> {
  const root = rootCommand();
  const context: Context = {
    version: __VERSION__,
    env: process.env,
    home: process.env.HOME || homedir(),
    daemonPath: fileURLToPath(new URL('./daemon.js', import.meta.url)),
    out,
    err,
    input: process.stdin,
    json: false,
    spawn: true,
    program,
    now: Date.now,
  };
  const named = args.filter((arg) => !arg.startsWith('-'));
  const wanted = named[0] === 'help' ? named[1] : named[0];
  for (const [name, entry] of Object.entries(verbs)) {
    const command = root
      .command(name)
      .summary(entry.summary)
      .description(`${sentence(entry.summary)}.`);
    // Only the verb that is used is loaded; of the others --help needs no more than the summary.
    if (name === wanted) (await entry.load()).configure(command, context);
  }
  root.hook('preAction', () => {
    const options = root.opts<{ json?: boolean; spawn: boolean }>();
    context.json = options.json === true;
    context.spawn = options.spawn;
  });
  if (wanted === undefined && args.length === 0) root.help({ error: true });
  await root.parseAsync(args, { from: 'user' });
  return wanted === 'run' ? 'handedOver' : undefined;
}

function rootCommand(): Command {
  return new Command(program)
    .usage('VERB [options]')
    .description('One true record of the coding-agent sessions on this machine.')
    .version(`sessiond ${__VERSION__}`, '-V, --version', 'print the version')
    .option('--json', 'print values for programs')
    .option('--no-spawn', 'do not start the daemon when it is not running')
    .helpOption('-h, --help', 'show this help, or with a verb its own')
    .helpCommand('help [VERB]', 'show the help of a verb')
    .configureHelp({ showGlobalOptions: true, subcommandTerm: (command) => command.name() })
    .addHelpText('after', `\n${exitCodeHelp}\n\nBegin with:\n  ${program} start\n  ${program} ls`)
    .configureOutput({ outputError: () => {} }) // told once, by report()
    .exitOverride();
}

/** Tells what went wrong, on stderr, and returns the exit code. */
async function report(error: unknown): Promise<number> {
  if (error instanceof OutputClosedError) return exitCodes.ok;
  const told = error instanceof CommanderError ? commanderFailure(error) : failureOf(error, program);
  if (!told) return exitCodes.ok;
  try {
    if (args.includes('--json')) {
      const { stack: _, ...shown } = told;
      await err.json({ error: shown });
    } else {
      await err.write(failureText(told));
    }
  } catch {
    // nobody reads stderr either
  }
  return told.code;
}

function failureText({ message, hint, stack }: Failure): string {
  const { red, dim } = err.style;
  const hintLine = hint === undefined ? '' : `${dim(`hint: ${hint}`)}\n`;
  return `${red('error:')} ${message}\n${hintLine}${stack === undefined ? '' : `${dim(stack)}\n`}`;
}

/** Commander's own exits: help and version are no failures, everything else is wrong usage. */
function commanderFailure(error: CommanderError): Failure | undefined {
  if (error.exitCode === 0) return undefined;
  if (error.code === 'commander.help')
    return { code: exitCodes.usage, message: 'no verb is given', hint: `${program} --help` };
  return {
    code: exitCodes.usage,
    message: error.message.replace(/^error: /, ''),
    hint: `${program} ${args.find((arg) => arg in verbs) ?? ''} --help`.replace('  ', ' '),
  };
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

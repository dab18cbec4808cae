// The command line: what is typed becomes a verb (verbs.ts), and how the process ends. The only file here that reads the
// process (argv, environment, streams), beside process-context.ts.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { CommanderError } from 'commander';
import type { Context } from './context.ts';
import type { Failure } from './exit.ts';
import { CliError, exitCodes, failureOf } from './exit.ts';
import { OutputClosedError } from './output.ts';
import { processContext } from './process-context.ts';
import { cleanText } from './render/clean.ts';
import { programCommand, verbs } from './verbs.ts';

/** Of launch.ts. */
declare const __load: Context['load'];

const script = fileURLToPath(import.meta.url);
const args = process.argv.slice(2);
const context = processContext(script, __load);
const { out, program, version } = context;
/** Also for what is told before the options are parsed, or because they cannot be. */
const wantsJson = args.includes('--json');
context.json = wantsJson;
/** The verb that is typed, and behind a verb that has commands its command. */
let typed: Command[] = [];

main().then(
  () => process.exit(exitCodes.ok),
  async (error: unknown) => process.exit(await report(error)),
);

async function main(): Promise<void> {
  const named = args.filter((arg, at) => !arg.startsWith('-') && args[at - 1] !== '--token-file');
  const wanted = named[0] === 'help' ? named[1] : named[0];
  const isHelpOfAll = args.slice(0, args.indexOf(named[0] ?? '')).some((arg) => arg === '--help' || arg === '-h');
  const root = await programCommand(context, isHelpOfAll ? undefined : wanted);
  typed = commandPath(root, named);
  if (wanted === undefined) {
    if (args.length === 0) root.help({ error: true });
    if (wantsJson && args.some((arg) => arg === '--version' || arg === '-V')) return out.json({ version });
  } else if (named[0] === 'help' && !(wanted in verbs)) {
    throw new CliError(exitCodes.usage, `there is no verb ${wanted}`, `the verbs there are: ${program} --help`);
  }
  await root.parseAsync(args, { from: 'user' });
}

/** The commands that the words name, from the first on. */
function commandPath(root: Command, words: string[]): Command[] {
  const command = root.commands.find((each) => each.name() === words[0]);
  return command ? [command, ...commandPath(command, words.slice(1))] : [];
}

/** Tells what went wrong, on stderr, and returns the exit code. */
async function report(error: unknown): Promise<number> {
  if (error instanceof OutputClosedError) return exitCodes.ok;
  const { commandLine, token, err } = context;
  const told =
    error instanceof CommanderError ? commanderFailure(error) : failureOf(error, commandLine, token !== undefined);
  if (!told) return exitCodes.ok;
  try {
    if (wantsJson) {
      const { stack: _, ...shown } = told;
      await err.json({ error: shown });
    } else {
      await err.write(failureText(told, await shownStack(told)));
    }
  } catch {
    // nobody reads stderr either
  }
  return told.code;
}

async function shownStack({ stack }: Failure): Promise<string | undefined> {
  return stack && (await import('./stack.ts')).readableStack(stack, dirname(script));
}

function failureText({ message, hint }: Failure, stack: string | undefined): string {
  const { red, dim } = context.err.style;
  const hintLine = hint === undefined ? '' : `${dim(`hint: ${hint}`)}\n`;
  return `${red('error:')} ${message}\n${hintLine}${stack === undefined ? '' : `${dim(stack)}\n`}`;
}

/** Commander's own exits: help and version are no failures, everything else is wrong usage. */
function commanderFailure(error: CommanderError): Failure | undefined {
  if (error.exitCode === 0) return undefined;
  const message =
    error.code === 'commander.help'
      ? `no ${typed.length > 0 ? 'command' : 'verb'} is given`
      : error.message
          .replace(/^error: /, '')
          .replace(
            /^command-argument value '(.*)' is invalid for argument '(.*)'\. Allowed choices are/s,
            "<$2> is one of these, not '$1':",
          );
  const help = [program, ...typed.map((command) => command.name()), '--help'].join(' ');
  const mayBeWord = error.code === 'commander.unknownOption' && typed.at(-1)?.registeredArguments.length;
  const hint = mayBeWord ? `${help}; a word that begins with - stands behind --` : help;
  return { code: exitCodes.usage, message: cleanText(message), hint };
}

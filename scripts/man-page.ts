// The man page, sessiond(1), made from the verbs: their summaries, arguments and options, and what stands below their help.
import type { EventEmitter } from 'node:events';
import type { Argument, Command } from 'commander';
import type { Context } from '../cli/context.ts';
import { exitCodeMeanings, exitCodes } from '../cli/exit.ts';
import { Output } from '../cli/output.ts';
import { programCommand } from '../cli/verbs.ts';

const description = `sessiond is a local daemon that takes in what coding agents write on this machine, keeps it in one store, and gives every client the same view over a Unix socket. Whoever was away subscribes from its cursor and gets exactly what it missed, once, in order, or is told that it cannot.

A verb that needs the daemon starts it. Where an ID is asked for, the start of it is enough.`;

const environment = [
  ['SESSIOND_HOME', 'The folder of everything: store, log, config and socket. Without it the XDG folders are used.'],
  ['SESSIOND_SOCKET', "The path of the daemon's socket alone."],
  ['XDG_DATA_HOME, XDG_STATE_HOME, XDG_CONFIG_HOME, XDG_RUNTIME_DIR', 'Where the folders of sessiond lie.'],
  [
    'CLAUDE_CONFIG_DIR, CODEX_HOME, COPILOT_HOME, GEMINI_CLI_HOME, QWEN_HOME, QWEN_RUNTIME_DIR, PI_CODING_AGENT_DIR',
    'Where those agents keep their transcripts.',
  ],
  ['NO_COLOR', 'Set to anything, it turns colours off. FORCE_COLOR turns them on, also into a pipe.'],
  ['COLUMNS', 'The width to fit into where there is no terminal.'],
  ['PAGER', 'What shows long output on a terminal.'],
] as const;

const files = [
  ['~/.local/share/sessiond/store.db', 'The store, in SQLite.'],
  ['~/.local/state/sessiond/log/sessiond.log', 'The log, in JSON lines; sessiond logs prints it.'],
  ['~/.config/sessiond/config.toml', 'The config. It need not be there.'],
  [
    '$XDG_RUNTIME_DIR/sessiond/sessiond.sock',
    'The socket; without that variable ~/.local/state/sessiond/run/sessiond.sock.',
  ],
] as const;

const examples = [
  ['Start the daemon, take in the transcripts there are, and list the sessions:', 'sessiond start --list'],
  ['Follow what happens in all agents, live:', 'sessiond tail'],
  ['The titles of all sessions, for a program:', "sessiond ls --json | jq -r '.[].title'"],
  ['Let the shell complete verbs, options and session ids:', 'source <(sessiond completion bash)'],
] as const;

/** The page as roff. */
export async function manPage(version: string): Promise<string> {
  const root = await programCommand(contextOf(version), undefined, true);
  const verbs = root.createHelp().visibleCommands(root);
  const groups = new Map<string, Command[]>();
  for (const verb of verbs.filter((command) => command.name() !== 'help')) {
    groups.set(verb.helpGroup(), [...(groups.get(verb.helpGroup()) ?? []), verb]);
  }
  const codes = Object.entries(exitCodes) as [keyof typeof exitCodes, number][];
  return `${[
    '.nr HY 0', // a command or a path that is hyphenated cannot be copied
    `.TH SESSIOND 1 "" ${quoted(`sessiond ${version}`)} "User Commands"`,
    ...section('Name', ['sessiond \\- one true record of the coding-agent sessions on this machine']),
    ...section('Synopsis', ['.B sessiond', '\\fIVERB\\fR [options]']),
    ...section('Description', paragraphs(description)),
    ...section('Options', ['Every verb takes these.', ...optionItems(root)]),
    ...[...groups].flatMap(([heading, commands]) =>
      section(
        heading.replace(/:$/, ''),
        commands.flatMap((command) => verbSection(command, [])),
      ),
    ),
    ...section(
      'Exit status',
      codes.flatMap(([name, code]) => item(String(code), exitCodeMeanings[name])),
    ),
    ...section(
      'Environment',
      environment.flatMap(([name, meaning]) => item(name, meaning)),
    ),
    ...section('Files', [
      'With SESSIOND_HOME set, all of them lie in that folder.',
      ...files.flatMap(([path, meaning]) => item(path, meaning)),
    ]),
    ...section(
      'Examples',
      examples.flatMap(([what, command]) => ['.PP', roff(what), ...example([command])]),
    ),
  ].join('\n')}\n`;
}

/** A verb, then its commands. */
function verbSection(command: Command, parents: string[]): string[] {
  const path = [...parents, command.name()];
  const commands = command.createHelp().visibleCommands(command);
  const words = [
    ...path,
    ...command.registeredArguments.map(argumentTerm),
    // As its usage says: there are verbs that do something without a command too.
    ...(commands.length > 0 ? command.usage().split(' ').slice(0, 1) : []),
  ];
  return [
    `.SS ${quoted(words.join(' '))}`,
    ...paragraphs(command.description()),
    ...command.registeredArguments.flatMap((argument) => item(argument.name().toUpperCase(), argument.description)),
    ...optionItems(command),
    ...afterHelp(command),
    ...commands.flatMap((child) => verbSection(child, path)),
  ];
}

function argumentTerm(argument: Argument): string {
  const name = `${argument.name().toUpperCase()}${argument.variadic ? '...' : ''}`;
  return argument.required ? name : `[${name}]`;
}

/** --help is told once, for all verbs. */
function optionItems(command: Command): string[] {
  const help = command.createHelp();
  const shown = help.visibleOptions(command).filter(({ long }) => long !== '--help' || command.parent === null);
  return shown.flatMap((option) => item(option.flags, help.optionDescription(option)));
}

/** What a verb says below its help: sentences, and examples that are indented below a line that ends in a colon. */
function afterHelp(command: Command): string[] {
  let text = '';
  const write = (more: string) => {
    text += more;
  };
  // A commander command is an EventEmitter, though its types do not say so; this is how it asks for these texts itself.
  (command as unknown as EventEmitter).emit('afterHelp', { error: false, command, write });
  return text
    .trim()
    .split(/\n\n+/)
    .filter((block) => block !== '')
    .flatMap((block) => {
      const lines = block.split('\n');
      const prose = lines.filter((line) => !line.startsWith('  '));
      const code = lines.filter((line) => line.startsWith('  ')).map((line) => line.slice(2));
      return [...paragraphs(prose.join('\n')), ...(code.length > 0 ? example(code) : [])];
    });
}

function section(heading: string, body: string[]): string[] {
  return [`.SH ${quoted(heading.toUpperCase())}`, ...body];
}

function paragraphs(text: string): string[] {
  return text.split('\n\n').flatMap((paragraph) => ['.PP', ...paragraph.split('\n').map(roff)]);
}

function item(term: string, meaning: string): string[] {
  return ['.TP', `\\fB${roff(term)}\\fR`, roff(meaning)];
}

function example(lines: string[]): string[] {
  return ['.PP', '.RS 4', '.EX', ...lines.map(roff), '.EE', '.RE'];
}

/** Text as roff shows it as it is: its own signs escaped, other scripts by their number, no line a request. */
function roff(text: string): string {
  const escaped = text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replace(/[^\x00-\x7f]/gu, (sign) => `\\[u${sign.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}]`);
  return escaped.startsWith('.') ? `\\&${escaped}` : escaped;
}

/** One argument of a request. */
function quoted(text: string): string {
  return `"${roff(text).replaceAll('"', '\\(dq')}"`;
}

/** Of a context only the program's name and version come into the texts. */
function contextOf(version: string): Context {
  const nowhere = new Output(process.stdout, {});
  return {
    version,
    env: {},
    home: '',
    daemonPath: '',
    load: (url) => import(url),
    out: nowhere,
    err: nowhere,
    input: process.stdin,
    json: false,
    spawn: false,
    program: 'sessiond',
    commandLine: (words) => `sessiond ${words}`,
    now: Date.now,
  };
}

// The verbs, and the command tree that is made of them: what main.ts parses, what completion scripts and the man page are
// generated from.
import { Command } from 'commander';
import type { Context, Verb } from './context.ts';
import { CliError, exitCodeMeanings, exitCodes } from './exit.ts';

type VerbEntry = { group: string; summary: string; load: () => Promise<Verb> };

type ExitCode = keyof typeof exitCodes;

const [reading, answering, managing, sharing, daemon, scripting, learning] = [
  'Reading:',
  'Answering:',
  'Managing:',
  'Sharing:',
  'The daemon:',
  'Scripting:',
  'Learning:',
];

/** The verbs, in the order in which --help lists them. */
export const verbs: Record<string, VerbEntry> = {
  ls: { group: reading, summary: 'list the sessions', load: () => import('./commands/ls.ts') },
  show: {
    group: reading,
    summary: 'print a session as a readable transcript',
    load: () => import('./commands/show.ts'),
  },
  search: {
    group: reading,
    summary: 'find what was said and done, in all sessions',
    load: () => import('./commands/search.ts'),
  },
  stats: {
    group: reading,
    summary: 'tokens and cost, by agent, by model and by day',
    load: () => import('./commands/stats.ts'),
  },
  tail: { group: reading, summary: 'follow events, live or from a cursor', load: () => import('./commands/tail.ts') },
  inbox: {
    group: answering,
    summary: 'list what waits for an answer, over all agents',
    load: () => import('./commands/inbox.ts'),
  },
  answer: { group: answering, summary: 'answer what waits', load: () => import('./commands/answer.ts') },
  reject: {
    group: answering,
    summary: 'turn down what waits, without an answer',
    load: () => import('./commands/reject.ts'),
  },
  ask: {
    group: answering,
    summary: 'put a question or a permission into the inbox, and wait for the answer',
    load: () => import('./commands/ask.ts'),
  },
  resume: {
    group: managing,
    summary: "print or run the agent's own command that resumes a session",
    load: () => import('./commands/resume.ts'),
  },
  rename: { group: managing, summary: 'give a session another title', load: () => import('./commands/rename.ts') },
  archive: {
    group: managing,
    summary: 'hide sessions from the list, or bring them back',
    load: () => import('./commands/archive.ts'),
  },
  rm: { group: managing, summary: 'delete sessions for good', load: () => import('./commands/rm.ts') },
  fork: {
    group: managing,
    summary: 'copy a session, or the beginning of it, into a new one',
    load: () => import('./commands/fork.ts'),
  },
  export: {
    group: managing,
    summary: 'write a session as json, markdown or html',
    load: () => import('./commands/export.ts'),
  },
  import: {
    group: managing,
    summary: 'take in a session that export wrote as json',
    load: () => import('./commands/import.ts'),
  },
  source: {
    group: managing,
    summary: 'list, add and remove the places that transcripts are read from',
    load: () => import('./commands/source.ts'),
  },
  sink: {
    group: managing,
    summary: 'list, add, pause and remove the places that the record is sent to',
    load: () => import('./commands/sink.ts'),
  },
  outbox: {
    group: managing,
    summary: 'tell what waits to be sent, and why it has not arrived',
    load: () => import('./commands/outbox.ts'),
  },
  share: {
    group: sharing,
    summary: 'share a session through another sessiond, as a link',
    load: () => import('./commands/share.ts'),
  },
  unshare: {
    group: sharing,
    summary: 'take back what was shared',
    load: () => import('./commands/unshare.ts'),
  },
  grant: {
    group: sharing,
    summary: 'hand out a part of the record, as a token',
    load: () => import('./commands/grant.ts'),
  },
  attenuate: {
    group: sharing,
    summary: 'make a token that allows less out of another',
    load: () => import('./commands/attenuate.ts'),
  },
  revoke: {
    group: sharing,
    summary: 'take back what was handed out, at once',
    load: () => import('./commands/revoke.ts'),
  },
  caps: { group: sharing, summary: 'list what was handed out', load: () => import('./commands/caps.ts') },
  audit: {
    group: sharing,
    summary: 'tell what was done with what was handed out',
    load: () => import('./commands/audit.ts'),
  },
  start: { group: daemon, summary: 'start the daemon in the background', load: () => import('./commands/start.ts') },
  stop: { group: daemon, summary: 'stop the daemon', load: () => import('./commands/stop.ts') },
  status: {
    group: daemon,
    summary: 'tell how the daemon is doing; never starts it',
    load: () => import('./commands/status.ts'),
  },
  run: { group: daemon, summary: 'run the daemon in the foreground', load: () => import('./commands/run.ts') },
  service: {
    group: daemon,
    summary: 'have systemd or launchd run the daemon as a service of yours',
    load: () => import('./commands/service.ts'),
  },
  logs: { group: daemon, summary: "print the daemon's log, or follow it", load: () => import('./commands/logs.ts') },
  backup: {
    group: daemon,
    summary: 'copy the whole store into a file, while everything goes on',
    load: () => import('./commands/backup.ts'),
  },
  restore: {
    group: daemon,
    summary: 'put a backup in the place of the store, which is kept',
    load: () => import('./commands/restore.ts'),
  },
  doctor: {
    group: daemon,
    summary: 'look whether everything is in order, and say what to do',
    load: () => import('./commands/doctor.ts'),
  },
  rpc: { group: scripting, summary: 'call a method of the daemon', load: () => import('./commands/rpc.ts') },
  socket: {
    group: scripting,
    summary: "print the path of the daemon's socket",
    load: () => import('./commands/socket.ts'),
  },
  completion: {
    group: scripting,
    summary: 'print a completion script for your shell',
    load: () => import('./commands/completion.ts'),
  },
  demo: {
    group: learning,
    summary: 'play a bundled session in a throwaway home',
    load: () => import('./commands/demo.ts'),
  },
};

/** Verbs that only our own scripts use; --help does not list them. */
const hidden: Record<string, Omit<VerbEntry, 'group'>> = {
  __complete: { summary: 'what a completion script asks', load: () => import('./commands/complete.ts') },
};

const entries: Record<string, Omit<VerbEntry, 'group'> & { group?: string }> = { ...verbs, ...hidden };

/**
 * The program with the verb named, or with all of them where it is no verb: --help and what is suggested for a word that
 * was mistyped need no more than their summaries, so that they are `loaded` only when asked for.
 */
export async function programCommand(context: Context, verb?: string, loaded = false): Promise<Command> {
  const root = rootCommand(context);
  const wanted = verb !== undefined && Object.hasOwn(entries, verb) ? [verb] : Object.keys(entries);
  let loadedVerb: Verb | undefined;
  for (const name of wanted) {
    const entry = entries[name]!;
    const command = root
      .command(name, { hidden: name in hidden })
      .summary(entry.summary)
      .description(`${sentence(entry.summary)}.`)
      .helpOption('-h, --help', 'show this help');
    if (entry.group !== undefined) command.helpGroup(entry.group);
    if (!loaded && wanted.length > 1) continue;
    loadedVerb = await entry.load();
    loadedVerb.configure(command, context);
  }
  root.hook('preAction', async (_root, command) => {
    const { json, spawn, tokenFile } = root.opts<{ json?: boolean; spawn: boolean; tokenFile?: string }>();
    context.json = json === true;
    context.spawn = spawn;
    if (tokenFile === '-' && loadedVerb?.takesInput?.(command)) throw inputTakenTwice(command.name());
    if (tokenFile !== undefined && loadedVerb?.withoutToken)
      throw tokenOfNoUse(command.name(), loadedVerb.withoutToken);
    context.tokenFile = tokenFile;
    // Before anything is done: no daemon is started for a token that cannot be read.
    if (tokenFile !== undefined) context.token = await (await import('./token.ts')).readToken(context, tokenFile);
  });
  return root;
}

function rootCommand(context: Context): Command {
  const { program, version } = context;
  const codes = Object.entries(exitCodeMeanings).map(([name, meaning]) => `${exitCodes[name as ExitCode]} ${meaning}`);
  const codeLines = [codes.slice(0, 4), codes.slice(4, 8), codes.slice(8, 11), codes.slice(11)];
  const codesHelp = `Exit codes:\n${codeLines.map((line) => `  ${line.join(' · ')}`).join('\n')}`;
  return new Command(program)
    .usage('VERB [options]')
    .description('One true record of the coding-agent sessions on this machine.')
    .version(`sessiond ${version}`, '-V, --version', 'print the version')
    .option('--json', 'print values for programs')
    .option('--no-spawn', 'do not start the daemon when it is not running')
    .option('--token-file <PATH>', 'act with the capability whose token is in this file alone; - is stdin')
    .helpOption('-h, --help', 'show this help, or with a verb its own')
    .commandsGroup(learning)
    .helpCommand('help [VERB]', 'show the help of a verb')
    .configureHelp({ showGlobalOptions: true, subcommandTerm: (command) => command.name() })
    .addHelpText('after', `\n${codesHelp}\n\nBegin with:\n  ${program} start\n  ${program} ls`)
    .configureOutput({
      outputError: () => {}, // told once, by report() in main.ts
      writeErr: (text) => void (context.json || context.err.write(text).catch(() => {})), // the help of a command that lacks its verb
    })
    .exitOverride();
}

function tokenOfNoUse(verb: string, why: string): CliError {
  return new CliError(exitCodes.usage, `${verb} takes no --token-file: ${why}`);
}

function inputTakenTwice(verb: string): CliError {
  const message = `stdin cannot give the token: ${verb} takes it itself`;
  return new CliError(exitCodes.usage, message, 'put the token into a file of yours alone: --token-file PATH');
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

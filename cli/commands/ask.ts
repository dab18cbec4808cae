// ask: puts a question or a permission into the inbox, waits, prints the answer; the exit code tells the decision, so that a
// hook of any agent can ask. When it ends without an answer, nothing is left in the inbox, unless it was killed outright.
import { statSync } from 'node:fs';
import { constants } from 'node:os';
import type { Command } from 'commander';
import type { Blocker, OpParams } from '../../protocol/schema.ts';
import type { Stop } from '../asking.ts';
import { Asking } from '../asking.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { wholeNumber } from '../option-values.ts';
import { blockerText } from '../render/blocker.ts';
import { cleanLine } from '../render/clean.ts';
import { choicesText } from '../render/inbox.ts';
import { onStopSignal } from '../signals.ts';

type Options = {
  option?: string[];
  multiple?: boolean;
  header?: string;
  permission?: string;
  pattern?: string[];
  timeout?: number;
  session?: string;
  dir?: string;
};
type Asked = Pick<OpParams['blocker/ask'], 'kind' | 'request'>;

/** As long as a timer can be, in seconds. */
const longestTimeout = 2_147_483;

export function configure(command: Command, context: Context): void {
  const { program } = context;
  const { alreadyResolved: _, denied, rejected, expired, timedOut } = exitCodes;
  const more = (text: string, before: string[] = []) => [...before, text];
  command
    .argument('[question]', 'what to ask')
    .option('--option <LABEL>', 'an answer to choose from; as often as there are some', more)
    .option('--multiple', 'several of them may be chosen')
    .option('--header <WORDS>', 'what it is about, in a word or two')
    .option('--permission <WHAT>', 'ask for a permission instead: the tool, or what is to be done')
    .option('--pattern <TEXT>', 'what the permission is for: the command, the file; as often as there are some', more)
    .option('--timeout <SECONDS>', 'wait no longer than this', timeoutSeconds)
    .option('--session <ID>', "ask in this session: its id or the agent's own, or the start of it")
    .option('--dir <PATH>', 'ask in the newest session of this folder (without it, of the current one)')
    .addHelpText(
      'after',
      `\nIt prints the labels that were chosen, or the person's own words, on one line; of a permission the\n` +
        `decision: once, always or deny. With --json it prints the whole blocker, as it was resolved.\n` +
        `Where the folder has no session, one is made for it.\n\n` +
        `Exit codes: 0 a question was answered (whatever with), a permission given (once, always);\n` +
        `${denied} a permission was denied; ${rejected} rejected without an answer; ${expired} expired; ${timedOut} nobody answered within\n` +
        `--timeout; 130, 143, 129 after SIGINT, SIGTERM, SIGHUP; others as everywhere.\n` +
        `When it ends without an answer, what it asked is rejected: nobody waits for it any more. Only when it has\n` +
        `no chance to (SIGKILL, a power cut) what it asked stays until somebody answers or rejects it. A token needs\n` +
        `the rights read and append to ask, and answer to take back what it asked.\n\n` +
        `Examples:\n  [ "$(${program} ask "Deploy now?" --option yes --option no)" = yes ] && make deploy\n` +
        `  ${program} ask --permission "delete the build" --pattern "rm -rf build" --timeout 600 && rm -rf build\n` +
        `  ${program} ask "Which tests?" --option unit --option e2e --multiple --json | jq -r '.resolution.answers[0][]'`,
    )
    .action(async (question: string | undefined, options: Options) => {
      const asked = askedOf(question, options);
      const { session, dir = '.' } = options;
      if (options.dir !== undefined && !isFolder(dir)) {
        throw new CliError(exitCodes.usage, `--dir: there is no folder ${cleanLine(dir)}`);
      }
      const asking = new Asking(context, { session, dir }, asked);
      const stops = stopsOf(context, options.timeout);
      try {
        const blocker = await asking.answer(stops.stopped, () => tellWaiting(context, asking.blockerId, asked));
        await printAnswer(context, blocker);
      } finally {
        stops.undo();
      }
    });
}

function askedOf(question: string | undefined, options: Options): Asked {
  const { option: labels = [], multiple, header = '', permission, pattern: patterns } = options;
  const wrong = (message: string) => new CliError(exitCodes.usage, message);
  if (permission !== undefined) {
    if (question !== undefined) throw wrong('it asks a question or for a --permission, not both');
    if (labels.length > 0 || multiple || header !== '') {
      throw wrong('--option, --multiple and --header go with a question, not with --permission');
    }
    if (permission.trim() === '') throw wrong('the permission is empty');
    const request = { permission: permission.toWellFormed() };
    return { kind: 'permission', request: patterns ? { ...request, patterns: patterns.map(wellFormed) } : request };
  }
  if (patterns) throw wrong('--pattern goes with --permission');
  if (question === undefined || question.trim() === '') throw wrong('there is no question');
  const options_ = labels.map((label) => ({ label: wellFormed(label) }));
  if (options_.some(({ label }) => label.trim() === '')) throw wrong('an --option is empty');
  if (new Set(options_.map(({ label }) => label.trim())).size < labels.length)
    throw wrong('an --option is given twice');
  if (multiple && labels.length === 0) throw wrong('--multiple needs an --option to choose');
  const asked = { question: wellFormed(question), header: wellFormed(header), options: options_ };
  return { kind: 'question', request: { questions: [{ ...asked, ...(multiple && { multiple }) }] } };
}

function timeoutSeconds(text: string): number {
  const seconds = wholeNumber('--timeout')(text);
  if (seconds <= longestTimeout) return seconds;
  throw new CliError(exitCodes.usage, `--timeout takes at most ${longestTimeout} seconds (24 days)`);
}

/** What ends the waiting: the time-out, a signal, or a reader that is gone. */
function stopsOf(context: Context, timeout: number | undefined): { stopped: Promise<Stop>; undo(): void } {
  let stop!: (why: Stop) => void;
  const stopped = new Promise<Stop>((resolve) => {
    stop = resolve;
  });
  const timer =
    timeout !== undefined &&
    setTimeout(() => {
      stop({ reason: `nobody answered within ${timeout} s`, code: exitCodes.timedOut });
    }, timeout * 1000);
  const undoSignals = onStopSignal((signal) => {
    if (context.err.isTerminal) void context.err.line().catch(() => {}); // behind the ^C that it shows
    stop({ reason: `ended by ${signal}`, code: 128 + constants.signals[signal] });
  });
  context.out.onReaderGone(() => stop({ reason: 'whoever asked is gone', code: exitCodes.failure }));
  const undo = () => {
    if (timer) clearTimeout(timer);
    undoSignals();
  };
  return { stopped, undo };
}

/** For the person who typed it; a hook has nobody who reads it. */
async function tellWaiting({ err, json, commandLine }: Context, blockerId: string, asked: Asked): Promise<void> {
  if (json || !err.isTerminal) return;
  await err.line(err.style.dim(`waits for: ${commandLine(`answer ${blockerId}`)}  (${choicesText(asked)})`));
}

async function printAnswer({ out, json }: Context, blocker: Blocker): Promise<void> {
  const { state, resolution } = blocker;
  const answer = state === 'answered' ? resolution : null;
  if (json) await out.json(blocker);
  else if (answer && 'answers' in answer) {
    await out.lines(answer.answers.map((labels) => lineOf(labels.join(', '), out.isTerminal)));
  } else if (answer && 'decision' in answer) await out.line(cleanLine(answer.decision));
  if (answer && 'decision' in answer && answer.decision === 'deny') {
    const why = answer.message === undefined ? '' : `: ${answer.message}`;
    throw new CliError(exitCodes.denied, `denied by ${blocker.resolvedBy}${why}`);
  }
  if (state === 'rejected' || state === 'expired') throw new CliError(exitCodes[state], blockerText(blocker));
}

/** One line; for a program that compares it, the text as it is otherwise. */
function lineOf(text: string, isTerminal: boolean): string {
  return isTerminal ? cleanLine(text) : text.replace(/[\r\n]+/g, ' ');
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function wellFormed(text: string): string {
  return text.toWellFormed();
}

// answer ID CHOICE…: answers a question or a permission. It never asks back: without a choice it shows what could be one.
import type { Command } from 'commander';
import type { Client } from '../../protocol/client.ts';
import type { Blocker } from '../../protocol/schema.ts';
import { isOwnWords, readAnswer, typedAnswer } from '../answer-choices.ts';
import { alreadyResolved, findBlocker, resolveBlocker, throwWinner, typedBlocker } from '../blockers.ts';
import type { Connected } from '../connect.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { blockerText } from '../render/blocker.ts';
import { cleanLine } from '../render/clean.ts';
import { entryLines } from '../render/inbox.ts';
import { loadWidths } from '../render/width.ts';
import { onItsWay, sendResolution } from '../resolution.ts';
import { findSession } from '../resolve.ts';

type Options = { message?: string; session?: string };

const notAnswered = 'nothing was answered: no choice is given';

export function configure(command: Command, context: Context): void {
  const { program, out } = context;
  command
    .argument('<blocker>', 'the id of what waits, or the start of it, as inbox prints it')
    .argument('[choice...]', 'for a permission once, always or deny; for each question one: see below')
    .option('--message <TEXT>', 'a word to the agent, with the answer to a permission')
    .option('--session <ID>', 'where it waits; only for a token that cannot read')
    .addHelpText(
      'after',
      `\nA choice for a question is the number of an option, its label, or words of your own in quotes. Where\n` +
        `several options may be chosen they go with commas: 1,3. A label goes before a number.\n` +
        `Without a choice nothing is answered (exit code 2): it prints what is asked and what would answer it.\n` +
        `The first answer stands. Where somebody else was first, it says who, with what and when, and exits\n` +
        `with ${exitCodes.alreadyResolved}, unless it was the same answer with the same --message.\n` +
        `With a token that cannot read, both ids are given whole, and labels as they were asked.\n\n` +
        `Examples:\n  ${program} answer blk_4kZq once\n  ${program} answer blk_4kZq deny --message "not on a Friday"\n` +
        `  ${program} answer blk_9Tua 2\n  ${program} answer blk_9Tua 1,3 "in the second week"`,
    )
    .action(async (given: string, choices: string[], options: Options) => {
      const { message } = options;
      await withDaemon(context, async (connected) => {
        const { client, canRead } = connected;
        if (!canRead) return answerUnread(context, connected, given, choices, options);
        const blocker = await resolveBlocker(context, client, given);
        const { sessionId, id: blockerId, request, state } = blocker;
        const late = () => alreadyResolved(blocker, context.now());
        if (request === null) throw late(); // answered before it was asked
        if (choices.length === 0) {
          if (state !== 'pending') throw late();
          return showChoices(context, client, blocker);
        }
        const hint = `what is asked: ${context.commandLine(`answer ${cleanLine(blockerId)}`)}`;
        const answer = unlessLate(blocker, late, () => readAnswer(request, choices, message, hint));
        const sent = sendResolution(client, { type: 'blocker/answer', params: { sessionId, blockerId, answer } });
        const { duplicate, isPending } = await sent.catch((error) => throwWinner(context, connected, blockerId, error));
        if (isPending && !context.json) return out.line(`${cleanLine(blockerId)} ${onItsWay}`);
        const told = (await findBlocker(client, blockerId)) ?? blocker;
        if (context.json) return out.json(told);
        await out.line(`${cleanLine(blockerId)} ${duplicate ? 'was' : 'is'} ${blockerText(told)}`);
        if (isOwnWords(request, answer)) await out.line(out.style.dim('in your own words: none of its options'));
      });
    });
}

/** Of what is resolved already, that is told rather than what was wrong with the choice. */
function unlessLate<T>({ state }: Blocker, late: () => CliError, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw state === 'pending' ? error : late();
  }
}

/** By who may not read: nothing is asked of the daemon but to take the answer. */
async function answerUnread(
  context: Context,
  connected: Connected,
  given: string,
  choices: string[],
  { message, session }: Options,
): Promise<void> {
  const { out, json, program } = context;
  const help = `${program} answer --help`;
  const { blockerId, sessionId } = typedBlocker(given, session);
  if (choices.length === 0) throw new CliError(exitCodes.usage, notAnswered, help);
  const answer = typedAnswer(choices, message, help);
  const sent = sendResolution(connected.client, { type: 'blocker/answer', params: { sessionId, blockerId, answer } });
  const { duplicate } = await sent.catch((error) => throwWinner(context, connected, blockerId, error));
  const told = { state: 'answered', kind: null, request: null, resolvedBy: null, resolution: answer } as const;
  if (json) await out.json({ id: blockerId, sessionId, state: told.state, resolution: answer });
  else await out.line(`${cleanLine(blockerId)} ${duplicate ? 'was' : 'is'} ${blockerText(told)}`);
}

async function showChoices(context: Context, client: Client, blocker: Blocker): Promise<never> {
  const { out, json, home, program, commandLine } = context;
  if (!json) {
    const { width, style } = out;
    if (width !== Number.POSITIVE_INFINITY) await loadWidths();
    const session = await findSession(client, blocker.sessionId);
    await out.lines(entryLines(blocker, session, blocker.id, { width, style, now: context.now(), home, commandLine }));
  }
  throw new CliError(exitCodes.usage, notAnswered, `${program} answer --help`);
}

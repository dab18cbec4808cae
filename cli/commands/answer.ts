// answer ID CHOICE…: answers a question or a permission. It never asks back: without a choice it shows what could be one.
import type { Command } from 'commander';
import type { Client } from '../../protocol/client.ts';
import { RpcError } from '../../protocol/errors.ts';
import type { Blocker } from '../../protocol/schema.ts';
import { isOwnWords, readAnswer } from '../answer-choices.ts';
import { alreadyResolved, findBlocker, resolveBlocker } from '../blockers.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { blockerText } from '../render/blocker.ts';
import { cleanLine } from '../render/clean.ts';
import { entryLines } from '../render/inbox.ts';
import { loadWidths } from '../render/width.ts';
import { findSession } from '../resolve.ts';

export function configure(command: Command, context: Context): void {
  const { program, out } = context;
  command
    .argument('<blocker>', 'the id of what waits, or the start of it, as inbox prints it')
    .argument('[choice...]', 'for a permission once, always or deny; for each question one: see below')
    .option('--message <TEXT>', 'a word to the agent, with the answer to a permission')
    .addHelpText(
      'after',
      `\nA choice for a question is the number of an option, its label, or words of your own in quotes. Where\n` +
        `several options may be chosen they go with commas: 1,3. A label goes before a number.\n` +
        `Without a choice nothing is answered (exit code 2): it prints what is asked and what would answer it.\n` +
        `The first answer stands. Where somebody else was first, it says who, with what and when, and exits\n` +
        `with ${exitCodes.alreadyResolved}, unless it was the same answer with the same --message.\n\n` +
        `Examples:\n  ${program} answer blk_4kZq once\n  ${program} answer blk_4kZq deny --message "not on a Friday"\n` +
        `  ${program} answer blk_9Tua 2\n  ${program} answer blk_9Tua 1,3 "in the second week"`,
    )
    .action(async (given: string, choices: string[], { message }: { message?: string }) => {
      await withDaemon(context, async ({ client }) => {
        const blocker = await resolveBlocker(context, client, given);
        const { sessionId, id: blockerId, request, state } = blocker;
        const late = () => alreadyResolved(blocker, context.now());
        if (request === null) throw late(); // answered before it was asked
        if (choices.length === 0) {
          if (state !== 'pending') throw late();
          return showChoices(context, client, blocker);
        }
        const hint = `what is asked: ${program} answer ${cleanLine(blockerId)}`;
        const answer = unlessLate(blocker, late, () => readAnswer(request, choices, message, hint));
        const call = client.call('blocker/answer', { sessionId, blockerId, answer });
        const { duplicate } = await call.catch((error) => throwWinner(context, client, blockerId, error));
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

/** Throws the error, or where somebody else was first, who. */
export async function throwWinner(context: Context, client: Client, blockerId: string, error: unknown): Promise<never> {
  if (!(error instanceof RpcError) || error.kind !== 'AlreadyResolved') throw error;
  const winner = await findBlocker(client, blockerId);
  throw winner ? alreadyResolved(winner, context.now()) : error;
}

async function showChoices(context: Context, client: Client, blocker: Blocker): Promise<never> {
  const { out, json, home, program } = context;
  if (!json) {
    const { width, style } = out;
    if (width !== Number.POSITIVE_INFINITY) await loadWidths();
    const session = await findSession(client, blocker.sessionId);
    await out.lines(entryLines(blocker, session, blocker.id, { width, style, now: context.now(), home, program }));
  }
  throw new CliError(exitCodes.usage, 'nothing was answered: no choice is given', `${program} answer --help`);
}

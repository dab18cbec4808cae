// reject ID: turns down what waits: whoever asked goes on without an answer.
import type { Command } from 'commander';
import { resolveBlocker, throwWinner, typedBlocker } from '../blockers.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { exitCodes } from '../exit.ts';
import { cleanLine } from '../render/clean.ts';
import { onItsWay, sendResolution } from '../resolution.ts';

export function configure(command: Command, context: Context): void {
  const { program, out } = context;
  command
    .argument('<blocker>', 'the id of what waits, or the start of it, as inbox prints it')
    .option('--reason <TEXT>', 'why, for whoever asked')
    .option('--session <ID>', 'where it waits; only for a token that cannot read, which needs both ids whole')
    .addHelpText(
      'after',
      `\nIt is no answer: to say no to a permission, ${program} answer ID deny.\n` +
        `Where somebody else was first, it says who, with what and when, and exits with ${exitCodes.alreadyResolved},\n` +
        `unless it was rejected with the same --reason.\n\n` +
        `Example:\n  ${program} reject blk_4kZq --reason "ask me tomorrow"`,
    )
    .action(async (given: string, { reason, session }: { reason?: string; session?: string }) => {
      await withDaemon(context, async (connected) => {
        const { client, canRead } = connected;
        const find = async () => {
          const { id: blockerId, sessionId } = await resolveBlocker(context, client, given);
          return { blockerId, sessionId };
        };
        const { blockerId, sessionId } = canRead ? await find() : typedBlocker(given, session);
        const told = reason === undefined ? {} : { reason: reason.toWellFormed() };
        const params = { sessionId, blockerId, ...told };
        const sent = sendResolution(client, { type: 'blocker/reject', params });
        const { duplicate, isPending } = await sent.catch((error) => throwWinner(context, connected, blockerId, error));
        if (context.json) await out.json({ blockerId, ...told });
        else if (isPending) await out.line(`${cleanLine(blockerId)} ${onItsWay}`);
        else await out.line(`${cleanLine(blockerId)} ${duplicate ? 'was rejected before' : 'is rejected'}`);
      });
    });
}

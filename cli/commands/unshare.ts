// unshare ID: takes a share back, at once here, and at its host as soon as that can be reached.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Client } from '../../protocol/client.ts';
import type { Share } from '../../protocol/outbox.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { cleanLine, cleanStart } from '../render/clean.ts';
import { sessionName } from '../render/session-name.ts';
import { wrap } from '../render/width.ts';
import { allShares, resolveShares } from '../shares.ts';

/** How long its host is waited for, so that it can be told whether it knows; and how often that is looked at, ms. */
const [patienceMs, everyMs] = [3000, 100];

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .argument('<share>', 'the id of the share or of its session, or the start of it')
    .addHelpText(
      'after',
      `\nOf a session all its shares are taken back, also when it is deleted. Nothing is sent any more from that moment on;\n` +
        `a host that cannot be reached now is told as soon as it can be: ${program} share --list\n` +
        `With --json it prints what was taken back: "ended", or "ending" where its host does not know yet.\n\n` +
        `Examples:\n  ${program} unshare ses_4kZq\n  ${program} unshare shr_9Tua`,
    )
    .action(async (given: string) => {
      await withDaemon(context, async (connected) => {
        const { client } = connected;
        const shares = await resolveShares(context, connected, given);
        for (const { id } of shares) await client.call('share/revoke', { shareId: id });
        const left = await whatIsLeft(client, new Set(shares.map(({ id }) => id)), context);
        if (context.json) {
          return context.out.json(shares.map((share) => left.get(share.id) ?? { ...share, state: 'ended' }));
        }
        for (const share of shares) await tell(context, share, left.get(share.id));
      });
    });
}

/** Those whose host does not know yet: it was tried and did not answer, or has not answered in time. */
async function whatIsLeft(client: Client, ids: Set<string>, { now }: Context): Promise<Map<string, Share>> {
  for (const end = now() + patienceMs; ; await sleep(everyMs)) {
    const left = (await allShares(client)).filter(({ id }) => ids.has(id));
    const isUndecided = left.some(({ lastError }) => lastError === null);
    if (!isUndecided || now() >= end) return new Map(left.map((share) => [share.id, share]));
  }
}

async function tell({ out, commandLine }: Context, share: Share, left: Share | undefined): Promise<void> {
  const { id, sessionId, title, host, state } = share;
  const was = state === 'ending' ? 'was taken back before:' : 'taken back:';
  const why = left?.lastError ? ` (${cleanStart(left.lastError, 300)})` : '';
  const lines = [
    `${was} ${cleanLine(id)}, ${sessionName(title === null ? { id: sessionId } : { id: sessionId, title })}`,
    left
      ? `nothing more is sent; ${cleanStart(host, 2048)} could not be told yet${why}, and is as soon as it can be: ${commandLine('share --list')}`
      : `the link is good for nothing any more, at ${cleanStart(host, 2048)} too`,
  ];
  await out.lines(lines.flatMap((line) => wrap(line, out.width)));
}

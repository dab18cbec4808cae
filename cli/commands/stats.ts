// stats: tokens and cost by agent, by model and by day of the local clock.
import type { Command } from 'commander';
import type { Client } from '../../protocol/client.ts';
import { unknownAgentText } from '../agents.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { pastTime } from '../option-values.ts';
import { pages } from '../pages.ts';
import { statsLines } from '../render/stats.ts';
import { filterWords } from '../session-filter.ts';
import type { UsageSums } from '../usage-sums.ts';
import { UsageSummer } from '../usage-sums.ts';

/** Days listed unless --since or --all asks for others. */
const daysByDefault = 14;

type Options = { since?: string; agent?: string; all?: boolean };

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .option('--since <WHEN>', 'only messages since then: 2h, 3d, yesterday, 2026-11-01')
    .option('--agent <NAME>', 'only messages of this agent, for example codex')
    .option('--all', `all days; without it the last ${daysByDefault} that have any usage, unless --since is given`)
    .addHelpText(
      'after',
      `\nDays are those of the local time zone. A cost is told only where the agent told it, never guessed.\n\n` +
        `Examples:\n  ${program} stats --since 2w\n  ${program} stats --agent codex --json | jq '.days[0]'`,
    )
    .action(async (options: Options) => {
      const since = options.since === undefined ? undefined : pastTime('--since', context.now)(options.since);
      const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
      const sums = await withDaemon(context, async ({ client }) => {
        const counted = await read(client, since, timeZone, options.agent);
        if (counted.total.messages === 0 && options.agent !== undefined) await refuseUnknown(client, options.agent);
        return counted;
      });
      if (context.json) await context.out.json({ since: since ?? null, timeZone, ...sums });
      else await print(context, sums, options);
    });
}

async function read(
  client: Client,
  since: number | undefined,
  timeZone: string,
  agent: string | undefined,
): Promise<UsageSums> {
  const summer = new UsageSummer();
  for await (const items of pages(client, 'session/usage', {
    ...(since !== undefined && { since }),
    timeZone,
    limit: 1000,
  })) {
    summer.add(agent === undefined ? items : items.filter((item) => item.agent === agent));
  }
  return summer.end();
}

/** An agent that no session is of was mistyped, most likely: not found (5), with those that there are. */
async function refuseUnknown(client: Client, agent: string): Promise<void> {
  const unknown = await unknownAgentText(client, agent);
  if (unknown !== undefined) throw new CliError(exitCodes.notFound, unknown);
}

async function print({ out, commandLine }: Context, sums: UsageSums, { since, agent, all }: Options): Promise<void> {
  if (sums.total.messages === 0) {
    const asked = filterWords({ since, agent });
    return out.line(asked === '' ? 'Nothing was counted yet.' : `Nothing was counted for${asked}.`);
  }
  const { style, width } = out;
  const mostDays = all || since !== undefined ? undefined : daysByDefault;
  const allDays = commandLine(`stats${filterWords({ agent })} --all`);
  await out.lines(await statsLines(sums, { width, style, mostDays, allDays }));
}

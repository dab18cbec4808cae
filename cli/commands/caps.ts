// caps: what was handed out, to whom, for how long; what was made out of another stands below it.
import type { Command } from 'commander';
import { allCapabilities } from '../capabilities.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { capabilityTable, isValid } from '../render/capability.ts';
import { wrap } from '../render/width.ts';

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .option('--all', 'also what is revoked or expired')
    .addHelpText(
      'after',
      `\nA token is not among it: that was shown once, and is kept nowhere.\n\n` +
        `Examples:\n  ${program} caps\n  ${program} caps --all --json | jq -r '.[].label'`,
    )
    .action(async ({ all: wantsAll }: { all?: boolean }) => {
      const { out, json } = context;
      const now = context.now();
      const all = await withDaemon(context, ({ client }) => allCapabilities(client));
      const listed = wantsAll ? all : all.filter((each) => isValid(each, now));
      if (json) return out.json(listed);
      const { width, style } = out;
      if (listed.length > 0) await out.lines(await capabilityTable(listed, all, { width, style, now }));
      else await out.lines(wrap(noneText(context), width));
      const more = all.length - listed.length;
      if (more > 0)
        await out.lines(wrap(`${more} revoked or expired: ${context.commandLine('caps --all')}`, width).map(style.dim));
    });
}

function noneText({ commandLine }: Context): string {
  return `Nothing is handed out. To do so: ${commandLine('grant LABEL --rights read --session ID')}`;
}

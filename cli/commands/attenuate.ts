// attenuate LABEL: makes a token that allows less out of another one, which is read from stdin or by --token-file.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import type { HandOutOptions } from '../hand-out.ts';
import { addHandOutOptions, asTooMuch, handOut, handOutHelp, shareOf } from '../hand-out.ts';
import { readToken } from '../token.ts';

export function configure(command: Command, context: Context): void {
  const { program } = context;
  addHandOutOptions(command, 'whom or what the new one is for, in your words')
    .addHelpText(
      'after',
      `\nThe token that it is made out of is read from stdin, or from the file of --token-file. What is not asked for is as\n` +
        `in that one, and never more; with that one it ends too.\n\n${handOutHelp}\n\n` +
        `Examples:\n  ${program} attenuate "only looks" --rights read --token-file ci.token --output look.token\n` +
        `  pass show ci | ${program} attenuate "one hour" --expires 1h | pass insert -m ci-for-an-hour`,
    )
    .action(async (label: string, options: HandOutOptions) => {
      const share = shareOf(context, options);
      const token = context.token ?? (await readToken(context, '-'));
      await handOut(context, share, options.output, ({ client }, params) =>
        client.call('capability/attenuate', { token, label, ...params }).catch(asTooMuch),
      );
    });
}

// grant LABEL: hands out a part of the record; its token is printed this once.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import type { HandOutOptions } from '../hand-out.ts';
import { addHandOutOptions, asTooMuch, handOut, handOutHelp, mayShare, shareOf } from '../hand-out.ts';

export function configure(command: Command, context: Context): void {
  const { program } = context;
  addHandOutOptions(command, 'whom or what it is for, in your words')
    .addHelpText(
      'after',
      `\n${handOutHelp}\nWhoever has the token acts with it by --token-file, which every verb takes.\n\n` +
        `Examples:\n  ${program} grant reviewer --rights read --session ses_4kZq --expires 2d --output reviewer.token\n` +
        `  ${program} grant ci --rights read,append --all-sessions --ops 'part/*,message/put' | ssh build 'umask 077; cat >ci.token'\n` +
        `  ${program} ls --token-file reviewer.token`,
    )
    .action(async (label: string, options: HandOutOptions) => {
      const share = shareOf(context, options);
      const { rights, sessions } = share;
      const help = `${program} grant --help`;
      if (!rights) throw new CliError(exitCodes.usage, 'what it allows is not given: --rights read, say', help);
      if (!sessions)
        throw new CliError(exitCodes.usage, 'what it is for is not given: --session ID or --all-sessions', help);
      await handOut(context, share, options.output, async (connected, params) => {
        const made = connected.client.call('capability/grant', {
          label,
          rights,
          sessions: params.sessions!,
          ...params,
        });
        return mayShare(connected) ? made.catch(asTooMuch) : made;
      });
    });
}

// service: the daemon as a service of the user's: of systemd, which listens and starts it with the first use, or of launchd.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import type { InstallOptions } from '../service/install.ts';
import { install } from '../service/install.ts';
import { status } from '../service/status.ts';
import { uninstall } from '../service/uninstall.ts';

export const withoutToken = 'it is about the files and programs of your own user';

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .usage('COMMAND [options]')
    .helpCommand(false)
    .addHelpText(
      'after',
      `\nThe store, the config and the log stay where they are; ${program} logs reads the log.\n\n` +
        `Examples:\n  ${program} service install\n  ${program} service status\n  ${program} service uninstall`,
    );
  verb('install', 'have the daemon run as a service; shows what it writes, and asks')
    .option('--yes', 'do not ask, and end a daemon that runs whatever it is doing')
    .option('--force', 'write over files that were changed, or that sessiond did not write')
    .addHelpText(
      'after',
      '\nOn Linux it writes two units of systemd for your user: it listens on the socket, and starts the daemon with the\n' +
        'first use. To have it listen before you log in, and behind that: loginctl enable-linger. On macOS it writes an\n' +
        'agent of launchd. The variables that say where files are (SESSIOND_HOME, XDG_*, CLAUDE_CONFIG_DIR, …) are kept as\n' +
        'they are set now. Where there is no terminal to ask on, it needs --yes (else exit code 2). To change a unit, use\n' +
        `a drop-in (systemctl --user edit).\n\nExamples:\n  ${program} service install\n  ${program} service install --yes`,
    )
    .action((options: InstallOptions) => install(context, options));
  verb('uninstall', 'end the service, and remove the files that install wrote')
    .option('--yes', 'for scripts: it asks nothing anyway')
    .option('--force', 'remove files too that were changed, or that sessiond did not write')
    .addHelpText(
      'after',
      `\nThe record stays, and every verb starts a daemon again.\n\nExample:\n  ${program} service uninstall`,
    )
    .action((options: { force?: boolean }) => uninstall(context, options));
  verb('status', 'tell whether it is installed, whether the daemon that runs is its, and what is wrong')
    .addHelpText('after', `\nIt starts no daemon.\n\nExample:\n  ${program} service status --json`)
    .action(() => status(context));

  function verb(name: string, summary: string): Command {
    return command
      .command(name)
      .summary(summary)
      .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`);
  }
}

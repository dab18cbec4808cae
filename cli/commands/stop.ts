// stop: ends the daemon and returns when it is really gone. That none runs is no failure.
import type { Command } from 'commander';
import { connectIfRunning } from '../connect.ts';
import type { Context } from '../context.ts';
import { heldSocket } from '../service/held-socket.ts';
import { stopDaemon } from '../stop-daemon.ts';

export function configure(command: Command, context: Context): void {
  command
    .addHelpText(
      'after',
      `\nThat none runs is no failure. One that is run as a service is started again by the next use.\n\n` +
        `Example:\n  ${context.program} stop`,
    )
    .action(async () => {
      const { out, json } = context;
      const connected = await connectIfRunning(context);
      if (connected) {
        const pid = await stopDaemon(context, connected);
        await (json ? out.json({ stopped: true, running: false, pid }) : out.line(`sessiond stopped (pid ${pid})`));
      } else {
        await (json ? out.json({ stopped: false, running: false }) : out.line('sessiond is not running'));
      }
      if (await heldSocket(context)) await noticeHeld(context);
    });
}

async function noticeHeld({ err, json, program }: Context): Promise<void> {
  const text =
    'systemd listens on its socket, and the next use starts it again; to stop it for good: ' +
    `systemctl --user stop sessiond.socket, or ${program} service uninstall`;
  await (json ? err.json({ startsAgain: { hint: text } }) : err.line(err.style.yellow(text)));
}

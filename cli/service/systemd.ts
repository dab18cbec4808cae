// systemd's user manager: a socket that it listens on, and the daemon behind it.
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { shownPath } from '../render/path.ts';
import { serviceUnit, socketUnit, unitFolder } from './held-socket.ts';
import type { ServiceManager } from './manager.ts';
import { mustSucceed } from './manager.ts';
import { serviceProgram } from './program.ts';
import { systemctl, unitStates } from './systemctl.ts';
import { serviceUnitText, socketUnitText } from './systemd-units.ts';

export function systemd(context: Context): ServiceManager {
  const program = serviceProgram(context);
  const folder = unitFolder(context);
  const ask = async (...args: string[]) =>
    mustSucceed(`systemctl --user ${args.join(' ')}`, await systemctl(context, ...args));
  return {
    name: 'systemd',
    program: 'systemctl --user',
    files: [
      { path: join(folder, socketUnit), text: socketUnitText(program) },
      { path: join(folder, serviceUnit), text: serviceUnitText(program) },
    ],
    promise: `systemd listens on ${shownPath(program.paths.socket, context.home)}, and starts the daemon with the first use`,
    restart: `systemctl --user restart ${socketUnit}`,
    async state() {
      const states = await unitStates(context);
      if ('unreachable' in states) return states;
      const { socket, service } = states;
      return {
        isOn: socket.file === 'enabled' && socket.active === 'active',
        pid: service.pid,
        facts: [
          [socketUnit, `${socket.file || 'not known'}, ${socket.active}`],
          [serviceUnit, service.pid === null ? service.active : `${service.active}, pid ${service.pid}`],
        ],
      };
    },
    async enable() {
      await ask('daemon-reload');
      // A socket is not listened on anew while its service runs.
      await ask('stop', socketUnit, serviceUnit);
      // It may have been given up; that there is nothing to forget is no failure.
      await systemctl(context, 'reset-failed', socketUnit, serviceUnit);
      await ask('enable', '--now', socketUnit);
    },
    async disable() {
      await ask('disable', '--now', socketUnit);
      await ask('stop', serviceUnit);
    },
    forget: () => ask('daemon-reload'),
  };
}

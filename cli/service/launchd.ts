// macOS's launchd: an agent of the user's login.
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { agentLabel, agentText } from './launchd-plist.ts';
import type { ServiceManager } from './manager.ts';
import { mustSucceed } from './manager.ts';
import { serviceProgram } from './program.ts';
import { runManager } from './run-manager.ts';

export function launchd(context: Context): ServiceManager {
  const domain = `gui/${userInfo().uid}`;
  const path = join(context.home, 'Library', 'LaunchAgents', `${agentLabel}.plist`);
  const ask = async (...args: string[]) =>
    mustSucceed(`launchctl ${args.join(' ')}`, await runManager(context, 'launchctl', args));
  const state: ServiceManager['state'] = async () => {
    const { code, stdout, stderr } = await runManager(context, 'launchctl', ['print', `${domain}/${agentLabel}`]);
    if (code !== 0 && !/could not find service/i.test(stderr))
      return { unreachable: stderr || `launchctl ended with ${code}` };
    const pid = code === 0 ? Number(/^\s*pid = (\d+)$/m.exec(stdout)?.[1] ?? 0) : 0;
    const how = code !== 0 ? 'not loaded' : pid > 0 ? `loaded, pid ${pid}` : 'loaded, not running';
    return { isOn: code === 0, pid: pid > 0 ? pid : null, facts: [[agentLabel, how]] };
  };
  const unload = async () => {
    const now = await state();
    if ('isOn' in now && now.isOn) await ask('bootout', `${domain}/${agentLabel}`);
  };
  return {
    name: 'launchd',
    program: 'launchctl',
    files: [{ path, text: agentText(serviceProgram(context)) }],
    promise: 'launchd starts the daemon now and with each login, and again when it fails',
    restart: `launchctl kickstart -k ${domain}/${agentLabel}`,
    state,
    async enable() {
      await unload();
      await ask('bootstrap', domain, path);
    },
    disable: unload,
    forget: async () => {},
  };
}

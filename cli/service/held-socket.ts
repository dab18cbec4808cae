// Whether systemd's user manager listens on the socket: then whoever connects starts the daemon. Found out without
// connecting, for what must not start one: a unit's file says that it may be so, systemctl whether it is.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathsFrom } from '../../protocol/node/paths.ts';
import type { Context } from '../context.ts';
import { readMark } from './mark.ts';

export const socketUnit = 'sessiond.socket';
export const serviceUnit = 'sessiond.service';

type Place = Pick<Context, 'env' | 'home' | 'platform'>;

/** Where the user's own units lie. */
export function unitFolder({ env, home }: Pick<Context, 'env' | 'home'>): string {
  return join(resolve(env.XDG_CONFIG_HOME || join(home, '.config')), 'systemd', 'user');
}

/** `waiting`: no daemon runs; `serving`: it has started one. Undefined where it does not listen, or cannot be asked. */
export async function heldSocket(context: Place): Promise<'waiting' | 'serving' | undefined> {
  if (!unitOf(context)) return undefined;
  const { unitStates } = await import('./systemctl.ts');
  const states = await unitStates(context);
  if ('unreachable' in states || states.socket.active !== 'active') return undefined;
  return ['inactive', 'failed'].includes(states.service.active) ? 'waiting' : 'serving';
}

/** The bundle of the daemon that the unit on this socket starts; undefined where there is none that install wrote. */
export function ownBundleOf(context: Place): string | undefined {
  return readMark(unitOf(context) ?? '')?.bundle;
}

/** The text of the unit that listens on the socket of this environment. */
function unitOf({ env, home, platform = process.platform }: Place): string | undefined {
  if (platform !== 'linux') return undefined;
  let text: string;
  try {
    text = readFileSync(join(unitFolder({ env, home }), socketUnit), 'utf8');
  } catch {
    return undefined;
  }
  const values: Record<string, string> = { '%t': env.XDG_RUNTIME_DIR ?? '%t', '%h': home, '%%': '%' };
  const expanded = (path: string) => path.replace(/%./g, (specifier) => values[specifier] ?? specifier);
  const paths = Array.from(text.matchAll(/^ListenStream=(.*?)\s*$/gm), ([, path]) => expanded(path!));
  return paths.includes(pathsFrom(env).socket) ? text : undefined;
}

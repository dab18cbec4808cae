// The socket file: a daemon's, or one that was left behind.
import { lstatSync, rmSync } from 'node:fs';
import { pathsFrom } from '../../protocol/node/paths.ts';
import { shownPath } from '../render/path.ts';
import { heldSocket } from '../service/held-socket.ts';
import type { Check } from './finding.ts';

export const checkSocket: Check = async (context, { daemon }) => {
  const { socket } = pathsFrom(context.env);
  const about = 'socket';
  const shown = shownPath(socket, context.home);
  if (daemon === 'runs') return [{ about, state: 'fine', text: shown }];
  if (await heldSocket(context)) return [{ about, state: 'fine', text: `${shown}: systemd listens, for the next use` }];
  const found = lstatSync(socket, { throwIfNoEntry: false });
  if (!found) return [{ about, state: 'fine', text: `${shown} is made when the daemon starts` }];
  if (!found.isSocket()) {
    return [{ about, state: 'wrong', text: `${shown} is there and is no socket`, todo: 'move it away' }];
  }
  if (daemon === 'silent') return [{ about, state: 'note', text: `${shown}: see lock` }];
  const text = `${shown} was left behind: nobody listens there`;
  // Nobody holds the store either: it is no daemon's that is just starting.
  return [{ about, state: 'wrong', text, todo: 'remove it', fix: () => rmSync(socket) }];
};

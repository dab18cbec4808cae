// The folders of demos that were killed: a demo that ends in any other way takes its own away.
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { isRunning } from '../stopped.ts';

/** A new folder, named for this process, so that a later demo can tell whose it was. */
export function makeDemoFolder(temp: string): string {
  return mkdtempSync(join(temp, `sessiond-demo-${process.pid}-`));
}

/**
 * Removes this user's own folders of demos whose process is gone and in which no daemon listens any more; that of another
 * container on the same folder has another process table. What cannot be looked at or removed stays.
 */
export async function removeLeftDemos(temp: string): Promise<void> {
  for (const name of readdirSync(temp)) {
    const pid = /^sessiond-demo-(\d+)-\w{6}$/.exec(name)?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    const folder = join(temp, name);
    try {
      const stat = lstatSync(folder);
      if (!stat.isDirectory() || stat.uid !== process.getuid?.()) continue;
      if (await isListened(join(folder, 'run', 'sessiond.sock'))) continue;
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // another demo was faster, or it is none of ours
    }
  }
}

function isListened(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

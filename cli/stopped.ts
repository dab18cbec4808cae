// Waiting until a daemon that was told to stop is really gone: its process ended, and its socket file removed.
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Whether a process is still at work. One that ended and was not yet collected by its parent is not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  try {
    // The state stands behind the name, which is in parentheses and may hold any character.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return process.platform !== 'linux'; // elsewhere there is no /proc; here it ended just now
  }
}

/**
 * Resolves to whether it is gone within `timeoutMs`, and the file at `socketPath`, where that is given, too. A process that
 * is not our child can only be looked at.
 */
export async function waitUntilStopped(
  pid: number,
  socketPath: string | undefined,
  timeoutMs: number,
): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isRunning(pid) || (socketPath !== undefined && existsSync(socketPath))) {
    if (Date.now() >= deadline) return false;
    await sleep(10);
  }
  return true;
}

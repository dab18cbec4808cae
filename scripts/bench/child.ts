// A program of this folder as a process of its own, with the loader that this one has.
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Resolves when it has sent its first message. It ends when it is disconnected. */
export async function startChild(file: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL(`./${file}`, import.meta.url)), args, { env: { ...process.env, ...env } });
  await once(child, 'message');
  return child;
}

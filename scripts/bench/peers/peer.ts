// Another program that keeps what it is sent, spoken to in its own line protocol.
import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';

export interface Peer {
  /** What stands behind its acknowledgement. */
  readonly note: string;
  /** Resolves when it has acknowledged; one connection, in order. */
  put(text: string): Promise<void>;
  stop(): Promise<void>;
}

/** The version that the program tells of itself; undefined where it is not installed. */
export function versionOf(program: string): string | undefined {
  const { stdout, error } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return error ? undefined : /v=?(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
}

/** Resolves once it has said `ready`; it ends with this process. */
export async function startProgram(program: string, args: string[], ready: RegExp): Promise<ChildProcess> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  let told = '';
  await new Promise<void>((resolve, reject) => {
    const read = (pipe: Readable) =>
      pipe.setEncoding('utf8').on('data', (chunk: string) => {
        told += chunk;
        if (ready.test(told)) resolve();
      });
    read(child.stdout!);
    read(child.stderr!);
    child.once('exit', () => reject(new Error(`${program} ended: ${told}`)));
  });
  return child;
}

export async function stopProgram(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill();
  await exited;
}

/** Those who wait for an acknowledgement, the first one first. */
export class Acknowledgements {
  readonly #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];

  next(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** `problem`: why it was not kept. */
  settle(problem?: string): void {
    const waiter = this.#waiting.shift();
    if (problem === undefined) waiter?.resolve();
    else waiter?.reject(new Error(problem));
  }
}

/** Calls `take` with each line, without its CR LF. Both protocols answer in lines, and no answer holds a line end. */
export function eachLine(socket: Socket, take: (line: string) => void): void {
  let rest = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\r\n');
    rest = lines.pop()!;
    for (const line of lines) take(line);
  });
}

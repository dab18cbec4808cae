// Starts the daemon in the background and returns once it has proved that it answers (P23). The daemon is its own
// session and process group, so that neither Ctrl-C nor the end of a terminal reaches it. It says that it is ready
// through a pipe; the pipe ends with the process, so that nothing is polled. What it writes before it can log goes to
// the log file.

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, mkdirSync, openSync, readSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../client.ts';
import { RpcError } from '../errors.ts';
import { TransportClosedError } from '../transport.ts';
import { pathsFrom } from './paths.ts';
import { connectSocket } from './socket.ts';

/** The daemon's exit code when another one holds the store. */
const lockedExitCode = 7;
/** How long the holder of the lock is tried before another daemon is: it may have been one that was just ending. */
const holderMs = 1000;
/** How long a lock that is held, by one who does not answer, is put up with in all. */
const lockedMs = 10_000;

/** The daemon did not start. `locked`: another process holds the store, and did not answer either. */
export class SpawnError extends Error {
  readonly locked: boolean;
  readonly logFile: string;
  constructor(message: string, logFile: string, locked = false) {
    super(message);
    this.name = 'SpawnError';
    this.locked = locked;
    this.logFile = logFile;
  }
}

/** Something took the connection and then did not answer as a daemon does. */
export class NoAnswerError extends Error {
  constructor(socketPath: string, why: string) {
    super(`what listens on ${socketPath} ${why}`);
    this.name = 'NoAnswerError';
  }
}

export type SpawnOptions = {
  /** The daemon's bundle, dist/daemon.js. */
  daemonPath: string;
  /** The daemon's environment; where its files are follows from it (paths.ts). */
  env: NodeJS.ProcessEnv;
  /** For all of it: to start, to take the lock, to answer. */
  timeoutMs?: number;
};

/** A connection that has answered. `started`: whether by the daemon started here, or by another that was faster. */
export type Spawned = { client: Client; started: boolean };

/** The daemon's last word before it logs to its file only. */
type Ready = { ready: true; pid: number } | { ready: false; message: string; exitCode: number };

/**
 * Resolves with a connection to a daemon that answers: the one started here or, when several start at once, the one
 * that won. Rejects with SpawnError; a daemon started here that did not answer in time is ended first.
 */
export async function spawnDaemon({ daemonPath, env, timeoutMs = 30_000 }: SpawnOptions): Promise<Spawned> {
  const begun = Date.now();
  let deadline = begun + timeoutMs;
  const paths = pathsFrom(env);
  const logFile = join(paths.log, 'sessiond.log');
  for (;;) {
    const ready = await launch(daemonPath, env, paths.log, logFile, deadline);
    if (ready.ready) {
      const client = await retryConnect(paths.socket, deadline);
      if (client) return { client, started: true };
      end(ready.pid);
      throw new SpawnError(`the daemon started and does not answer on ${paths.socket}`, logFile);
    }
    if (ready.exitCode !== lockedExitCode) throw new SpawnError(ready.message, logFile);
    deadline = Math.min(deadline, begun + lockedMs);
    const client = await retryConnect(paths.socket, Math.min(deadline, Date.now() + holderMs));
    if (client) return { client, started: false };
    // Too little time for another try would only hide why it failed.
    if (deadline - Date.now() < holderMs) throw new SpawnError(ready.message, logFile, true);
  }
}

/**
 * Connects, asks something and so proves that a daemon answers (P23). Rejects with Node's own error (ENOENT,
 * ECONNREFUSED, EACCES) when nobody listens, with NoAnswerError or TransportClosedError when what listens does not
 * answer, with RpcError when it refuses; the connection is closed then.
 */
export async function connectAnswering<T>(
  socketPath: string,
  timeoutMs: number,
  ask: (client: Client) => Promise<T>,
): Promise<{ client: Client; answer: T }> {
  const client = new Client(await connectSocket(socketPath));
  const ended = client.closed.then(
    () => Promise.reject(new TransportClosedError()),
    () => Promise.reject(new NoAnswerError(socketPath, 'is not sessiond')),
  );
  const timeout = new AbortController();
  const late = sleep(timeoutMs, undefined, { signal: timeout.signal }).then(() =>
    Promise.reject(new NoAnswerError(socketPath, `did not answer within ${timeoutMs} ms`)),
  );
  try {
    return { client, answer: await Promise.race([ask(client), ended, late]) };
  } catch (error) {
    client.close();
    throw error;
  } finally {
    timeout.abort();
  }
}

/** Tries until `deadline`, at least once; undefined when nobody answered by then. */
async function retryConnect(socketPath: string, deadline: number): Promise<Client | undefined> {
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 100)) {
    try {
      const ping = (client: Client) => client.call('ping', {});
      return (await connectAnswering(socketPath, Math.max(deadline - Date.now(), 1000), ping)).client;
    } catch (error) {
      if (!mayPass(error) || Date.now() + pauseMs >= deadline) return undefined;
    }
    await sleep(pauseMs);
  }
}

/** Whether another try may do better: a daemon that is just starting or just ending. */
function mayPass(error: unknown): boolean {
  if (error instanceof TransportClosedError) return true;
  if (error instanceof RpcError) return error.kind === 'ShuttingDown' || error.kind === 'Overloaded';
  return ['ENOENT', 'ECONNREFUSED', 'EAGAIN'].includes((error as NodeJS.ErrnoException).code ?? '');
}

async function launch(
  daemonPath: string,
  env: NodeJS.ProcessEnv,
  logFolder: string,
  logFile: string,
  deadline: number,
): Promise<Ready> {
  mkdirSync(logFolder, { recursive: true, mode: 0o700 });
  const log = openSync(logFile, 'a+', 0o600);
  try {
    const logStart = fstatSync(log).size;
    const child = spawn(process.execPath, [daemonPath, '--ready-fd', '3'], {
      // Not the caller's folder: a daemon must not keep that from being removed or unmounted.
      cwd: '/',
      env: absolute(env),
      detached: true,
      stdio: ['ignore', log, log, 'pipe'],
    });
    const word = await lastWord(child, deadline);
    child.unref();
    if (typeof word === 'object') return word;
    if (word === 'late' && child.pid !== undefined) end(child.pid);
    const why = word === 'late' ? 'was not ready in time' : 'ended before it was ready';
    return { ready: false, message: withLog(`the daemon ${why}`, log, logStart), exitCode: child.exitCode ?? 1 };
  } finally {
    closeSync(log);
  }
}

/** What the daemon said; `silent` when it ended without a word, `late` when the deadline came first. */
async function lastWord(child: ChildProcess, deadline: number): Promise<Ready | 'silent' | 'late'> {
  const timeout = new AbortController();
  const late = sleep(Math.max(deadline - Date.now(), 0), 'late' as const, { signal: timeout.signal });
  const failed = once(child, 'error').then(([error]) => Promise.reject(error as Error));
  const exited = once(child, 'exit', { signal: timeout.signal }).then(() => 'silent' as const);
  exited.catch(() => {}); // it need not be waited for
  const pipe = child.stdio[3] as Readable;
  try {
    // Not raced against the exit: the word of a daemon that is gone may still be in the pipe.
    const line = await Promise.race([firstLine(pipe), failed, late]);
    if (line === 'late') return line;
    return parseReady(line) ?? (await Promise.race([exited, failed, late]));
  } finally {
    timeout.abort();
    pipe.destroy();
  }
}

/** The first line of the pipe, or what there is when it ends. */
function firstLine(pipe: Readable): Promise<string> {
  return new Promise((done) => {
    let text = '';
    pipe.setEncoding('utf8');
    pipe.on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('\n')) done(text);
    });
    pipe.once('close', () => done(text));
    pipe.once('error', () => done(text));
  });
}

function parseReady(line: string): Ready | undefined {
  try {
    return JSON.parse(line) as Ready;
  } catch {
    return undefined; // it ended in the middle of a word, or without one
  }
}

/** The daemon runs in another folder, so paths that are relative to this one are made whole. */
function absolute(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const whole = { ...env };
  for (const name of ['SESSIOND_HOME', 'SESSIOND_SOCKET', 'CLAUDE_CONFIG_DIR']) {
    if (whole[name]) whole[name] = resolve(whole[name]);
  }
  return whole;
}

/** The message with the last lines that came into the log since `from`. */
function withLog(message: string, log: number, from: number): string {
  const size = fstatSync(log).size;
  const start = Math.max(from, size - 2000);
  const tail = Buffer.alloc(Math.max(size - start, 0));
  readSync(log, tail, 0, tail.length, start);
  const text = tail.toString('utf8').trim().split('\n').slice(-12).join('\n');
  return text === '' ? message : `${message}:\n${text}`;
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // it ended by itself
  }
}

// Starts the daemon in the background and returns once it has proved that it answers (P23). The daemon is its own
// session and process group, so that neither Ctrl-C nor the end of a terminal reaches it. It says that it is ready
// through a pipe; the pipe ends with the process, so that nothing is polled. What it writes before it can log goes to
// the log file.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../client.ts';
import { RpcError } from '../errors.ts';
import { TransportClosedError } from '../transport.ts';
import { connectAnswering } from './connect-answering.ts';
import type { Paths } from './paths.ts';
import { PathError, pathsFrom } from './paths.ts';
import { SpawnError } from './spawn-error.ts';

/** The daemon's exit code when another one holds the store. */
const lockedExitCode = 7;
/** How long the holder of the lock is tried before another daemon is: it may have been one that was just ending. */
const holderMs = 1000;
/** How long a lock that is held, by one who does not answer, is put up with in all. */
const lockedMs = 10_000;

export type SpawnOptions = {
  /** The daemon's bundle, dist/daemon.js. */
  daemonPath: string;
  /** The daemon's environment; where its files are follows from it (paths.ts). */
  env: NodeJS.ProcessEnv;
  /** Whether the daemon ends with this process, however that ends. */
  tied?: boolean;
  /** For all of it: to start, to take the lock, to answer. */
  timeoutMs?: number;
};

/** A connection that has answered. `started`: whether by the daemon started here, or by another that was faster. */
export type Spawned = { client: Client; started: boolean };

/** The daemon's last word before it logs to its file only. */
type Ready = { ready: true; pid: number } | { ready: false; message: string; exitCode: number };

/** The file that a daemon in the background logs to. */
export function logFileOf(paths: Paths): string {
  return join(paths.log, 'sessiond.log');
}

/**
 * Resolves with a connection to a daemon that answers: the one started here or, when several start at once, the one
 * that won. Rejects with SpawnError, or with PathError where its folder cannot be made; a daemon started here that did not answer in time is ended first.
 */
export async function spawnDaemon(options: SpawnOptions): Promise<Spawned> {
  const begun = Date.now();
  let deadline = begun + (options.timeoutMs ?? 30_000);
  const paths = pathsFrom(options.env);
  const logFile = logFileOf(paths);
  for (;;) {
    const word = await launch(options, logFile, deadline);
    if (word.ready) {
      const client = await retryConnect(paths.socket, deadline);
      if (client) return { client, started: true };
      end(word.pid);
      throw new SpawnError('failed', `the daemon started and does not answer on ${paths.socket}`, logFile);
    }
    if (word.exitCode !== lockedExitCode) throw new SpawnError('refused', word.message, logFile);
    deadline = Math.min(deadline, begun + lockedMs);
    const client = await retryConnect(paths.socket, Math.min(deadline, Date.now() + holderMs));
    if (client) return { client, started: false };
    // Too little time for another try would only hide why it failed.
    if (deadline - Date.now() < holderMs) throw new SpawnError('locked', word.message, logFile);
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

/** Starts the process and hears its word. Rejects with SpawnError when it had none by `deadline`; it is ended then. */
async function launch({ daemonPath, env, tied }: SpawnOptions, logFile: string, deadline: number): Promise<Ready> {
  makeFolder(dirname(logFile));
  const log = openSync(logFile, 'a+', 0o600);
  try {
    const logStart = fstatSync(log).size;
    const tie = tied ? ['--tied-fd', '4'] : [];
    const child = spawn(process.execPath, [daemonPath, '--ready-fd', '3', ...tie], {
      // Not the caller's folder: a daemon must not keep that from being removed or unmounted.
      cwd: '/',
      env: wholePaths(env),
      detached: true,
      stdio: ['ignore', log, log, 'pipe', ...(tied ? ['pipe' as const] : [])],
    });
    (child.stdio[4] as Socket | undefined)?.unref();
    const exited = once(child, 'exit'); // rejects when there could be no process
    exited.catch(() => {}); // it need not be waited for
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL'); // one that hangs hears nothing else; the store stands a crash
    }, deadline - Date.now());
    try {
      const word = await readWord(child.stdio[3] as Readable);
      if (word) return word;
      await exited;
    } finally {
      clearTimeout(timer);
      child.unref();
    }
    const why = late ? 'was not ready in time' : 'ended before it was ready';
    throw new SpawnError('failed', withLog(`the daemon ${why}`, log, logStart), logFile);
  } finally {
    closeSync(log);
  }
}

/** Makes the folder, and those above it one by one: below /proc Node's own recursive mkdir never ends. Throws PathError. */
export function makeFolder(path: string): void {
  const missing: string[] = [];
  for (let folder = path; !existsSync(folder); folder = dirname(folder)) missing.push(folder);
  for (const folder of missing.reverse()) {
    try {
      mkdirSync(folder, { mode: 0o700 });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') continue; // another process was faster
      throw new PathError(
        `the folder ${folder} cannot be made (${code}): set SESSIOND_HOME to a folder that can be made or is there`,
      );
    }
  }
}

/** The first line of the pipe; undefined when it ends in the middle of a word, or without one. */
async function readWord(pipe: Readable): Promise<Ready | undefined> {
  let text = '';
  try {
    for await (const chunk of pipe.setEncoding('utf8')) {
      text += chunk;
      if (text.includes('\n')) break;
    }
    return JSON.parse(text) as Ready;
  } catch {
    return undefined;
  }
}

/** The variables that paths.ts reads, beside HOME. */
export const pathVariables = [
  ...['SESSIOND_HOME', 'SESSIOND_SOCKET', 'XDG_DATA_HOME', 'XDG_STATE_HOME', 'XDG_CONFIG_HOME', 'XDG_RUNTIME_DIR'],
  ...['CLAUDE_CONFIG_DIR', 'CODEX_HOME', 'COPILOT_HOME', 'GEMINI_CLI_HOME', 'QWEN_HOME', 'QWEN_RUNTIME_DIR'],
  'PI_CODING_AGENT_DIR',
];

/** The environment for a daemon, which runs in another folder: paths that are relative to this one are made whole. */
export function wholePaths(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const whole = { ...env };
  for (const name of pathVariables) {
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

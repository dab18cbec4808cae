// Daemons for tests: the real process over the real socket, or a whole daemon in this process over pair().

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DaemonOptions } from '../../daemon/daemon.ts';
import { Daemon } from '../../daemon/daemon.ts';
import { systemRuntime } from '../../daemon/engine/runtime.ts';
import type { Delivery } from '../../protocol/client.ts';
import { Client } from '../../protocol/client.ts';
import type { Params } from '../../protocol/methods.ts';
import { connectSocket } from '../../protocol/node/socket.ts';
import type { Event } from '../../protocol/schema.ts';
import { pair } from '../../protocol/transport.ts';
import { crashBuild, dist } from './build.ts';
import { within } from './deadline.ts';
import type { Home } from './home.ts';
import { makeFolder, makeHome } from './home.ts';

const undosOfTest: (() => unknown)[] = [];
const undosOfFile: (() => unknown)[] = [];

/** Runs `undo` after the test, the last first; a failing test cleans up too. */
export function afterTest(undo: () => unknown): void {
  undosOfTest.push(undo);
}

/** Runs `undo` after the last test of the file. */
export function afterFile(undo: () => unknown): void {
  undosOfFile.push(undo);
}

/** For setup.ts. */
export const undoTest = () => undoAll(undosOfTest);
/** For setup.ts. */
export const undoFile = () => undoAll(undosOfFile);

async function undoAll(undos: (() => unknown)[]): Promise<void> {
  for (const undo of undos.splice(0).reverse()) await undo();
}

/** A folder that goes with the test. */
export function testFolder(): string {
  const folder = makeFolder();
  afterTest(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A home that goes with the test. */
export function testHome(): Home {
  const home = makeHome();
  afterTest(() => home.remove());
  return home;
}

export type Running = {
  pid: number;
  process: ChildProcess;
  stderr(): string;
  /** The exit code, or the name of the signal that ended it. */
  exit: Promise<number | string>;
  kill(signal?: NodeJS.Signals): Promise<number | string>;
};

/** `failpoint`: as armFailpoint takes it; `bundle`: another than the one that fits; `env`: beside the home's. */
export type DaemonProcessOptions = { failpoint?: string; bundle?: string; env?: NodeJS.ProcessEnv };

/** Starts a real daemon process; resolves when it answers. */
export async function startDaemon(home: Home, options: DaemonProcessOptions = {}): Promise<Running> {
  const running = spawnDaemonProcess(home, options);
  const ready = await within('the daemon to be ready', running.ready, () => running.stderr());
  if (!ready.ready) throw new Error(`the daemon did not start: ${JSON.stringify(ready)} ${running.stderr()}`);
  return running;
}

/** Starts a real daemon process; `ready` is what it tells, or why it does not run. */
export function spawnDaemonProcess(
  home: Home,
  options: DaemonProcessOptions = {},
): Running & { ready: Promise<{ ready: boolean; message?: string; exitCode?: number }> } {
  const { failpoint, bundle = join(failpoint ? crashBuild : dist, 'daemon.mjs') } = options;
  const env = { ...home.env, ...options.env, ...(failpoint ? { SESSIOND_FAILPOINT: failpoint } : {}) };
  const child = spawn(process.execPath, [bundle, '--ready-fd', '3'], {
    env,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const exit = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string);
  let told = '';
  const pipe = child.stdio[3] as NodeJS.ReadableStream;
  pipe.setEncoding('utf8');
  const ready = new Promise<{ ready: boolean }>((resolve) => {
    pipe.on('data', (text: string) => {
      told += text;
      if (told.includes('\n')) resolve(JSON.parse(told) as { ready: boolean });
    });
    void exit.then((code) => resolve({ ready: false, message: `exited with ${code}`, exitCode: code } as never));
  });
  const kill = async (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(signal);
    return within(`the daemon to end on ${signal}`, exit, () => stderr);
  };
  afterTest(async () => {
    if (child.exitCode === null && child.signalCode === null) await kill('SIGKILL');
  });
  return { pid: child.pid!, process: child, stderr: () => stderr, exit, kill, ready };
}

/** A client over the daemon's real socket. */
export async function connectTo(home: Home, name?: string): Promise<Client> {
  const client = new Client(await connectSocket(home.paths.socket));
  afterTest(() => client.close());
  if (name) await client.initialize(name, '0');
  return client;
}

/** A whole daemon in this process, without a socket: `connect` gives a client over an in-memory pair. */
export function daemonInProcess(home: Home, options: Partial<DaemonOptions> = {}) {
  const quiet = { info() {}, warn() {}, error: (fields: object, message: string) => console.error(message, fields) };
  const daemon = new Daemon({
    paths: home.paths,
    version: '0.0.0-test',
    runtime: systemRuntime(quiet),
    sources: [],
    searchWorker: join(dist, 'search-worker.mjs'),
    maskWorker: join(dist, 'mask-worker.mjs'),
    storeWorker: join(dist, 'store-worker.mjs'),
    checkpointWorker: join(dist, 'checkpoint-worker.mjs'),
    ...options,
  });
  afterTest(() => daemon.stop());
  const connect = (highWater?: number) => {
    const [ours, theirs] = pair(highWater);
    void daemon.serve(theirs);
    return new Client(ours);
  };
  return { daemon, connect };
}

/** Collects what a subscription delivers. */
export class Collector {
  readonly deliveries: Delivery[] = [];
  #waiting: (() => void)[] = [];

  readonly listen = (delivery: Delivery): void => {
    this.deliveries.push(delivery);
    for (const wake of this.#waiting.splice(0)) wake();
  };

  get events(): Event[] {
    return this.deliveries.flatMap((delivery) => (delivery.type === 'events/batch' ? delivery.params.events : []));
  }

  /** The cursor to resume from. */
  get cursor(): string | undefined {
    const last = this.deliveries.findLast((delivery) => 'cursor' in delivery.params && delivery.params.cursor);
    return last && 'cursor' in last.params ? last.params.cursor : undefined;
  }

  /** Resolves once `condition` holds. */
  async until(what: string, condition: (collector: this) => boolean, ms?: number): Promise<void> {
    const wait = async () => {
      while (!condition(this)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    };
    await within(what, wait(), () => this.deliveries.slice(-3), ms);
  }
}

/** Subscribes, and collects. */
export async function subscribe(client: Client, params: Params<'events/subscribe'> = {}) {
  const collector = new Collector();
  const started = await client.subscribe(params, collector.listen);
  return { started, collector };
}

// The daemon that is measured: the shipped bundle as a real process in a home of its own, over its real socket.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { sourceKindNames } from '../../daemon/source-kinds.ts';
import { Client } from '../../protocol/client.ts';
import { connectSocket } from '../../protocol/node/socket.ts';
import type { Setting } from './row.ts';

export type MeasuredDaemon = { pid: number; connect(): Promise<Client>; stop(): Promise<void> };

/** `reads`: Claude Code's transcripts, else none. `config`: more of config.toml. `env`: more of its environment. */
export type DaemonOptions = { reads?: boolean; config?: string; env?: NodeJS.ProcessEnv };

/** Resolves when it answers; rejects with what it told when it does not start. */
export async function startDaemon(setting: Setting, options: DaemonOptions = {}): Promise<MeasuredDaemon> {
  const { home, daemonPath, profileFolder } = setting;
  const { reads = false, config = '', env } = options;
  mkdirSync(dirname(home.paths.config), { recursive: true });
  const sources = sourceKindNames.map((kind) => `${kind} = ${reads && kind === 'claude-code'}\n`);
  writeFileSync(home.paths.config, `[sources]\n${sources.join('')}${config}`);
  const profile = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`];
  const child = spawn(process.execPath, [...profile, daemonPath, '--ready-fd', '3'], {
    env: { ...home.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  });
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  const exited = once(child, 'exit').then(() => process.off('exit', kill));
  const word = await firstLine(child.stdio[3] as Readable);
  if ((JSON.parse(word || '{}') as { ready?: boolean }).ready !== true) throw new Error(`no daemon: ${word}`);
  return {
    pid: child.pid!,
    connect: async () => new Client(await connectSocket(home.paths.socket)),
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

async function firstLine(pipe: Readable): Promise<string> {
  let told = '';
  for await (const chunk of pipe.setEncoding('utf8')) {
    told += chunk;
    if (told.includes('\n')) break;
  }
  return told;
}

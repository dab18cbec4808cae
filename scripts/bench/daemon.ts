// The daemon that is measured: the shipped bundle as a real process in a home of its own, no sources, over its real socket.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { Client } from '../../protocol/client.ts';
import { connectSocket } from '../../protocol/node/socket.ts';
import type { Setting } from './row.ts';

export type MeasuredDaemon = { connect(): Promise<Client>; stop(): Promise<void> };

/** Resolves when it answers; rejects with what it told when it does not start. */
export async function startDaemon({ home, daemonPath, profileFolder }: Setting): Promise<MeasuredDaemon> {
  mkdirSync(dirname(home.paths.config), { recursive: true });
  writeFileSync(home.paths.config, '[sources]\nclaude-code = false\n');
  const profile = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`];
  const child = spawn(process.execPath, [...profile, daemonPath, '--ready-fd', '3'], {
    env: home.env,
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  });
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  const exited = once(child, 'exit').then(() => process.off('exit', kill));
  const word = await firstLine(child.stdio[3] as Readable);
  if ((JSON.parse(word || '{}') as { ready?: boolean }).ready !== true) throw new Error(`no daemon: ${word}`);
  return {
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

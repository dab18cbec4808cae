// Runs the real command, dist/cli.js, in a home of its own. A daemon that a test left behind is ended by its pid, and
// every wait has a deadline (P37).
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, realpathSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Client } from '../../protocol/client.ts';
import { connectSocket } from '../../protocol/node/socket.ts';
import { dist, root } from '../support/build.ts';
import { afterTest } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';
import { makeHome } from '../support/home.ts';

/** The command that is tested. */
export const cli = join(dist, 'cli.js');
export const daemonBundle = join(dist, 'daemon.mjs');

export type Run = { code: number | string; stdout: string; stderr: string };

export type Running = {
  child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** How it ended, with all that it wrote. */
  ended: Promise<Run>;
  /** Resolves once what it wrote to stdout so far fits. */
  printed(pattern: RegExp): Promise<void>;
  /** The same of stderr. */
  told(pattern: RegExp): Promise<void>;
};

/** A home that goes with the test, and a daemon in it too. */
export function cliHome(): Home {
  const home = makeHome();
  afterTest(async () => {
    await endDaemon(home);
    home.remove();
  });
  return home;
}

/** Runs the command to its end. */
export function run(
  home: Home,
  args: string[],
  options: { env?: NodeJS.ProcessEnv; input?: string } = {},
): Promise<Run> {
  const running = start(home, args, options.env);
  // One that ends without reading it is judged by how it ended.
  running.child.stdin!.on('error', () => {}).end(options.input ?? '');
  return running.ended;
}

/** Starts the command; stdin stays open. */
export function start(home: Home, args: string[], env: NodeJS.ProcessEnv = {}): Running {
  const child = spawn(process.execPath, [cli, ...args], {
    env: { ...home.env, ...env },
    cwd: home.folder,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const texts = { stdout: '', stderr: '' };
  const waiting = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text;
      for (const wake of waiting) wake();
    });
  }
  const closed = once(child, 'close').then(([code, signal]): Run => ({ code: code ?? signal, ...texts }));
  const state = () => ({ args, ...texts });
  const ended = within(`${args.join(' ')} to end`, closed, state, 40_000);
  ended.catch(() => child.kill('SIGKILL'));
  afterTest(() => void (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')));
  const wrote = (name: keyof typeof texts) => (pattern: RegExp) => {
    const seen = new Promise<void>((resolve) => {
      const look = () => {
        if (!pattern.test(texts[name])) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
    return within(`${args.join(' ')} to write ${pattern} to ${name}`, seen, state);
  };
  const [printed, told] = [wrote('stdout'), wrote('stderr')];
  return { child, stdout: () => texts.stdout, stderr: () => texts.stderr, ended, printed, told };
}

/** The daemon's pid; undefined when none answers. */
export async function daemonPid(home: Home): Promise<number | undefined> {
  if (!existsSync(home.paths.socket)) return undefined;
  try {
    const client = new Client(await connectSocket(home.paths.socket));
    try {
      return (await within('the daemon to answer', client.call('daemon/status', {}))).pid;
    } finally {
      client.close();
    }
  } catch {
    return undefined;
  }
}

/** A client of the daemon that runs in this home. */
export async function clientOf(home: Home): Promise<Client> {
  const client = new Client(await connectSocket(home.paths.socket));
  afterTest(() => client.close());
  return client;
}

/** A session with one user message, and an assistant's with a tool call. */
export async function seedSession(home: Home, sessionId: string, title: string, parentId?: string): Promise<void> {
  const client = await clientOf(home);
  await client.call('session/create', {
    sessionId,
    title,
    agent: 'tester',
    directory: join(home.env.HOME!, 'src'),
    ...(parentId && { parentId }),
  });
  const message = async (name: string, role: 'user' | 'assistant') => {
    const { ids } = await client.call('message/put', {
      sessionId,
      messageId: `msg_${sessionId.slice(4)}${name}`,
      role,
    });
    return ids.messageId ?? `msg_${sessionId.slice(4)}${name}`;
  };
  const asked = await message('1', 'user');
  await client.call('part/put', { sessionId, messageId: asked, part: { type: 'text', text: 'why does it fail?' } });
  const answered = await message('2', 'assistant');
  const tool = { type: 'tool', callId: 'c1', tool: 'Bash', state: 'completed' } as const;
  const output = Array.from({ length: 30 }, (_, index) => `line ${index}`).join('\n');
  await client.call('part/put', { sessionId, messageId: answered, part: { type: 'reasoning', text: 'let me look' } });
  await client.call('part/put', {
    sessionId,
    messageId: answered,
    part: { ...tool, input: { command: 'npm test' }, output },
  });
  await client.call('part/put', {
    sessionId,
    messageId: answered,
    part: { type: 'data', kind: 'x/secret', value: { hidden: 'treasure' } },
  });
}

/** Ends what runs in this home by its pid, and returns when its connection is gone. */
export async function endDaemon(home: Home, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  const pid = await daemonPid(home);
  if (pid === undefined) return;
  const client = new Client(await connectSocket(home.paths.socket));
  process.kill(pid, signal);
  await within('the daemon to end', client.closed);
}

/** The path as a hint prints it: the program is not on the PATH of a test, and the test is not in the clone. */
export const shownProgram = `node ${join(realpathSync(root), relative(root, cli))}`;

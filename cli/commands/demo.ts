// demo: a bundled session, played live through a daemon of its own in a throwaway home. The user's own store, folders and
// daemon are never touched, and nothing is left behind, also after Ctrl-C or a closed pipe.
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Client, Delivery } from '../../protocol/client.ts';
import { agentFolders, pathsFrom } from '../../protocol/node/paths.ts';
import { SpawnError } from '../../protocol/node/spawn-error.ts';
import type { Connected } from '../connect.ts';
import { connect } from '../connect.ts';
import type { Context } from '../context.ts';
import { makeDemoFolder, removeLeftDemos } from '../demo/left.ts';
import { playDemo } from '../demo/play.ts';
import { DemoScreen } from '../demo/watch.ts';
import { CliError, failureOf } from '../exit.ts';
import { printSessions } from '../list.ts';
import { nextSteps } from '../next-steps.ts';
import { safeJson } from '../render/clean.ts';
import { onStopSignal } from '../signals.ts';
import { waitUntilStopped } from '../stopped.ts';

const stopTimeoutMs = 10_000;

export const withoutToken = 'it has a daemon of its own, which knows no token of yours';

export function configure(command: Command, context: Context): void {
  command
    .option('--fast', 'without pauses (into a pipe the default)')
    .addHelpText(
      'after',
      `\nNothing of it is kept, and your own store is not touched.\n\nExamples:\n  ${context.program} demo\n  ${context.program} demo --json | jq -r .type`,
    )
    .action(async (options: { fast?: boolean }) => {
      const stop = new AbortController();
      const undo = onStopSignal(() => stop.abort());
      await removeLeftDemos(tmpdir());
      const home = makeDemoFolder(tmpdir());
      try {
        await demo(throwaway(context, home), options.fast === true || !context.out.isTerminal, stop.signal);
      } catch (error) {
        // A daemon's log goes with the folder, so no hint may name it.
        if (error instanceof SpawnError) throw new CliError(failureOf(error, context.commandLine).code, error.message);
        if (!stop.signal.aborted) throw error;
      } finally {
        rmSync(home, { recursive: true, force: true });
        undo();
      }
      if (stop.signal.aborted) await context.err.afterSignal('the demo was ended; nothing of it is left');
    });
}

/** The context of a daemon whose every file is in `home`, and which reads no transcripts. */
function throwaway(context: Context, home: string): Context {
  const off = Object.keys(agentFolders(context.env)).map((kind) => `${kind} = false\n`);
  writeFileSync(join(home, 'config.toml'), `[sources]\n${off.join('')}`, { mode: 0o600 });
  const { SESSIOND_SOCKET: _, ...env } = context.env;
  return { ...context, env: { ...env, SESSIOND_HOME: home }, spawn: true, tied: true, token: undefined };
}

async function demo(context: Context, fast: boolean, signal: AbortSignal): Promise<void> {
  const agents = await connect(context);
  try {
    signal.throwIfAborted();
    const viewer = await connect(context);
    try {
      await show(context, agents.client, viewer.client, fast, signal);
    } finally {
      viewer.client.close();
    }
  } finally {
    await shutDown(context, agents);
  }
  if (context.json) return;
  const { program, out } = context;
  await out.lines([
    '',
    'That daemon is stopped and its folder deleted. To begin with your own sessions:',
    `  ${program} start`,
    '',
    'and then:',
    ...nextSteps(context.commandLine),
  ]);
}

async function show(
  context: Context,
  agents: Client,
  viewer: Client,
  fast: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { out, json } = context;
  if (!json) {
    await out.lines([
      out.style.dim(`A daemon of its own runs in ${context.env.SESSIOND_HOME}; your sessions are not touched.`),
      out.style.dim('Two agents write to it. This is what another program sees, subscribed over the same socket:'),
      '',
    ]);
  }
  const screen = new DemoScreen(out);
  let failed: unknown;
  const listener = async ({ type, params }: Delivery) => {
    if (type !== 'events/batch' || failed) return;
    try {
      await (json ? out.lines(params.events.map((event) => safeJson(event))) : screen.print(params.events));
    } catch (error) {
      failed = error; // the reader is gone: told where the script is played, on its next step
    }
  };
  const { subscription } = await viewer.subscribe({ from: 'start', snapshot: 'never' }, listener);
  await playDemo(agents, async (ms) => {
    if (failed) throw failed;
    signal.throwIfAborted();
    if (!fast) await sleep(ms, undefined, { signal });
  });
  await viewer.call('events/sync', { subscription });
  if (failed) throw failed;
  if (json) return;
  await out.lines(['', out.style.dim('The record now holds:')]);
  await printSessions(context, viewer, { limit: Number.POSITIVE_INFINITY });
}

async function shutDown(context: Context, { client, server }: Connected): Promise<void> {
  const { pid } = server.server;
  await client.call('daemon/shutdown', {}).catch(() => {}); // it may have ended already
  client.close();
  if (await waitUntilStopped(pid, pathsFrom(context.env).socket, stopTimeoutMs)) return;
  process.kill(pid, 'SIGKILL');
}

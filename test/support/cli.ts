// Runs the shipped CLI as a user does: a process of its own, in a home of its own.

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { dist } from './build.ts';
import { afterTest } from './daemon.ts';
import { within } from './deadline.ts';
import type { Home } from './home.ts';

export type CliResult = { code: number | string; stdout: string; stderr: string };

/** A CLI process that goes on, such as `tail`. */
export type CliProcess = {
  process: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** Resolves once `condition` holds for what it printed so far. */
  until(what: string, condition: (stdout: string) => boolean): Promise<void>;
  exit: Promise<CliResult>;
};

export function startCli(home: Home, args: string[], input?: string): CliProcess {
  const running = startProgram(home, [join(dist, 'cli.js'), ...args], { stdin: input !== undefined });
  if (input !== undefined) running.process.stdin!.end(input);
  return running;
}

/** Any program of Node's. `stdin`: whether the test writes to it. */
export function startProgram(home: Home, args: string[], { stdin = false } = {}): CliProcess {
  const child = spawn(process.execPath, args, {
    env: home.env,
    cwd: home.folder,
    stdio: [stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  let wake: () => void = () => {};
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    wake();
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const exit = once(child, 'close').then(([code, signal]) => ({ code: (code ?? signal) as number, stdout, stderr }));
  afterTest(() => void child.kill('SIGKILL'));
  const until = async (what: string, condition: (text: string) => boolean) => {
    const wait = async () => {
      while (!condition(stdout)) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    await within(what, wait(), () => ({ stdout, stderr }));
  };
  return { process: child, stdout: () => stdout, stderr: () => stderr, until, exit };
}

/** Runs a verb to its end. The daemon that it may have started is stopped after the test. */
export async function cli(home: Home, ...args: string[]): Promise<CliResult> {
  const running = startCli(home, args);
  return within(`sessiond ${args.join(' ')}`, running.exit, () => [running.stdout(), running.stderr()], 60_000);
}

/** Stops the home's daemon after the test, if one runs then. Called once for each test that lets the CLI start one. */
export function stopAfterTest(home: Home): void {
  afterTest(async () => {
    await cli(home, 'stop');
  });
}

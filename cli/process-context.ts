// What the process gives to a verb. Beside main.ts the only file here that reads it. What costs time to learn is learned when it is
// asked for: Node makes its streams, and the program's name is looked for on the PATH.
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { commandLine } from './command-line.ts';
import type { Context } from './context.ts';
import type { OutputStream } from './output.ts';
import { Output } from './output.ts';
import { programName } from './program-name.ts';

declare const __VERSION__: string;

/** `script`: the file that runs, dist/cli.js. `load`: of launch.ts. */
export function processContext(script: string, load: Context['load'], stdout: OutputStream = process.stdout): Context {
  let err: Output | undefined;
  let program: string | undefined;
  const context: Context = {
    version: __VERSION__,
    env: process.env,
    home: process.env.HOME || homedir(),
    daemonPath: join(dirname(script), 'daemon.mjs'),
    load,
    out: new Output(stdout, process.env),
    get err() {
      err ??= new Output(process.stderr, process.env);
      return err;
    },
    get input() {
      return process.stdin;
    },
    json: false,
    spawn: true,
    get program() {
      program ??= programName({ script, cwd: process.cwd(), env: process.env });
      return program;
    },
    commandLine: (words) => commandLine(context, words),
    now: Date.now,
  };
  return context;
}

// A terminal that is faked, and the context of a verb that runs on it in this process.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { commandLine } from '../../cli/command-line.ts';
import type { Context } from '../../cli/context.ts';
import { Output } from '../../cli/output.ts';
import { root } from '../support/build.ts';
import type { Home } from '../support/home.ts';
import { daemonBundle } from './run-cli.ts';

/** Of the daemon's bundle too: one of another version would be told of. */
export const { version: shippedVersion } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
};

export class Terminal extends Writable {
  readonly isTTY = true;
  columns = 80;
  text = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString('utf8');
    done();
  }
}

export function fakeTerminal(
  home: Home,
  changes: Partial<Context> = {},
): { context: Context; out: Terminal; err: Terminal } {
  const [out, err] = [new Terminal(), new Terminal()];
  const context: Context = {
    version: shippedVersion,
    env: { ...home.env, TERM: 'xterm' },
    home: home.env.HOME!,
    daemonPath: daemonBundle,
    load: (url) => import(url),
    out: new Output(out, { TERM: 'xterm' }),
    err: new Output(err, { TERM: 'xterm' }),
    input: process.stdin,
    json: false,
    spawn: false,
    program: 'sessiond',
    commandLine: (words) => commandLine(context, words),
    now: Date.now,
    ...changes,
  };
  return { context, out, err };
}

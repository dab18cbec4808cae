// Writes what V8 compiles of the command line for `ls` of some sessions beside its bundle (cli/launch.ts): so much of it as every
// verb needs, and what lists need.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** As cli/launch.ts does, and writes at the end of the process. */
const program = `
const { readFileSync, writeFileSync } = require('node:fs');
const { Script } = require('node:vm');
const [node, path, launcher, ...words] = process.argv;
const filename = require('node:path').basename(path);
const script = new Script(readFileSync(path, 'latin1'), { filename });
process.on('exit', () => writeFileSync(path + '.cache', script.createCachedData()));
process.argv = [node, launcher, ...words];
script.runInThisContext()(require, launcher, () => Promise.reject(new Error('ls imports nothing')));
`;

/** `bundle`: of the command line, with the daemon's beside it. */
export function writeCompileCache(bundle: string): void {
  const home = mkdtempSync(join(tmpdir(), 'sd-'));
  const launcher = join(dirname(bundle), 'cli.js');
  const env = { PATH: process.env.PATH, HOME: home, SESSIOND_HOME: join(home, 's'), NO_COLOR: '1' };
  const run = (...args: string[]) =>
    execFileSync(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    run(launcher, 'rpc', 'session/create', '{"title":"one","directory":"/tmp"}');
    run('-e', program, bundle, launcher, 'ls');
  } finally {
    run(launcher, 'stop');
    rmSync(home, { recursive: true, force: true });
  }
}

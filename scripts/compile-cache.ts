// Writes what V8 compiles of the command line for `ls` of some sessions beside its bundle (cli/launch.ts): so much of it as every
// verb needs, and what lists need.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** As cli/launch.ts does, and writes at the end of the process. */
const program = `
const { readFileSync, writeFileSync } = require('node:fs');
const { Script } = require('node:vm');
const [node, path, launcher, ...words] = process.argv;
const filename = require('node:path').basename(path);
const source = readFileSync(path, 'latin1');
const sum = source.slice(-16);
const script = new Script(source, { filename });
process.on('exit', () => writeFileSync(path + '.cache', Buffer.concat([script.createCachedData(), Buffer.from(sum)])));
process.argv = [node, launcher, ...words];
script.runInThisContext()(require, launcher, () => Promise.reject(new Error('ls imports nothing')));
`;

/** `bundle`: of the command line, with the daemon's beside it. It is given its own sum as its end, and so is the cache. */
export function writeCompileCache(bundle: string): void {
  const sum = createHash('sha256').update(readFileSync(bundle)).digest('hex').slice(0, 16);
  appendFileSync(bundle, `//${sum}`);
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

// Writes what V8 compiles of the command line's bundles for `ls` of some sessions beside them (cli/launch.ts): so much of them as every
// verb needs, and what lists need.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Each with what makes cli/launch.ts run it, and that what it runs. */
const runs = [
  { args: ['ls', '--no-spawn'], bundles: ['cli-main.js'] },
  { args: ['ls'], bundles: ['cli-ls.js', 'cli-ls-print.js'] },
];

/** As cli/launch.ts does, and writes at the end of the process. */
const program = `
const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { Script } = require('node:vm');
const [node, folder, first, ...words] = process.argv;
const launcher = join(folder, 'cli.js');
process.argv = [node, launcher, ...words];
const run = (filename) => {
  const path = join(folder, filename);
  const source = readFileSync(path, 'latin1');
  const sum = source.slice(-16);
  const script = new Script(source, { filename });
  process.on('exit', () => writeFileSync(path + '.cache', Buffer.concat([script.createCachedData(), Buffer.from(sum)])));
  return script.runInThisContext()(require, launcher, () => Promise.reject(new Error('ls imports nothing')), run);
};
run(first);
`;

/** `folder`: of the bundles, with the daemon's among them. Each is given its own sum as its end, and so is what is written beside it. */
export function writeCompileCache(folder: string): void {
  for (const bundle of runs.flatMap(({ bundles }) => bundles)) {
    const path = join(folder, bundle);
    const sum = createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16);
    appendFileSync(path, `//${sum}`);
  }
  const home = mkdtempSync(join(tmpdir(), 'sd-'));
  const launcher = join(folder, 'cli.js');
  const env = { PATH: process.env.PATH, HOME: home, SESSIOND_HOME: join(home, 's'), NO_COLOR: '1' };
  const run = (...args: string[]) =>
    execFileSync(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    run(launcher, 'start'); // until all transcripts are read: a list says so else, which is another one
    run(launcher, 'rpc', 'session/create', '{"title":"one","directory":"/tmp"}');
    for (const { args, bundles } of runs) {
      run('-e', program, folder, bundles[0]!, ...args);
      const missing = bundles.find((bundle) => !existsSync(join(folder, `${bundle}.cache`)));
      if (missing) throw new Error(`${args.join(' ')} does not run ${missing}`);
    }
  } finally {
    run(launcher, 'stop');
    rmSync(home, { recursive: true, force: true });
  }
}

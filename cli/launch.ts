// What `sessiond` runs. It loads the command line's bundle (main.ts), or for a list without options the two of that one (ask-ls.ts,
// print-ls.ts), with what V8 had compiled of them when they were built. V8 takes that only if it is the same V8, and else compiles all
// of it, as ever. Code that was compiled before has lost how it is to import, so that it is handed a function for that.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';

const load = (url: string) => import(url);
const [verb, ...options] = process.argv.slice(2);
if (verb === 'ls' && options.every((option) => option === '--all')) run('cli-ls.js');
else run('cli-main.js');

/**
 * Runs a bundle and returns what it exports. `filename` is what a stack calls it wherever it is installed: what was compiled has it in
 * itself.
 */
function run(filename: string): unknown {
  const path = join(__dirname, filename);
  const source = readFileSync(path, 'latin1');
  const script = new Script(source, { filename, cachedData: compiled(path, source) });
  return script.runInThisContext()(require, __filename, load, run);
}

/** V8 compares no more than the length of the source: both end with the sum of the bundle, so that they belong together. */
function compiled(path: string, source: string): Buffer | undefined {
  const sumLength = 16;
  try {
    const cache = readFileSync(`${path}.cache`);
    const sum = cache.toString('latin1', cache.length - sumLength);
    return source.endsWith(sum) && sum.length === sumLength ? cache.subarray(0, -sumLength) : undefined;
  } catch {
    return undefined;
  }
}

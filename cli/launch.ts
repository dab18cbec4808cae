// What `sessiond` runs. It loads the command line's bundle (main.ts) with what V8 had compiled of it when it was built, which is
// a quarter of the time that `ls` takes. V8 takes that only if it is the same V8, and else compiles all of it, as ever. Code that
// was compiled before has lost how it is to import, so that it is handed a function for that.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';

/** Of the bundle, and what a stack calls it wherever it is installed: what was compiled has it in itself. */
const filename = 'cli-main.js';
const path = join(__dirname, filename);

const load = (url: string) => import(url);
const source = readFileSync(path, 'latin1');

new Script(source, { filename, cachedData: compiled() }).runInThisContext()(require, __filename, load);

/** V8 compares no more than the length of the source: both end with the sum of the bundle, so that they belong together. */
function compiled(): Buffer | undefined {
  const sumLength = 16;
  try {
    const cache = readFileSync(`${path}.cache`);
    const sum = cache.toString('latin1', cache.length - sumLength);
    return source.endsWith(sum) && sum.length === sumLength ? cache.subarray(0, -sumLength) : undefined;
  } catch {
    return undefined;
  }
}

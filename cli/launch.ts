// What `sessiond` runs. It loads the command line's bundle (main.ts) with what V8 had compiled of it when it was built, which is
// a third of the time that `ls` takes. V8 takes that only if it is the same V8, and else compiles all of it, as ever. Code that
// was compiled before has lost how it is to import, so that it is handed a function for that.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';

/** Of the bundle, and what a stack calls it wherever it is installed: what was compiled has it in itself. */
const filename = 'cli-main.js';
const path = join(__dirname, filename);

const load = (url: string) => import(url);

new Script(readFileSync(path, 'latin1'), { filename, cachedData: compiled() }).runInThisContext()(
  require,
  __filename,
  load,
);

function compiled(): Buffer | undefined {
  try {
    return readFileSync(`${path}.cache`);
  } catch {
    return undefined;
  }
}

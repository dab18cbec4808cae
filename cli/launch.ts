// What `sessiond` runs. It loads the command line's bundle (main.ts) with what V8 had compiled of it when it was built, which is
// a third of the time that `ls` takes. V8 takes that only if it is the same V8, and else compiles all of it, as ever.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, Script } from 'node:vm';

/** Of the bundle, and what a stack calls it wherever it is installed: what was compiled has it in itself. */
const filename = 'cli-main.js';
const path = join(__dirname, filename);

new Script(readFileSync(path, 'latin1'), {
  filename,
  cachedData: compiled(),
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
}).runInThisContext()(require, __filename);

function compiled(): Buffer | undefined {
  try {
    return readFileSync(`${path}.cache`);
  } catch {
    return undefined;
  }
}

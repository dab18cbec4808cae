// How the program names itself in hints, so that a command it prints works as typed, here and now.
import { existsSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join, sep } from 'node:path';

export type Invocation = {
  /** The file that runs, dist/cli.js. */
  script: string;
  cwd: string;
  env: NodeJS.ProcessEnv;
};

/**
 * `sessiond` when that is on the PATH and is this program; `npx sessiond` when npx finds it from here (npx runs it now,
 * or the current folder is inside the clone); else the path of the script, which always works.
 */
export function programName({ script, cwd, env }: Invocation): string {
  const real = realPath(script) ?? script;
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '' && !isOfNpm(folder));
  const isThis = (path: string) => existsSync(path) && realPath(path) === real;
  if (folders.some((folder) => isThis(join(folder, 'sessiond')))) return 'sessiond';
  const clone = dirname(dirname(real));
  const here = realPath(cwd) ?? cwd;
  if (env.npm_command === 'exec' || here === clone || here.startsWith(clone + sep)) return 'npx sessiond';
  return `node ${/^[\w@%+=:,./-]+$/.test(real) ? real : `'${real.replaceAll("'", `'\\''`)}'`}`;
}

/** npm and npx put such folders on the PATH of what they run; the user's shell does not have them. */
function isOfNpm(folder: string): boolean {
  return folder.endsWith(join('node_modules', '.bin'));
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

// A throwaway home: SESSIOND_HOME, HOME and every XDG folder of a test lie in one short temp folder that goes with it.
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Paths } from '../../protocol/node/paths.ts';
import { pathsFrom } from '../../protocol/node/paths.ts';

export type Home = {
  folder: string;
  /** For child processes: nothing of the real home shines through. */
  env: NodeJS.ProcessEnv;
  paths: Paths;
  /** Where Claude Code's transcripts would be. */
  claude: string;
  remove(): void;
};

const memory = '/dev/shm';

/**
 * A folder to be removed by whoever made it. It lies in memory where that is large enough: no test takes the power away,
 * and what a killed process has written outlives it there too, while an fsync costs nothing.
 */
export function makeFolder(): string {
  // Short: a socket path may have 103 bytes.
  return mkdtempSync(join(freeBytes(memory) > 1e9 ? memory : tmpdir(), 'sd-'));
}

function freeBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return 0;
  }
}

/** `folder`: an empty one, for whom the disk matters. */
export function makeHome(folder = makeFolder()): Home {
  const home = join(folder, 'home');
  mkdirSync(home);
  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    HOME: home,
    SESSIOND_HOME: join(folder, 's'),
    LANG: 'C.UTF-8',
    TZ: 'UTC',
  };
  return {
    folder,
    env,
    paths: pathsFrom(env),
    claude: join(home, '.claude', 'projects'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

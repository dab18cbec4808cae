// A throwaway home: SESSIOND_HOME, HOME and every XDG folder of a test lie in one short temp folder that goes with it.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
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

export function makeHome(): Home {
  // Short: a socket path may have 103 bytes.
  const folder = mkdtempSync(join(tmpdir(), 'sd-'));
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

// What a service runs: this installation's daemon, by this very Node, where this environment has its files.
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import type { Paths } from '../../protocol/node/paths.ts';
import { pathsFrom } from '../../protocol/node/paths.ts';
import { logFileOf, pathVariables, wholePaths } from '../../protocol/node/spawn.ts';
import type { Context } from '../context.ts';

export type ServiceProgram = {
  version: string;
  /** Absolute, both: a service manager has no PATH of a shell. */
  node: string;
  bundle: string;
  /** What it gets beside what its manager gives to all: the variables that say where files are, as far as they are set. */
  env: [name: string, value: string][];
  paths: Paths;
  logFile: string;
  /** `/run/user/UID` where that is this environment's, as systemd's user manager has it. */
  runtimeFolder: string | undefined;
};

/** Throws PathError as pathsFrom does. */
export function serviceProgram({ env, version, daemonPath }: Context): ServiceProgram {
  const paths = pathsFrom(env);
  const { uid, homedir } = userInfo();
  const runtimeFolder = env.XDG_RUNTIME_DIR === `/run/user/${uid}` ? env.XDG_RUNTIME_DIR : undefined;
  const { NODE_EXTRA_CA_CERTS: certificates } = env;
  const whole = {
    ...wholePaths(env),
    ...(certificates && { NODE_EXTRA_CA_CERTS: resolve(certificates) }), // for hosts that sessions are shared through
    ...(runtimeFolder !== undefined && { XDG_RUNTIME_DIR: undefined }), // the manager's own
    ...(env.HOME === homedir && { HOME: undefined }),
  };
  const set = ['HOME', ...pathVariables, 'NODE_EXTRA_CA_CERTS'].flatMap((name): [string, string][] => {
    const value = whole[name as keyof typeof whole];
    return value ? [[name, value]] : [];
  });
  return {
    version,
    node: process.execPath,
    bundle: daemonPath,
    env: set,
    paths,
    logFile: logFileOf(paths),
    runtimeFolder,
  };
}

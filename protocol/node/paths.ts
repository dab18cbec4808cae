// Where a daemon's files are (PROTOCOL.md 1), for the daemon and for clients that look for it. One of the two places
// that read the environment; the other is daemon/main.ts.
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** Unix socket paths are cut at this length by the kernel's sockaddr_un; Node cuts longer ones silently. */
export const maxSocketPathBytes = 103;

export type Paths = {
  /** The folder of store.db, its lock and its backups. */
  data: string;
  log: string;
  config: string;
  socket: string;
};

/** A path that cannot be used; the message says what to set instead. */
export class PathError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PathError';
  }
}

/** All paths are absolute. Throws PathError for a socket path that is too long, naming the limit. */
export function pathsFrom(env: NodeJS.ProcessEnv, home: string = env.HOME || homedir()): Paths {
  const root = env.SESSIOND_HOME ? resolve(env.SESSIOND_HOME) : undefined;
  const under = (name: 'XDG_DATA_HOME' | 'XDG_STATE_HOME' | 'XDG_CONFIG_HOME', fallback: string) =>
    root ?? join(env[name] || join(home, fallback), 'sessiond');
  const state = under('XDG_STATE_HOME', '.local/state');
  const paths = {
    data: under('XDG_DATA_HOME', '.local/share'),
    log: join(state, 'log'),
    config: join(under('XDG_CONFIG_HOME', '.config'), 'config.toml'),
    socket: socketFrom(env, root, state),
  };
  const bytes = Buffer.byteLength(paths.socket);
  if (bytes > maxSocketPathBytes) {
    throw new PathError(
      `the socket path ${paths.socket} is ${bytes} bytes long and the limit is ${maxSocketPathBytes}: ` +
        'set SESSIOND_SOCKET to a shorter one',
    );
  }
  return paths;
}

/** The socket of this user's daemon, as the environment has it. Throws as pathsFrom does. */
export function defaultSocket(): string {
  return pathsFrom(process.env).socket;
}

function socketFrom(env: NodeJS.ProcessEnv, root: string | undefined, state: string): string {
  if (env.SESSIOND_SOCKET) return resolve(env.SESSIOND_SOCKET);
  if (root) return join(root, 'run', 'sessiond.sock');
  if (env.XDG_RUNTIME_DIR) return join(env.XDG_RUNTIME_DIR, 'sessiond', 'sessiond.sock');
  return join(state, 'run', 'sessiond.sock');
}

/** The folder that holds the socket; it must be the user's own, mode 0700. */
export function socketFolder(paths: Paths): string {
  return dirname(paths.socket);
}

/** Where each agent writes its sessions, by the kind of the source; its own variables move the folder. */
export function agentFolders(env: NodeJS.ProcessEnv, home: string = env.HOME || homedir()) {
  const folder = (variable: string | undefined, fallback: string) =>
    variable ? resolve(variable) : join(home, fallback);
  return {
    'claude-code': join(folder(env.CLAUDE_CONFIG_DIR, '.claude'), 'projects'),
    codex: folder(env.CODEX_HOME, '.codex'),
    opencode: join(folder(env.XDG_DATA_HOME, '.local/share'), 'opencode'),
    gemini: join(folder(env.GEMINI_CLI_HOME, ''), '.gemini'),
    copilot: folder(env.COPILOT_HOME, '.copilot'),
    qwen: folder(env.QWEN_RUNTIME_DIR || env.QWEN_HOME, '.qwen'),
    pi: folder(env.PI_CODING_AGENT_DIR, '.pi/agent'),
  };
}

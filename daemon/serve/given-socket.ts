// The socket that a service manager listens on and hands over as file descriptor 3 (sd_listen_fds(3)): whether there is
// one, and whether it is the very one that clients look for. Only systemd does this, so only Linux is looked at.
import { chmodSync, fstatSync, readFileSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import type { Listening } from './listen.ts';
import { answers, checkFolder, ListenError, listen, listening } from './listen.ts';

const firstFd = 3;
/** What a start again does not mend: the daemon's exit code for wrong usage, with which a unit is not restarted. */
const misconfigured = 2;

/**
 * The descriptor that was handed over to the process `pid`; undefined when none was, or to another process. The variables
 * that tell it are taken out of `env`, so that no child believes it is meant. Throws ListenError for more than one.
 */
export function takeGivenSocket(env: NodeJS.ProcessEnv, pid: number): number | undefined {
  const { LISTEN_PID, LISTEN_FDS = '0' } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  if (LISTEN_PID !== String(pid) || LISTEN_FDS === '0') return undefined;
  if (LISTEN_FDS === '1') return firstFd;
  const message = `sessiond listens on one socket, and LISTEN_FDS hands over ${LISTEN_FDS}: leave one ListenStream= in its socket unit`;
  throw new ListenError(message, misconfigured);
}

/**
 * Accepts on `path`: where a socket was handed over as `fd`, on that one, whose file is the manager's and outlives the daemon. Rejects
 * with ListenError when it is not that of `path`, and as `listen` does.
 */
export async function listenOn(
  fd: number | undefined,
  path: string,
  onSocket: (socket: Socket) => void,
): Promise<Listening> {
  if (fd === undefined) return listen(path, onSocket);
  checkFolder(dirname(path));
  checkSocket(fd, path);
  const server = createServer({ allowHalfOpen: true }, onSocket);
  await listening(server, { fd }, `the socket of ${path}`);
  // Removed or bound anew by somebody else, the path leads no client to this socket any more.
  if (!(await answers(path))) {
    server.close();
    throw new ListenError(
      `nobody gets to the socket that was handed over through ${path}: systemctl --user restart sessiond.socket`,
      misconfigured,
    );
  }
  chmodSync(path, 0o600);
  return { isGiven: true, renew: async () => false, close: () => void server.close() };
}

/** Throws ListenError unless `fd` is a Unix stream socket that listens on `path`. */
function checkSocket(fd: number, path: string): void {
  const found = unixSocketOf(fd);
  if (!found) throw new ListenError(`what was handed over as fd ${fd} is no Unix socket`, misconfigured);
  if (!found.isStream || !found.isListening) {
    throw new ListenError(`what was handed over as fd ${fd} is no stream socket that listens`, misconfigured);
  }
  if (found.path !== path && !isSameFile(found.path, path)) {
    throw new ListenError(
      `the socket that was handed over listens on ${found.path || 'no path'}, and clients look for ${path}: ` +
        'set the same SESSIOND_SOCKET or SESSIOND_HOME for both',
      misconfigured,
    );
  }
}

/** As the kernel tells it: Node has no getsockname for Unix sockets. */
function unixSocketOf(fd: number): { path: string; isStream: boolean; isListening: boolean } | undefined {
  const acceptsConnections = 0x10000;
  try {
    const inode = String(fstatSync(fd).ino);
    for (const line of readFileSync('/proc/net/unix', 'utf8').split('\n')) {
      // Num: RefCount Protocol Flags Type St Inode Path, where the path may hold spaces, or not be there.
      const [, flags, type, found, path = ''] = /^\S+ \S+ \S+ (\S+) (\S+) \S+ +(\d+)(?: (.*))?$/.exec(line) ?? [];
      if (found !== inode) continue;
      const isListening = (Number.parseInt(flags!, 16) & acceptsConnections) !== 0;
      return { path, isStream: type === '0001', isListening };
    }
  } catch {
    // no such descriptor, or a system that does not tell: none that can be taken
  }
  return undefined;
}

function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false }));
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev;
}

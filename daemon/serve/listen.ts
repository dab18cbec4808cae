// The socket file: whose it is, live or stale, modes, accept (PROTOCOL.md 1). The caller holds the store's lock: only
// then may a stale socket be replaced (P31).
import { chmodSync, lstatSync, mkdirSync, renameSync, statSync, unlinkSync } from 'node:fs';
import type { ListenOptions, Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { dirname } from 'node:path';

/** A refusal to listen. `exitCode` is the daemon's. */
export class ListenError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode = 1) {
    super(message);
    this.name = 'ListenError';
    this.exitCode = exitCode;
  }
}

export type Listening = {
  /** Whether somebody else made the socket and holds it too: who connects once it is closed waits for the next daemon. */
  isGiven: boolean;
  /**
   * Listens anew where somebody has removed the socket's file, as those do who clean up folders; whoever is connected stays so.
   * Resolves with whether it did. Rejects with ListenError as `listen` does, and may be called again then.
   */
  renew(): Promise<boolean>;
  /** Stops accepting; removes the socket file if it is still this listener's, and was not given. Idempotent. */
  close(): void;
};

/** Listens on `path`. Rejects with ListenError when the folder or what lies there is not as it must be. */
export async function listen(path: string, onSocket: (socket: Socket) => void): Promise<Listening> {
  let bound = await bind(path, onSocket);
  let isClosed = false;
  return {
    isGiven: false,
    async renew() {
      if (isClosed || bound.isThere()) return false;
      bound.close();
      const anew = await bind(path, onSocket);
      if (isClosed) anew.close();
      bound = anew;
      return true;
    },
    close() {
      isClosed = true;
      bound.close();
    },
  };
}

async function bind(path: string, onSocket: (socket: Socket) => void): Promise<{ isThere(): boolean; close(): void }> {
  checkFolder(dirname(path));
  await clearPath(path);
  // Bound under another name and renamed into place: clients see the old socket or the new one and never none, and what
  // Node unlinks when the server closes is that other name, not a successor's socket.
  const bound = `${path}.new`;
  removeIfThere(bound);
  const server = createServer({ allowHalfOpen: true }, onSocket);
  await listening(server, { path: bound }, bound);
  chmodSync(bound, 0o600);
  const { ino } = lstatSync(bound);
  renameSync(bound, path);
  const isThere = () => inodeOf(path) === ino;
  return {
    isThere,
    close() {
      if (isThere()) unlinkSync(path);
      server.close();
    },
  };
}

/** Throws ListenError unless the folder, which is made where it is not there, is the user's alone. */
export function checkFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = statSync(folder);
  const own = process.getuid?.() ?? uid;
  if (uid !== own) {
    throw new ListenError(
      `the socket folder ${folder} belongs to user ${uid}, not to you (${own}): remove it or set SESSIOND_SOCKET`,
    );
  }
  if ((mode & 0o777) !== 0o700) {
    const octal = (mode & 0o777).toString(8).padStart(4, '0');
    throw new ListenError(`the socket folder ${folder} has mode ${octal} and must have 0700: chmod 700 ${folder}`);
  }
}

async function clearPath(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) throw new ListenError(`${path} is there and is no socket: move it away`);
  if (await answers(path)) {
    throw new ListenError(`another daemon answers on ${path}: stop it, or set SESSIOND_SOCKET to another path`, 7);
  }
  removeIfThere(path);
}

/** Whether somebody accepts connections there. */
export function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // EAGAIN: so many wait there that no more fit.
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EAGAIN'));
  });
}

/** `place`: for the ListenError that it rejects with. */
export function listening(server: Server, where: ListenOptions & { fd?: number }, place: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new ListenError(`cannot listen on ${place}: ${error.message}`)));
    server.listen(where, resolve);
  });
}

function inodeOf(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.ino;
}

function removeIfThere(path: string): void {
  if (inodeOf(path) !== undefined) unlinkSync(path);
}

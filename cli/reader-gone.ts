// Learns that the reader of a pipe is gone while nothing is written to it, as in `tail | head -1` on a quiet day. Only the
// kernel knows, and tells who polls the pipe for errors. Node polls a pipe's writing end only while a write is pending, but
// a handle of the TCP kind for as long as it is read, whatever it holds; there is no public way to make one for a pipe.
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { Socket } from 'node:net';

type Handle = { open(fd: number): number };
type TcpBinding = { TCP: new (kind: number) => Handle; constants: { SOCKET: number } };

/**
 * Calls `gone` once, when nobody can read any more what is written to the pipe `fd`. Where that cannot be learned (no
 * pipe, another system, a Node without that binding) it never comes, and the next write tells instead. Keeps no process.
 */
export function watchReader(fd: number, gone: () => void): void {
  if (process.platform !== 'linux') return;
  let own: number | undefined;
  try {
    if (!fstatSync(fd).isFIFO()) return;
    // Opened anew: polling needs a mode that must not reach the writes of `fd`, nor of other programs on the same pipe.
    own = openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
    const { TCP, constants: kinds } = (process as unknown as Bound).binding('tcp_wrap');
    const handle = new TCP(kinds.SOCKET);
    if (handle.open(own) !== 0) throw new Error('not a file that can be polled');
    const socket = new Socket({ handle, readable: true, writable: false } as object);
    socket.on('error', () => {}); // EBADF: what woke it was no data; 'close' follows
    socket.on('close', gone).resume().unref();
  } catch (error) {
    if (own !== undefined) closeSync(own);
    else if ((error as NodeJS.ErrnoException).code === 'ENXIO') setImmediate(gone); // a named pipe without a reader
  }
}

type Bound = { binding(name: 'tcp_wrap'): TcpBinding };

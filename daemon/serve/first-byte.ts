// What a connection to the Unix socket speaks is told by its first byte that is not blank (PROTOCOL.md 1). It is looked at, and
// left for whoever serves it.
import type { Socket } from 'node:net';

const blanks = new Set([9, 10, 13, 32]);

/** Resolves with that byte, the socket paused before it; with undefined when the peer went before, or `late` came. */
export function firstByte(socket: Socket, late?: Promise<void>): Promise<number | undefined> {
  return new Promise((resolve) => {
    const settle = (byte: number | undefined) => {
      socket.off('data', look).off('end', gone).off('close', gone).off('error', gone);
      resolve(byte);
    };
    const gone = () => settle(undefined);
    const look = (chunk: Buffer) => {
      const at = chunk.findIndex((byte) => !blanks.has(byte));
      if (at < 0) return;
      // Paused until it is handed on: what is put back would else go to nobody.
      socket.pause();
      socket.unshift(chunk.subarray(at));
      settle(chunk[at]);
    };
    void late?.then(gone);
    socket.on('data', look).on('end', gone).on('close', gone).on('error', gone);
  });
}

/** Whether HTTP begins with it: with the upper-case name of a method. `C` begins a Content-Length. */
export function beginsHttp(byte: number): boolean {
  return byte >= 65 && byte <= 90 && byte !== 67;
}

// Between clients and a daemon's socket: passes bytes on and cuts each connection after some of them, wherever that is.
import { rmSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { afterTest } from './daemon.ts';

export class CuttingProxy {
  cuts = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  /** Listens on `path`. `nextBytes`: how many bytes of the daemon's a connection lets pass; asked for each. */
  constructor(path: string, target: string, nextBytes: () => number) {
    this.#server = createServer((from) => this.#link(from, connect(target), nextBytes())).listen(path);
    afterTest(() => {
      this.close();
      rmSync(path, { force: true });
    });
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #link(from: Socket, to: Socket, bytes: number): void {
    let left = bytes;
    const end = () => {
      from.destroy();
      to.destroy();
    };
    for (const socket of [from, to]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    from.on('data', (chunk) => void to.write(chunk));
    to.on('data', (chunk: Buffer) => {
      if (chunk.length <= left) {
        left -= chunk.length;
        from.write(chunk);
        return;
      }
      this.cuts += 1;
      from.write(chunk.subarray(0, left), end);
    });
  }
}

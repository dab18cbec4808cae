// Between clients and a daemon's socket: passes bytes on and cuts each connection after some of them, wherever that is.
import { renameSync, rmSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { afterTest } from './daemon.ts';

export class CuttingProxy {
  cuts = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  readonly #path: string;
  readonly #isPlace: (next: number) => boolean;

  /**
   * Listens on `path`. `nextBytes`: how many bytes of the daemon's a connection lets pass; asked for each. It is cut behind
   * them, at the first byte that is a place to cut before.
   */
  constructor(path: string, target: string, nextBytes: () => number, isPlace: (next: number) => boolean = () => true) {
    this.#path = path;
    this.#isPlace = isPlace;
    this.#server = createServer((from) => this.#link(from, connect(target), nextBytes())).listen(path);
    afterTest(() => {
      this.close();
      for (const left of [path, this.#hidden]) rmSync(left, { force: true });
    });
  }

  /** Takes its path away, and ends what is connected: who comes again finds nothing there. */
  hide(): void {
    renameSync(this.#path, this.#hidden);
    this.#endAll();
  }

  /** Puts its path back, in the place of whatever is there. */
  show(): void {
    renameSync(this.#hidden, this.#path);
  }

  close(): void {
    this.#server.close();
    this.#endAll();
  }

  get #hidden(): string {
    return `${this.#path}.hidden`;
  }

  #endAll(): void {
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
    const pass = (chunk: Buffer) => {
      const place = chunk.length <= left ? -1 : chunk.findIndex((byte, index) => index >= left && this.#isPlace(byte));
      left = Math.max(0, left - chunk.length);
      if (place < 0) {
        from.write(chunk);
        return;
      }
      this.cuts += 1;
      // What the daemon sends until the client has read up to the cut is behind it.
      to.off('data', pass);
      from.write(chunk.subarray(0, place), end);
    };
    to.on('data', pass);
  }
}

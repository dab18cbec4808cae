// The network between a page and a daemon, which a test cuts or stalls. Chromium's own emulation of being offline leaves an
// EventSource that is open alone, and holds back the frames of a WebSocket without ending it (Chromium 150).
import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { afterTest } from '../support/daemon.ts';
import { freePort } from './stage.ts';

export class Relay {
  readonly port: number;
  readonly #target: number;
  readonly #links = new Map<Socket, Socket>();
  #server!: Server;
  /** While it refuses: until the last connection is gone. */
  #closed: Promise<unknown> | undefined;

  private constructor(port: number, target: number) {
    this.port = port;
    this.#target = target;
  }

  /** Listens on a port of its own and passes all on to `target`. */
  static async open(target: number): Promise<Relay> {
    const relay = new Relay(await freePort(), target);
    await relay.mend();
    afterTest(() => relay.cut());
    return relay;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** New connections are refused; those that are open stay. */
  refuse(): void {
    this.#closed ??= once(this.#server, 'close');
    this.#server.close();
  }

  /** Nothing comes through any more: those that are open end, too. */
  async cut(): Promise<void> {
    this.refuse();
    for (const page of this.#links.keys()) page.destroy();
    await this.#closed;
  }

  /** Connections are taken again, once the last of before is gone. */
  async mend(): Promise<void> {
    await this.#closed;
    this.#closed = undefined;
    this.#server = createServer((page) => this.#link(page)).listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** What the daemon sends is read no more; nobody is told. */
  stall(): void {
    for (const [page, daemon] of this.#links) {
      daemon.unpipe(page);
      daemon.pause();
    }
  }

  flow(): void {
    for (const [page, daemon] of this.#links) daemon.pipe(page);
  }

  #link(page: Socket): void {
    const daemon = connect(this.#target, '127.0.0.1');
    this.#links.set(page, daemon);
    page
      .on('error', () => {})
      .on('close', () => {
        this.#links.delete(page);
        daemon.destroy();
      });
    daemon.on('error', () => {}).on('close', () => page.destroy());
    page.pipe(daemon);
    daemon.pipe(page);
  }
}

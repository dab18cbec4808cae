// A subscriber that does as little as one can: it counts the events that come and parses none, so that a row measures the
// daemon and not its reader.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';

const mark = Buffer.from('"seq":');

export class RawReader {
  readonly socket: Socket;
  #events = 0;
  #rest = Buffer.alloc(0);
  #wanted = Number.POSITIVE_INFINITY;
  #reached: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#count(chunk));
  }

  /** Subscribes by a line, or by a request for Server-Sent Events; resolves when the daemon has answered. */
  static async subscribe(path: string, from: 'now' | 'start', over: 'line' | 'sse' = 'line'): Promise<RawReader> {
    const socket = connect(path);
    await once(socket, 'connect');
    const request = { jsonrpc: '2.0', id: 1, method: 'events/subscribe', params: { from } };
    const line = `${JSON.stringify(request)}\n`;
    socket.write(over === 'line' ? line : `GET /events?from=${from} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    const reader = new RawReader(socket);
    await once(socket, 'data');
    return reader;
  }

  get events(): number {
    return this.#events;
  }

  /** Resolves when `count` events have come in all. */
  until(count: number): Promise<void> {
    if (this.#events >= count) return Promise.resolve();
    this.#wanted = count;
    return new Promise((resolve) => {
      this.#reached = resolve;
    });
  }

  close(): void {
    this.socket.destroy();
  }

  #count(chunk: Buffer): void {
    // A mark may be cut in two.
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + mark.length)) this.#events += 1;
    const tail = bytes.subarray(-(mark.length - 1));
    this.#rest = Buffer.from(tail);
    if (this.#events >= this.#wanted) this.#reached();
  }
}

// A WebSocket as a transport: one JSON-RPC message a text frame (PROTOCOL.md 10).
import type { WebSocket } from 'ws';
import type { Frame } from '../../../protocol/framing.ts';
import type { Transport } from '../../../protocol/transport.ts';
import { FrameQueue, TransportClosedError } from '../../../protocol/transport.ts';
import type { Runtime } from '../../engine/runtime.ts';

/** What may wait unread before nothing more is read. */
const maxQueuedFrames = 256;
const maxQueuedUnits = 1024 * 1024;
/** Bytes that may wait to be sent before `send` stops resolving. */
const highWater = 64 * 1024;
const lingerMs = 2_000;

export class WebSocketTransport implements Transport {
  readonly #socket: WebSocket;
  readonly #runtime: Pick<Runtime, 'sleep'>;
  readonly #over = new AbortController();
  readonly #inbox = new FrameQueue();
  /** Rounds of pings that nothing came behind. */
  #unheard = 0;

  constructor(socket: WebSocket, runtime: Pick<Runtime, 'sleep'>) {
    this.#socket = socket;
    this.#runtime = runtime;
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#take(data, isBinary));
    socket.on('pong', () => this.#heard());
    socket.on('close', () => {
      this.#inbox.end();
      this.#over.abort();
    });
    // Not WebSocket, or too long a message: ws closes with the code that says so, and 'close' follows.
    socket.on('error', () => {});
  }

  get isClosed(): boolean {
    return this.#socket.readyState !== this.#socket.OPEN;
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(text: string): Promise<void> {
    if (this.isClosed) return Promise.reject(new TransportClosedError());
    return new Promise((resolve, reject) => {
      this.#socket.send(text, (error) => (error ? reject(new TransportClosedError()) : resolve()));
      if (this.#socket.bufferedAmount < highWater) resolve();
    });
  }

  async receive(): Promise<Frame | undefined> {
    const frame = await this.#inbox.shift();
    const { length, units } = this.#inbox;
    if (this.#socket.isPaused && length < maxQueuedFrames / 2 && units < maxQueuedUnits / 2) this.#socket.resume();
    return frame;
  }

  close(): void {
    this.#inbox.end();
    if (this.#socket.readyState >= this.#socket.CLOSING) return;
    // 1001: going away. What was sent is still delivered; who does not read it must not keep the socket.
    this.#socket.close(1001);
    this.#runtime.sleep(lingerMs, this.#over.signal).then(
      () => this.#socket.terminate(),
      () => {},
    );
  }

  /** Asks the other end for a sign of life, or ends it where it gave none for `rounds` times. */
  ping(rounds: number): void {
    // While nothing is read of it, no sign of it can come.
    if (this.isClosed || this.#socket.isPaused) return;
    this.#unheard += 1;
    if (this.#unheard > rounds) this.#socket.terminate();
    else this.#socket.ping();
  }

  #take(data: Buffer, isBinary: boolean): void {
    this.#heard();
    // ws has seen to it that text is UTF-8.
    this.#inbox.push(isBinary ? { kind: 'malformed' } : { kind: 'text', text: data.toString('utf8') });
    if (this.#inbox.length >= maxQueuedFrames || this.#inbox.units >= maxQueuedUnits) this.#socket.pause();
  }

  #heard(): void {
    this.#unheard = 0;
  }
}

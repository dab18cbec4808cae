// A WebSocket as a client's transport: a browser's own, or that of Node's `ws`. One JSON-RPC message a text frame.
import type { Frame } from './framing.ts';
import type { Transport } from './transport.ts';
import { FrameQueue, TransportClosedError } from './transport.ts';

type Listen = {
  (type: 'open' | 'close', listener: () => void): void;
  (type: 'error', listener: (event: { message?: string }) => void): void;
  (type: 'message', listener: (event: { data: unknown }) => void): void;
};
/** What is used of a WebSocket. `pause`, `resume` and `terminate` only `ws` has. */
export type WebSocketLike = {
  readonly readyState: number;
  readonly bufferedAmount: number;
  addEventListener: Listen;
  send(text: string): void;
  close(code?: number): void;
  pause?(): void;
  resume?(): void;
  terminate?(): void;
};
export type WebSocketConstructor = new (url: string) => WebSocketLike;

const [connecting, open] = [0, 1];
/** Frames that may wait unread before a socket that can be paused is. */
const maxQueuedFrames = 256;
const maxQueuedUnits = 1024 * 1024;
/** How long a peer that does not answer a close is put up with, where it can be ended. */
const lingerMs = 2_000;

/**
 * Connects. Rejects when there is no connection, with TransportClosedError where it is not told why, as in browsers, and with
 * the signal's reason when that fires before; nothing is left open then.
 */
export function openWebSocket(url: string, WebSocket: WebSocketConstructor, signal: AbortSignal): Promise<Transport> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = new WebSocket(url);
    const end = new WebSocketEnd(socket);
    const abort = () => {
      end.close();
      reject(signal.reason);
    };
    const settled = () => signal.removeEventListener('abort', abort);
    signal.addEventListener('abort', abort, { once: true });
    socket.addEventListener('open', () => {
      settled();
      resolve(end);
    });
    socket.addEventListener('error', ({ message }) =>
      reject(message ? new Error(message) : new TransportClosedError()),
    );
    socket.addEventListener('close', () => {
      settled();
      reject(new TransportClosedError());
    });
  });
}

/**
 * A browser's WebSocket can neither be paused nor tells when it has drained: there, `send` resolves at once, and what comes
 * faster than it is received waits in memory.
 */
class WebSocketEnd implements Transport {
  readonly #socket: WebSocketLike;
  readonly #inbox = new FrameQueue();
  #isPaused = false;

  constructor(socket: WebSocketLike) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => this.#take(data));
    socket.addEventListener('close', () => this.#inbox.end());
    // 'close' follows; without a listener, Node would end the process.
    socket.addEventListener('error', () => {});
  }

  get isClosed(): boolean {
    return this.#socket.readyState !== open;
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  async send(text: string): Promise<void> {
    if (this.isClosed) throw new TransportClosedError();
    this.#socket.send(text);
  }

  async receive(): Promise<Frame | undefined> {
    const frame = await this.#inbox.shift();
    const { length, units } = this.#inbox;
    if (this.#isPaused && length < maxQueuedFrames / 2 && units < maxQueuedUnits / 2) {
      this.#isPaused = false;
      this.#socket.resume?.();
    }
    return frame;
  }

  close(): void {
    this.#inbox.end();
    const socket = this.#socket;
    if (socket.readyState > open) return;
    if (socket.readyState === connecting && socket.terminate) {
      socket.terminate();
      return;
    }
    socket.close(1000);
    if (!socket.terminate) return;
    // Paused, it would never read the other end's answer.
    if (this.#isPaused) socket.resume?.();
    const cut = setTimeout(() => socket.terminate?.(), lingerMs);
    (cut as { unref?(): void }).unref?.();
    socket.addEventListener('close', () => clearTimeout(cut));
  }

  #take(data: unknown): void {
    this.#inbox.push(typeof data === 'string' ? { kind: 'text', text: data } : { kind: 'malformed' });
    if (this.#inbox.length < maxQueuedFrames && this.#inbox.units < maxQueuedUnits) return;
    this.#isPaused = true;
    this.#socket.pause?.();
  }
}

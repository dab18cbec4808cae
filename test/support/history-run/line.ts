// A raw end of a connection for readers that may be slow: everything is handed on in the order it came, replies among
// notifications, and the socket can be left unread.
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { encodeFrame, FrameDecoder } from '../../../protocol/framing.ts';
import { within } from '../deadline.ts';
import type { Message, WireDialect } from '../wire.ts';
import type { WireFailure } from './history.ts';

// biome-ignore lint/suspicious/noExplicitAny: what a stranger sends is looked into without types
export type Reply = { result: any; error?: undefined } | { result?: undefined; error: WireFailure };

/** Of what is no reply. `bytes`: of the message's text. */
export type OnMessage = (message: Message, bytes: number) => void;

export class Line {
  isClosed = false;
  readonly #socket: Socket;
  readonly #dialect: WireDialect;
  readonly #pending = new Map<number, (reply: Reply | undefined) => void>();
  readonly #onMessage: OnMessage;
  readonly #onClosed: () => void;
  /** Waits between two reads of the socket; a fast reader has none. */
  #pause: (() => Promise<void>) | undefined;
  #isStalled = false;
  #lastId = 0;

  private constructor(socket: Socket, dialect: WireDialect, onMessage: OnMessage, onClosed: () => void) {
    this.#socket = socket;
    this.#dialect = dialect;
    this.#onMessage = onMessage;
    this.#onClosed = onClosed;
    const decoder = new FrameDecoder(Number.POSITIVE_INFINITY, dialect);
    socket.on('data', (chunk: Buffer) => {
      for (const frame of decoder.push(chunk)) {
        if (frame.kind !== 'text') throw new Error(`the daemon broke its framing: ${frame.kind}`);
        this.#take(JSON.parse(frame.text) as Message, Buffer.byteLength(frame.text));
      }
      if (this.#pause) void this.#rest(this.#pause);
    });
    socket.on('error', () => {});
    socket.on('close', () => this.#end());
  }

  /** Undefined when nobody listens. `pause`: awaited between two reads of the socket. */
  static async open(
    path: string,
    dialect: WireDialect,
    onMessage: OnMessage,
    onClosed: () => void,
    pause?: () => Promise<void>,
  ): Promise<Line | undefined> {
    const socket = connect(path);
    const connected = new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (!(await within(`a connection to ${path}`, connected))) return undefined;
    const line = new Line(socket, dialect, onMessage, onClosed);
    line.#pause = pause;
    return line;
  }

  /**
   * Undefined when the connection ended before the reply. `onReply` is called as the reply is read, before any message
   * behind it.
   */
  call(method: string, params: unknown, onReply: (reply: Reply) => void = () => {}): Promise<Reply | undefined> {
    const id = ++this.#lastId;
    if (this.isClosed) return Promise.resolve(undefined);
    this.#socket.write(encodeFrame(JSON.stringify({ jsonrpc: '2.0', id, method, params }), this.#dialect));
    return new Promise((resolve) => {
      this.#pending.set(id, (reply) => {
        if (reply) onReply(reply);
        resolve(reply);
      });
    });
  }

  /** Stops reading. */
  stall(): void {
    this.#isStalled = true;
    this.#socket.pause();
  }

  /** Reads on. */
  resume(): void {
    this.#isStalled = false;
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
    this.#end();
  }

  #take(message: Message, bytes: number): void {
    if (this.isClosed) return;
    if (typeof message.id !== 'number' || message.method !== undefined) {
      this.#onMessage(message, bytes);
      return;
    }
    this.#pending.get(message.id)?.(message as Reply);
    this.#pending.delete(message.id);
  }

  async #rest(pause: () => Promise<void>): Promise<void> {
    this.#socket.pause();
    await pause();
    if (!this.#isStalled) this.#socket.resume();
  }

  #end(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#onClosed();
    for (const settle of this.#pending.values()) settle(undefined);
    this.#pending.clear();
  }
}

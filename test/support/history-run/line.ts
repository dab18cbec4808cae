// A raw end of a connection for readers that may be slow: everything is handed on in the order it came, replies among
// notifications, and the socket can be left unread.
import { within } from '../deadline.ts';
import type { Message } from '../wire.ts';
import type { WireFailure } from './history.ts';
import type { LineDialect, LineEnd } from './line-end.ts';
import { openEnd } from './line-end.ts';

// biome-ignore lint/suspicious/noExplicitAny: what a stranger sends is looked into without types
export type Reply = { result: any; error?: undefined } | { result?: undefined; error: WireFailure };

/** Of what is no reply. `bytes`: of the message's text. */
export type OnMessage = (message: Message, bytes: number) => void;

export class Line {
  isClosed = false;
  #end!: LineEnd;
  readonly #pending = new Map<number, (reply: Reply | undefined) => void>();
  readonly #onMessage: OnMessage;
  readonly #onClosed: () => void;
  #isStalled = false;
  #lastId = 0;

  private constructor(onMessage: OnMessage, onClosed: () => void) {
    this.#onMessage = onMessage;
    this.#onClosed = onClosed;
  }

  /** Undefined when nobody listens. `pause`: awaited between two reads. */
  static async open(
    path: string,
    dialect: LineDialect,
    onMessage: OnMessage,
    onClosed: () => void,
    pause?: () => Promise<void>,
  ): Promise<Line | undefined> {
    const line = new Line(onMessage, onClosed);
    const end = openEnd(path, dialect, {
      read: (texts) => {
        for (const text of texts) line.#take(JSON.parse(text) as Message, Buffer.byteLength(text));
        if (pause) void line.#rest(pause);
      },
      closed: () => line.#ended(),
    });
    const opened = await within(`a connection to ${path}`, end);
    if (!opened) return undefined;
    line.#end = opened;
    return line;
  }

  /**
   * Undefined when the connection ended before the reply. `onReply` is called as the reply is read, before any message
   * behind it.
   */
  call(method: string, params: unknown, onReply: (reply: Reply) => void = () => {}): Promise<Reply | undefined> {
    const id = ++this.#lastId;
    if (this.isClosed) return Promise.resolve(undefined);
    this.#end.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
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
    this.#end.pause();
  }

  /** Reads on. */
  resume(): void {
    this.#isStalled = false;
    this.#end.resume();
  }

  close(): void {
    this.#end.destroy();
    this.#ended();
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
    this.#end.pause();
    await pause();
    if (!this.#isStalled) this.#end.resume();
  }

  #ended(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#onClosed();
    for (const settle of this.#pending.values()) settle(undefined);
    this.#pending.clear();
  }
}

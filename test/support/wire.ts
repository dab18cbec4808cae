// A raw end of a connection, for tests of the wire itself: it frames by its own few lines, knows no method table, and
// keeps every message in the order it came.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { Daemon } from '../../daemon/daemon.ts';
import { pair } from '../../protocol/transport.ts';
import { afterTest } from './daemon.ts';
import { within } from './deadline.ts';

export type WireDialect = 'line' | 'header';

/** What a daemon sent, whatever it is: the tests look into it without types, as a stranger's client does. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Anything = any;

/** Whatever came: a response, a notification, or the array that answers a batch. */
export type Message = {
  jsonrpc?: string;
  id?: unknown;
  result?: Anything;
  error?: { code: number; message: string; data?: Anything };
  method?: string;
  params?: Anything;
};

export function request(id: unknown, method: string, params?: unknown): Message {
  return { jsonrpc: '2.0', id, method, ...(params === undefined ? {} : { params }) };
}

export class Wire {
  readonly received: Message[] = [];
  /** Resolves when the other end closed. */
  readonly closed: Promise<void>;
  /** Undefined over a pair. */
  readonly socket: Socket | undefined;
  readonly #write: (texts: string[]) => void;
  readonly #close: () => void;
  #waiting: (() => void)[] = [];
  #taken = 0;
  #lastId = 0;
  #isClosed = false;

  constructor(end: { write(texts: string[]): void; close(): void; closed: Promise<unknown>; socket?: Socket }) {
    this.#write = end.write;
    this.#close = end.close;
    this.socket = end.socket;
    this.closed = end.closed.then(() => {
      this.#isClosed = true;
      this.#wake();
    });
    afterTest(() => this.close());
  }

  /** Sends messages in one write. Strings go as they are. */
  send(...messages: unknown[]): void {
    this.#write(messages.map((message) => (typeof message === 'string' ? message : JSON.stringify(message))));
  }

  take(message: Message): void {
    this.received.push(message);
    this.#wake();
  }

  /** The next message that was not taken by this method before. */
  async next(what = 'the next message'): Promise<Message> {
    await this.until(what, () => this.received.length > this.#taken);
    return this.received[this.#taken++]!;
  }

  /** Sends one request and waits for its reply. */
  async call(method: string, params?: unknown): Promise<Message> {
    const id = `call-${++this.#lastId}`;
    this.send(request(id, method, params));
    return this.reply(id);
  }

  async reply(id: unknown): Promise<Message> {
    await this.until(`the reply ${String(id)}`, () => this.received.some((message) => message.id === id));
    return this.received.find((message) => message.id === id)!;
  }

  notifications(method?: string): Message[] {
    return this.received.filter((message) => message.method !== undefined && (!method || message.method === method));
  }

  /** The seqs of all events that came, in order. */
  get seqs(): number[] {
    return this.notifications('events/batch').flatMap((batch) =>
      batch.params.events.map((e: { seq: number }) => e.seq),
    );
  }

  /** Resolves once `condition` holds; rejects when the connection ends before. */
  async until(what: string, condition: () => boolean, ms?: number): Promise<void> {
    const wait = async () => {
      while (!condition()) {
        if (this.#isClosed) throw new Error(`the connection ended before ${what}`);
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    };
    await within(what, wait(), () => this.received.slice(-5), ms);
  }

  close(): void {
    this.#close();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** A connection over the real socket. Nothing is sent before the first `send`. */
export async function wireTo(path: string, dialect: WireDialect = 'line'): Promise<Wire> {
  const socket = connect(path);
  await within(`a connection to ${path}`, once(socket, 'connect'));
  socket.on('error', () => {});
  const wire = new Wire({
    socket,
    write: (texts) => socket.write(texts.map((text) => frame(text, dialect)).join('')),
    close: () => socket.destroy(),
    closed: once(socket, 'close'),
  });
  let held = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    for (let message = cut(held, dialect); message; message = cut(held, dialect)) {
      held = held.subarray(message.end);
      wire.take(JSON.parse(message.text) as Message);
    }
  });
  return wire;
}

/** A connection to a daemon in this process, over an in-memory pair. */
export function wireInMemory(daemon: Daemon, highWater?: number): Wire {
  const [ours, theirs] = pair(highWater);
  let ended!: () => void;
  const closed = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const wire = new Wire({
    write: (texts) => {
      for (const text of texts) void ours.send(text).catch(() => {});
    },
    close: () => ours.close(),
    closed,
  });
  const read = async () => {
    for (let got = await ours.receive(); got; got = await ours.receive()) {
      if (got.kind === 'text') wire.take(JSON.parse(got.text) as Message);
    }
    ended();
  };
  void daemon.serve(theirs);
  void read();
  return wire;
}

export function frame(text: string, dialect: WireDialect): string {
  return dialect === 'line' ? `${text}\n` : `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}

function cut(bytes: Buffer, dialect: WireDialect): { text: string; end: number } | undefined {
  if (dialect === 'line') {
    const end = bytes.indexOf('\n');
    return end < 0 ? undefined : { text: bytes.toString('utf8', 0, end), end: end + 1 };
  }
  const blank = bytes.indexOf('\r\n\r\n');
  if (blank < 0) return undefined;
  const length = Number(/^Content-Length: (\d+)$/.exec(bytes.toString('latin1', 0, blank))![1]);
  const end = blank + 4 + length;
  return bytes.length < end ? undefined : { text: bytes.toString('utf8', blank + 4, end), end };
}

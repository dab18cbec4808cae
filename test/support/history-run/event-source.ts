// What a browser's EventSource does (WHATWG HTML, 9.2), over a Unix socket: it connects again whenever a stream ends, says
// then which id it saw last, and knows nothing else of what it reads. An answer that is no stream ends it for good.
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:http';
import type { SseEvent } from './event-stream.ts';
import { EventStreamParser } from './event-stream.ts';

export type EventSourceListener = {
  /** Awaited before each connection. `lastEventId`: what will be said of it, empty where nothing. */
  connecting(lastEventId: string): Promise<void>;
  event(event: SseEvent): void;
  /** A stream ended, or could not be had. */
  lost(): void;
  /** It was refused and does not connect again. */
  failed(status: number, body: string): void;
  /** Awaited between two reads of a slow reader. */
  pause: (() => Promise<void>) | undefined;
};

/** Until a stream says otherwise, ms. */
const defaultRetryMs = 1_000;

export class UnixEventSource {
  isClosed = false;
  #lastEventId = '';
  readonly #socketPath: string;
  readonly #path: string;
  readonly #listener: EventSourceListener;
  #retryMs = defaultRetryMs;
  #request: ClientRequest | undefined;
  #response: IncomingMessage | undefined;
  #isStalled = false;
  #wake: () => void = () => {};

  constructor(socketPath: string, path: string, listener: EventSourceListener) {
    this.#socketPath = socketPath;
    this.#path = path;
    this.#listener = listener;
  }

  /** As an event tells a page; empty before the first. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  /** Connects until it is closed or fails; rejects with what `connecting` rejects with. Called once. */
  async run(): Promise<void> {
    while (!this.isClosed) {
      await this.#listener.connecting(this.#lastEventId);
      if (this.isClosed) return;
      await this.#connect();
      if (this.isClosed) return;
      this.#listener.lost();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#retryMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Nothing more is told of it. */
  close(): void {
    this.isClosed = true;
    this.#request?.destroy();
    this.#wake();
  }

  /** The network goes: it connects again. */
  drop(): void {
    this.#request?.destroy();
  }

  /** Stops reading. */
  stall(): void {
    this.#isStalled = true;
    this.#response?.pause();
  }

  /** Reads on. */
  resume(): void {
    this.#isStalled = false;
    this.#response?.resume();
  }

  /** Resolves when the stream has ended. */
  #connect(): Promise<void> {
    const headers: Record<string, string> = { accept: 'text/event-stream', 'cache-control': 'no-cache' };
    if (this.#lastEventId !== '') headers['last-event-id'] = this.#lastEventId;
    const { promise, resolve } = withResolvers();
    this.#isStalled = false;
    this.#request = request({ socketPath: this.#socketPath, path: this.#path, headers, agent: false });
    this.#response = undefined;
    this.#request.on('error', () => {});
    // The request closes with the socket, where what came last may still lie unread.
    this.#request.on('close', () => this.#response ?? resolve());
    this.#request.on('response', (response) => {
      this.#response = response;
      response.on('error', () => {}).on('close', resolve);
      const { statusCode = 0, headers: given } = response;
      const isStream = statusCode === 200 && given['content-type']?.startsWith('text/event-stream');
      if (isStream) this.#read(response);
      else this.#fail(response, statusCode);
    });
    this.#request.end();
    return promise;
  }

  #read(response: IncomingMessage): void {
    const { pause } = this.#listener;
    const parser = new EventStreamParser(this.#lastEventId);
    response.on('data', (chunk: Buffer) => {
      for (const event of parser.push(chunk)) {
        if (this.isClosed) return;
        this.#lastEventId = parser.lastEventId;
        this.#listener.event(event);
      }
      this.#lastEventId = parser.lastEventId;
      this.#retryMs = parser.retryMs ?? this.#retryMs;
      if (pause) void this.#rest(response, pause);
    });
  }

  async #rest(response: IncomingMessage, pause: () => Promise<void>): Promise<void> {
    response.pause();
    await pause();
    if (!this.#isStalled) response.resume();
  }

  #fail(response: IncomingMessage, status: number): void {
    let body = '';
    response.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    response.on('close', () => {
      if (this.isClosed) return;
      this.close();
      this.#listener.failed(status, body);
    });
  }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

// Server-Sent Events as a transport (PROTOCOL.md 10): what comes is one events/subscribe, made of the request; what is sent,
// its notifications, each as an event of the name behind the slash. The reply to the subscription decides the status.
import type { ServerResponse } from 'node:http';
import type { WireError } from '../../../protocol/errors.ts';
import type { Frame } from '../../../protocol/framing.ts';
import type { Params, Result } from '../../../protocol/methods.ts';
import type { Transport } from '../../../protocol/transport.ts';
import { FrameQueue, TransportClosedError } from '../../../protocol/transport.ts';
import type { Runtime } from '../../engine/runtime.ts';
import { Stalls } from './stalls.ts';
import { statusOf } from './status.ts';

/** How long an EventSource waits before it connects again. */
const retryMs = 1_000;
const lingerMs = 2_000;

export class SseTransport implements Transport {
  readonly #outgoing: ServerResponse;
  readonly #runtime: Pick<Runtime, 'sleep'>;
  readonly #over = new AbortController();
  readonly #inbox = new FrameQueue();
  #isStarted = false;
  readonly #stalls = new Stalls();
  #drained: Promise<void> | undefined;

  constructor(outgoing: ServerResponse, subscribe: Params<'events/subscribe'>, runtime: Pick<Runtime, 'sleep'>) {
    this.#outgoing = outgoing;
    this.#runtime = runtime;
    const request = { jsonrpc: '2.0', id: 1, method: 'events/subscribe', params: subscribe };
    this.#inbox.push({ kind: 'text', text: JSON.stringify(request) });
    outgoing.on('close', () => {
      this.#inbox.end();
      this.#over.abort();
    });
    // A reset reader is a gone reader: 'close' follows.
    outgoing.on('error', () => {});
  }

  get isClosed(): boolean {
    return !this.#outgoing.writable || this.#outgoing.destroyed;
  }

  get bufferedBytes(): number {
    return this.#outgoing.writableLength;
  }

  async send(text: string): Promise<void> {
    if (this.isClosed) throw new TransportClosedError();
    if (!this.#isStarted) return this.#start(text);
    const { name, data, id } = eventOf(text);
    const isTaken = this.#outgoing.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${name}\ndata: ${data}\n\n`);
    if (name === 'ended') return this.close();
    if (isTaken) return;
    this.#drained ??= this.#drain();
    await this.#drained;
  }

  /**
   * Something to see for whoever is in between. Where the reader has not taken what was sent before, nothing, and where it has
   * taken nothing of it for `stalls` times, it is taken for gone: it goes on by its last id when it comes back.
   */
  comment(stalls: number): void {
    if (!this.#isStarted || this.isClosed) return;
    const waiting = this.bufferedBytes;
    if (this.#stalls.isOver(waiting, stalls)) this.#outgoing.destroy();
    else if (waiting === 0) this.#outgoing.write(':\n\n');
  }

  receive(): Promise<Frame | undefined> {
    return this.#inbox.shift();
  }

  /** The other end writes nothing more: as on a socket, what it subscribed to ends. */
  end(): void {
    this.#inbox.end();
  }

  close(): void {
    this.#inbox.end();
    const outgoing = this.#outgoing;
    if (outgoing.writableEnded) return;
    if (!this.#isStarted) {
      this.#goAway();
      return;
    }
    outgoing.end();
    // What was sent is still delivered; a reader that does not read it must not keep the socket.
    const cut = () => void outgoing.destroy();
    this.#runtime.sleep(lingerMs, this.#over.signal).then(cut, () => {});
  }

  #start(reply: string): void {
    this.#isStarted = true;
    const { error, result } = JSON.parse(reply) as { error?: WireError; result: Result<'events/subscribe'> };
    if (error?.data?.kind === 'ShuttingDown') {
      this.#goAway();
      return;
    }
    if (error) {
      this.#outgoing.writeHead(statusOf(error), { 'content-type': 'application/json' });
      this.#outgoing.write(`${JSON.stringify({ jsonrpc: '2.0', id: null, error })}\n`);
      this.close();
      return;
    }
    const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' };
    this.#outgoing.writeHead(200, headers);
    // From here on it can be resumed, also where nothing else comes; but not from before the state was sent.
    const id = result.mode === 'snapshot' ? '' : `id: ${result.cursor}\n`;
    this.#outgoing.write(`retry: ${retryMs}\n${id}event: subscribed\ndata: ${JSON.stringify(result)}\n\n`);
  }

  /** Without a word: an EventSource that is answered by a status, 503 too, does not come back. */
  #goAway(): void {
    this.#outgoing.destroy();
  }

  /** Until what was sent has left, or the reader is gone. */
  #drain(): Promise<void> {
    const outgoing = this.#outgoing;
    return new Promise((resolve, reject) => {
      const settle = () => {
        // Node says so too when another answer of the connection has drained (measured with 20.20).
        if (!outgoing.destroyed && outgoing.writableLength >= outgoing.writableHighWaterMark) return;
        outgoing.off('drain', settle).off('close', settle);
        this.#drained = undefined;
        if (outgoing.destroyed) reject(new TransportClosedError());
        else resolve();
      };
      outgoing.on('drain', settle).on('close', settle);
    });
  }
}

/**
 * A notification as the connection writes it, taken apart without parsing what it carries: where name and cursor stand is
 * its own (connection.ts, feed.ts), and no text of a record can stand there.
 */
function eventOf(text: string): { name: string; data: string; id: string | undefined } {
  const head = /^\{"jsonrpc":"2\.0","method":"events\/(\w+)","params":/.exec(text);
  if (!head) throw new Error(`not a notification of a subscription: ${text.slice(0, 80)}`);
  const data = text.slice(head[0].length, -1);
  const cursor =
    /^\{"subscription":"[^"]*","prev":"[^"]*","cursor":"([^"]*)"/.exec(data) ??
    /"done":true,"cursor":"([^"]*)"\}$/.exec(data.slice(-200));
  return { name: head[1]!, data, id: cursor?.[1] };
}

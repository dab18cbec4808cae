// One HTTP request as a transport: its body is the one frame that comes, what answers it the one that is sent.
import type { Frame } from '../../../protocol/framing.ts';
import type { Transport } from '../../../protocol/transport.ts';
import { FrameQueue, TransportClosedError } from '../../../protocol/transport.ts';

export class RequestTransport implements Transport {
  readonly #inbox = new FrameQueue();
  #closed = false;
  #reply: string | undefined;

  constructor(body: Uint8Array) {
    this.#inbox.push(frameOf(body));
  }

  /** What was sent; undefined where nothing was: it was all notifications, or the client is gone. */
  get reply(): string | undefined {
    return this.#reply;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Node holds the response; it is one, and bounded as the replies to a batch are. */
  get bufferedBytes(): number {
    return 0;
  }

  async send(text: string): Promise<void> {
    if (this.#closed) throw new TransportClosedError();
    this.#reply = text;
  }

  receive(): Promise<Frame | undefined> {
    return this.#inbox.shift();
  }

  /** The other end writes nothing more: what is under way is answered, and what waits ends, as on a socket. */
  end(): void {
    this.#inbox.end();
  }

  close(): void {
    this.#closed = true;
    this.#inbox.end();
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function frameOf(body: Uint8Array): Frame {
  try {
    return { kind: 'text', text: utf8.decode(body) };
  } catch {
    return { kind: 'malformed' };
  }
}

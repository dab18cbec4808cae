// A Transport carries whole messages between two ends; neither JSON-RPC nor a session ever sees a socket.
import type { Frame } from './framing.ts';

export interface Transport {
  /**
   * Sends one message, in order. Resolves when the transport can take more: awaiting it is the backpressure. Rejects
   * once the transport is closed; what was sent before may or may not have arrived.
   */
  send(text: string): Promise<void>;
  /**
   * Sends a notification, where the other end tells when it is done with one. `sent`: as of `send`; `handled`: it is done with
   * it, or rejects with TransportClosedError where it never will be.
   */
  notify?(text: string): { sent: Promise<void>; handled: Promise<void> };
  /** The next frame; undefined when the other end closed or `close` was called. One caller at a time. */
  receive(): Promise<Frame | undefined>;
  /** Ends both directions; what was sent before is still delivered where that is possible. Idempotent. */
  close(): void;
  /** Nothing that is sent arrives any more; a peer that only ended its own sending still reads. */
  readonly isClosed: boolean;
  /** Bytes accepted by `send` that have not left yet. */
  readonly bufferedBytes: number;
}

/** json-rpc-2.0 passes on an error's message only; by this one a closed connection is told from a refusal. */
export const closedMessage = 'the connection to the daemon is closed';

/** Thrown by `send` and by pending calls once the transport is closed. */
export class TransportClosedError extends Error {
  constructor() {
    super(closedMessage);
    this.name = 'TransportClosedError';
  }
}

/** A queue of frames with one waiting reader. */
export class FrameQueue {
  #frames: Frame[] = [];
  #units = 0;
  #waiting: ((frame: Frame | undefined) => void) | undefined;
  #ended = false;

  get length(): number {
    return this.#frames.length;
  }

  /** Text that is queued, in UTF-16 units. */
  get units(): number {
    return this.#units;
  }

  push(frame: Frame): void {
    if (this.#ended) return;
    const waiting = this.#waiting;
    if (!waiting) {
      this.#frames.push(frame);
      this.#units += unitsOf(frame);
      return;
    }
    this.#waiting = undefined;
    waiting(frame);
  }

  /** Nothing more comes: what is queued is still handed out, then undefined. */
  end(): void {
    this.#ended = true;
    this.#waiting?.(undefined);
    this.#waiting = undefined;
  }

  shift(): Promise<Frame | undefined> {
    const frame = this.#frames.shift();
    if (frame) this.#units -= unitsOf(frame);
    if (frame || this.#ended) return Promise.resolve(frame);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }
}

function unitsOf(frame: Frame): number {
  return frame.kind === 'text' ? frame.text.length : 0;
}

/** Text that may wait unread at an end before `send` to it stops resolving, however few messages it is. */
const maxUnreadBytes = 256 * 1024;

/**
 * Two ends in memory, for tests and gateways. `highWater`: messages that may wait unread at an end before `send` to it
 * stops resolving, as a socket's buffer does.
 */
export function pair(highWater = 64): [Transport, Transport] {
  const left = new MemoryEnd(highWater);
  const right = new MemoryEnd(highWater);
  left.peer = right;
  right.peer = left;
  return [left, right];
}

class MemoryEnd implements Transport {
  peer!: MemoryEnd;
  readonly #highWater: number;
  readonly #inbox = new FrameQueue();
  #unreadBytes = 0;
  #closed = false;
  #drained: { promise: Promise<void>; resolve: () => void } | undefined;

  constructor(highWater: number) {
    this.#highWater = highWater;
  }

  get isClosed(): boolean {
    return this.#closed || this.peer.#closed;
  }

  get bufferedBytes(): number {
    return this.peer.#unreadBytes;
  }

  async send(text: string): Promise<void> {
    if (this.#closed || this.peer.#closed) throw new TransportClosedError();
    this.peer.#unreadBytes += text.length;
    this.peer.#inbox.push({ kind: 'text', text });
    if (this.peer.#inbox.length < this.#highWater && this.peer.#unreadBytes < maxUnreadBytes) return;
    this.peer.#drained ??= newLatch();
    await this.peer.#drained.promise;
    if (this.#closed || this.peer.#closed) throw new TransportClosedError();
  }

  async receive(): Promise<Frame | undefined> {
    const frame = await this.#inbox.shift();
    if (frame?.kind === 'text') this.#unreadBytes -= frame.text.length;
    if (this.#inbox.length === 0) this.#release();
    return frame;
  }

  close(): void {
    for (const end of [this, this.peer]) {
      end.#closed = true;
      end.#inbox.end();
      end.#release();
    }
  }

  #release(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }
}

function newLatch(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

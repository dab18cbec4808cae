// A Transport over a Node stream socket, for both ends. Writes of one turn of the event loop leave in one system call.

import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { Dialect, Frame, FrameRoom } from '../framing.ts';
import { defaultMaxFrameBytes, encodeFrame, FrameDecoder } from '../framing.ts';
import type { Transport } from '../transport.ts';
import { FrameQueue, TransportClosedError } from '../transport.ts';

/** What may wait unread before the socket is paused: what a peer sends beyond it stays in the kernel. */
const maxQueuedFrames = 256;
const maxQueuedUnits = 1024 * 1024;
/** How long a closed peer may go on, sending a frame that was refused or not reading what it was sent. */
const lingerMs = 2_000;

export class SocketTransport implements Transport {
  readonly #socket: Socket;
  readonly #decoder: FrameDecoder;
  readonly #inbox = new FrameQueue();
  /** Frames sent in this turn of the loop: they leave in one write, behind the promises that settle in it. */
  #outgoing = '';
  #drained: { promise: Promise<void>; settle: () => void } | undefined;
  /** A frame came behind which the stream cannot be followed. */
  #lost = false;

  /** Takes the socket over. Without `dialect` the peer's first byte selects it, and nothing may be sent before. */
  constructor(socket: Socket, options: { maxFrameBytes?: number; dialect?: Dialect; room?: FrameRoom } = {}) {
    this.#socket = socket;
    this.#decoder = new FrameDecoder(options.maxFrameBytes ?? defaultMaxFrameBytes, options.dialect, options.room);
    socket.on('data', (chunk: Buffer) => this.#take(this.#decoder.push(chunk)));
    socket.on('end', () => {
      this.#take(this.#decoder.end());
      this.#inbox.end();
    });
    socket.on('close', () => {
      this.#decoder.close();
      this.#inbox.end();
    });
    // A reset peer is a closed peer: 'close' follows and ends the waits.
    socket.on('error', () => {});
  }

  get isClosed(): boolean {
    return !this.#socket.writable;
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength + this.#outgoing.length;
  }

  send(text: string): Promise<void> {
    const socket = this.#socket;
    if (!socket.writable) return Promise.reject(new TransportClosedError());
    if (this.#outgoing === '') process.nextTick(() => this.#flush());
    this.#outgoing += encodeFrame(text, this.#decoder.dialect ?? 'line');
    if (this.bufferedBytes < socket.writableHighWaterMark) return Promise.resolve();
    this.#drained ??= this.#drain();
    return this.#drained.promise;
  }

  async receive(): Promise<Frame | undefined> {
    const frame = await this.#inbox.shift();
    const { length, units } = this.#inbox;
    if (this.#socket.isPaused() && length < maxQueuedFrames / 2 && units < maxQueuedUnits / 2) this.#socket.resume();
    return frame;
  }

  close(): void {
    this.#inbox.end();
    const socket = this.#socket;
    if (socket.destroyed) return;
    this.#flush();
    // end() flushes what was sent. A peer that does not read it must not keep the socket.
    socket.end();
    const cut = setTimeout(() => socket.destroy(), lingerMs);
    cut.unref();
    socket.once('close', () => clearTimeout(cut));
    if (!this.#lost || socket.readableEnded) {
      socket.destroySoon();
      return;
    }
    // Cut in the midst of its frame, the peer would get EPIPE and might never read why: the rest is read, to nothing.
    socket.once('end', () => socket.destroySoon());
    socket.resume();
  }

  #take(frames: Frame[]): void {
    for (const frame of frames) {
      if (frame.kind !== 'text' && frame.kind !== 'malformed') this.#lost = true;
      this.#inbox.push(frame);
    }
    if (this.#inbox.length >= maxQueuedFrames || this.#inbox.units >= maxQueuedUnits) this.#socket.pause();
  }

  #flush(): void {
    const frames = this.#outgoing;
    this.#outgoing = '';
    if (frames === '' || !this.#socket.writable) return;
    // What the kernel takes at once emits no `drain`, however large it is (measured with Node 20.20).
    if (this.#socket.write(frames)) this.#drained?.settle();
  }

  /** Until what was sent has left, or the socket closes. */
  #drain(): { promise: Promise<void>; settle: () => void } {
    const socket = this.#socket;
    let settle!: () => void;
    const promise = new Promise<void>((resolve, reject) => {
      settle = () => {
        socket.off('drain', settle).off('close', settle);
        this.#drained = undefined;
        if (socket.destroyed) reject(new TransportClosedError());
        else resolve();
      };
    });
    socket.on('drain', settle).on('close', settle);
    return { promise, settle };
  }
}

/**
 * Connects to a daemon's socket, whose frames may have any size: an event is larger than the op that it came from.
 * Rejects with Node's own error (ENOENT, ECONNREFUSED, EACCES) when nobody answers.
 */
export function connectSocket(path: string, dialect: Dialect = 'line'): Promise<SocketTransport> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(new SocketTransport(socket, { dialect, maxFrameBytes: Number.POSITIVE_INFINITY }));
    });
  });
}

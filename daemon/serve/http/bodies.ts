// What requests make the daemon hold: the bodies that come, and the answers that nobody has read yet. So much at a time over all,
// and a part of it for each who asks, so that nobody takes it from all others.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { RefusedError, refuse } from '../../../protocol/errors.ts';
import type { Runtime } from '../../engine/runtime.ts';
import type { Limits } from '../limits.ts';
import { Stalls } from './stalls.ts';

const retryAfterMs = 1_000;
const firstBytes = 16 * 1024;

export class Bodies {
  readonly #limits: Limits;
  readonly #runtime: Pick<Runtime, 'sleep'>;
  readonly #held = new Map<string, number>();
  #all = 0;

  constructor(limits: Limits, runtime: Pick<Runtime, 'sleep'>) {
    this.#limits = limits;
    this.#runtime = runtime;
  }

  /** Reads a body for `who`, of at most `max` bytes. Throws FrameTooLarge, Overloaded where as much as may be is held, and what the stream throws. */
  async read(incoming: IncomingMessage, who: string, max = this.#limits.maxFrameBytes): Promise<Uint8Array> {
    if (Number(incoming.headers['content-length'] ?? 0) > max) throw tooLarge(max);
    let body = Buffer.alloc(0);
    let bytes = 0;
    try {
      for await (const chunk of incoming as AsyncIterable<Buffer>) {
        if (bytes + chunk.length > max) throw tooLarge(max);
        if (bytes + chunk.length > body.length) {
          // Copied, and grown by doubling: a chunk of one byte is an object of hundreds.
          const grown = Math.min(Math.max(firstBytes, body.length * 2, bytes + chunk.length), max);
          this.#hold(who, grown - body.length);
          body = Buffer.concat([body], grown);
        }
        bytes += chunk.copy(body, bytes);
      }
      return body.subarray(0, bytes);
    } finally {
      this.#release(who, body.length);
    }
  }

  /** Holds an answer until it has left, and ends a connection that takes nothing of it for long. Throws Overloaded. */
  answer(outgoing: ServerResponse, reply: string, who: string): void {
    // It is gone: no event would tell so, and this be held for ever.
    if (outgoing.destroyed) return;
    this.#hold(who, reply.length);
    const over = new AbortController();
    outgoing.once('close', () => {
      this.#release(who, reply.length);
      over.abort();
    });
    void this.#watch(outgoing, over.signal);
  }

  async #watch(outgoing: ServerResponse, signal: AbortSignal): Promise<void> {
    const { commentMs, maxStalls } = this.#limits;
    const stalls = new Stalls();
    while (!signal.aborted) {
      await this.#runtime.sleep(commentMs, signal).catch(() => {});
      if (stalls.isOver(outgoing.writableLength, maxStalls)) outgoing.destroy();
    }
  }

  /** The only one of somebody may be as large as it is. */
  #hold(who: string, bytes: number): void {
    const { maxBodyBytes } = this.#limits;
    const held = this.#held.get(who) ?? 0;
    const isTooMuch = this.#all + bytes > maxBodyBytes || held + bytes > maxBodyBytes / 4;
    if (held > 0 && isTooMuch) {
      const message = 'too much is asked at once, or not read: send it again a little later';
      throw new RefusedError(refuse('Overloaded', message, { retryAfterMs }));
    }
    this.#held.set(who, held + bytes);
    this.#all += bytes;
  }

  #release(who: string, bytes: number): void {
    const held = this.#held.get(who)! - bytes;
    if (held > 0) this.#held.set(who, held);
    else this.#held.delete(who);
    this.#all -= bytes;
  }
}

function tooLarge(limit: number): RefusedError {
  return new RefusedError(refuse('FrameTooLarge', `a request may have ${limit} bytes: send smaller ones`, { limit }));
}

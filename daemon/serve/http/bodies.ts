// The bodies of requests, of which so much is held at a time, each and over all.
import type { IncomingMessage } from 'node:http';
import { RefusedError, refuse } from '../../../protocol/errors.ts';
import type { Limits } from '../limits.ts';

const retryAfterMs = 1_000;

export class Bodies {
  readonly #limits: Limits;
  #held = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Throws FrameTooLarge, or Overloaded where as much as may be is on its way; and what the stream throws. */
  async read(incoming: IncomingMessage): Promise<Uint8Array> {
    const { maxFrameBytes, maxBodyBytes } = this.#limits;
    // Node has seen to it that this is a number, and that no more comes.
    const told = Number(incoming.headers['content-length'] ?? maxFrameBytes);
    if (told > maxFrameBytes) throw tooLarge(maxFrameBytes);
    if (this.#held > 0 && this.#held + told > maxBodyBytes) {
      const message = 'too many requests at once: send it again a little later';
      throw new RefusedError(refuse('Overloaded', message, { retryAfterMs }));
    }
    this.#held += told;
    try {
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of incoming as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > maxFrameBytes) throw tooLarge(maxFrameBytes);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    } finally {
      this.#held -= told;
    }
  }
}

function tooLarge(limit: number): RefusedError {
  return new RefusedError(refuse('FrameTooLarge', `a request may have ${limit} bytes: send smaller ones`, { limit }));
}

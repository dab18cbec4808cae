// How many may be connected to the Unix socket at a time, also those who say nothing. Who comes beyond that is told so in the dialect
// that they speak, and goes; who is connected is served as before (P7).
import type { Socket } from 'node:net';
import { refuse, toWireError } from '../../protocol/errors.ts';
import type { Dialect } from '../../protocol/framing.ts';
import { encodeFrame } from '../../protocol/framing.ts';
import type { Runtime } from '../engine/runtime.ts';
import { beginsHttp, firstByte } from './first-byte.ts';
import type { Limits } from './limits.ts';
import { errorText } from './message.ts';

/** Refused ones that are waited for, until they have said what they speak and have read why; others are cut off. */
const maxLeaving = 64;
/** How long each of these has. */
const leavingMs = 2_000;
const retryAfterMs = 1_000;

export class Crowd {
  readonly #max: number;
  readonly #runtime: Pick<Runtime, 'sleep'>;
  readonly #leaving = new Set<Socket>();
  #inside = 0;

  constructor({ maxConnections }: Pick<Limits, 'maxConnections'>, runtime: Pick<Runtime, 'sleep'>) {
    this.#max = maxConnections;
    this.#runtime = runtime;
  }

  /** Whether there is room for the connection, which it has until it closes. One that there is none for is refused and ended. */
  admits(socket: Socket): boolean {
    if (this.#inside < this.#max) {
      this.#inside += 1;
      socket.once('close', () => {
        this.#inside -= 1;
      });
      return true;
    }
    void this.#refuse(socket);
    return false;
  }

  /** Ends those who are just leaving. */
  close(): void {
    for (const socket of this.#leaving) socket.destroy();
  }

  async #refuse(socket: Socket): Promise<void> {
    socket.on('error', () => {});
    const isWaitedFor = this.#leaving.size < maxLeaving;
    if (!isWaitedFor) {
      socket.end(this.#word('line'));
      socket.destroySoon();
      return;
    }
    const over = new AbortController();
    this.#leaving.add(socket);
    socket.once('close', () => {
      this.#leaving.delete(socket);
      over.abort();
    });
    const pause = () => this.#runtime.sleep(leavingMs / 2, over.signal).catch(() => {});
    const byte = await firstByte(socket, pause());
    // Cut off in the midst of what it sends, it would get EPIPE and might never read why: the rest is read, to nothing.
    socket.end(this.#word(spokenFrom(byte))).resume();
    if (socket.readableEnded) socket.destroySoon();
    else socket.once('end', () => socket.destroySoon());
    await pause();
    socket.destroy();
  }

  #word(spoken: Dialect | 'http'): string {
    const message = `${this.#max} connections are open, and no more are taken: close some, or try again a little later`;
    const text = errorText(null, toWireError(refuse('Overloaded', message, { retryAfterMs })));
    if (spoken !== 'http') return encodeFrame(text, spoken);
    const head = ['HTTP/1.1 503 Service Unavailable', 'content-type: application/json', 'connection: close'];
    const lines = [...head, `retry-after: ${retryAfterMs / 1_000}`, `content-length: ${Buffer.byteLength(text)}`];
    return `${lines.join('\r\n')}\r\n\r\n${text}`;
  }
}

function spokenFrom(byte: number | undefined): Dialect | 'http' {
  if (byte === undefined) return 'line';
  if (beginsHttp(byte)) return 'http';
  return byte === 67 || byte === 99 ? 'header' : 'line';
}

// A connection that nothing comes from any more need not be closed: a daemon that hangs, a laptop that slept, a network that
// dropped it without a word. The daemon says something each `bookmarkMs` when it is asked to; this finds that it does not.
import type { Clock } from './clock.ts';
import type { Frame } from './framing.ts';
import type { Transport } from './transport.ts';

/** So many bookmarks may be missing. */
const patience = 3;

export type SilenceOptions = {
  clock: Clock;
  bookmarkMs: number;
  /** Nothing came for a `bookmarkMs`: asks for a sign of life where none comes unasked. */
  quiet(): void;
};

/**
 * The transport, closed by itself when nothing came for 3 × `bookmarkMs`. Only waiting counts: while nobody receives, it is
 * the reader that is slow and not the other end that is dead.
 */
export function endingInSilence(transport: Transport, { clock, bookmarkMs, quiet }: SilenceOptions): Transport {
  let waitingSince: number | undefined;
  let cancel = () => {};
  const look = () => {
    const silentMs = waitingSince === undefined ? 0 : clock.monotonic() - waitingSince;
    const left = patience * bookmarkMs - silentMs;
    if (left <= 0) return close();
    if (silentMs >= bookmarkMs) quiet();
    cancel = clock.after(Math.min(left, bookmarkMs), look);
  };
  const close = () => {
    cancel();
    transport.close();
  };
  const receive = async (): Promise<Frame | undefined> => {
    waitingSince = clock.monotonic();
    const frame = await transport.receive();
    waitingSince = undefined;
    if (!frame) cancel();
    return frame;
  };
  cancel = clock.after(bookmarkMs, look);
  return {
    send: (text) => transport.send(text),
    receive,
    close,
    get isClosed() {
      return transport.isClosed;
    },
    get bufferedBytes() {
      return transport.bufferedBytes;
    },
  };
}

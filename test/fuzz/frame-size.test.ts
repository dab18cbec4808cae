// The largest frame that the shipped daemon takes, and one byte more (PROTOCOL.md 1).
import { expect, it } from 'vitest';
import { defaultLimits } from '../../daemon/serve/limits.ts';
import { startDaemon, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { WireDialect } from '../support/wire.ts';
import { frame, wireTo } from '../support/wire.ts';

it.each<WireDialect>(['line', 'header'])(
  'a frame of 8 MiB is taken, one byte more is FrameTooLarge, dialect %s',
  async (dialect) => {
    const home = testHome();
    const { kill } = await startDaemon(home);
    const limit = defaultLimits.maxFrameBytes;
    const textOf = (bytes: number) => {
      const text = (pad: string) => JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping', params: { _meta: pad } });
      return text('x'.repeat(bytes - text('').length));
    };
    const wire = await wireTo(home.paths.socket, dialect);
    const whole = Buffer.from(frame(textOf(limit), dialect));
    // Its beginning and its end byte by byte, and of any size between them.
    for (let from = 0, size = 1; from < whole.length; from += size) {
      const isAtEdge = from < 2_000 || from > whole.length - 2_000;
      size = isAtEdge ? 1 : Math.min(65_537, whole.length - 2_000 - from + 1);
      wire.socket!.write(whole.subarray(from, from + size));
      if (isAtEdge) await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await wire.reply(1)).result).toEqual({});
    wire.send(textOf(limit + 1));
    await within('the end', wire.closed);
    expect(wire.received.at(-1)).toMatchObject({ id: null, error: { data: { kind: 'FrameTooLarge', limit } } });
    expect(await kill()).toBe(0);
  },
);

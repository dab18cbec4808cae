// protocol/reconnect.ts: the waits between tries.
import { expect, test } from 'vitest';
import { Backoff } from '../../protocol/reconnect.ts';

test('[P20] each wait before another try is drawn from twice as long as the one before, up to the longest', () => {
  const drawn = (random: () => number) => {
    const backoff = new Backoff({ baseMs: 100, maxMs: 1_000 }, random);
    const waits = Array.from({ length: 6 }, () => backoff.next());
    backoff.reset();
    return [...waits, backoff.next()];
  };
  expect(drawn(() => 0)).toEqual([0, 0, 0, 0, 0, 0, 0]);
  expect(drawn(() => 0.5)).toEqual([50, 100, 200, 400, 500, 500, 50]);
  expect(drawn(() => 0.999)).toEqual([99, 199, 399, 799, 999, 999, 99]);
  const manyTries = new Backoff({ maxMs: 1_000 }, () => 0.5);
  expect(Array.from({ length: 2_000 }, () => manyTries.next()).at(-1)).toBe(500);
});

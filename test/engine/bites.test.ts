// Work that nobody waits for leaves the store to others most of the time.
import { expect, test } from 'vitest';
import { inBites } from '../../daemon/engine/bites.ts';

/** A clock that a bite moves, and the rests that were asked for. */
function clock() {
  let now = 0;
  const rests: number[] = [];
  const sleep = async (ms: number) => void rests.push(ms);
  return { rests, runtime: { monotonic: () => now, sleep }, pass: (ms: number) => (now += ms) };
}

test('after each bite but the last others have twice as long, and never more than a moment', async () => {
  const { rests, runtime, pass } = clock();
  const bites = [1, 3, 400, 2];
  await inBites(async () => {
    pass(bites.shift()!);
    return bites.length === 0;
  }, runtime);
  expect(rests).toEqual([2, 6, 50]);
});

test('a bite that fails is the last', async () => {
  const { rests, runtime } = clock();
  await expect(inBites(() => Promise.reject(new Error('full')), runtime)).rejects.toThrow('full');
  expect(rests).toEqual([]);
});

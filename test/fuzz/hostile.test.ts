// Anything that a client may send, to the shipped daemon: no crash, no hang, no unforeseen error, always an answer, and memory that
// does not grow with it. For more of it, or one run again:
//   SESSIOND_FUZZ_FRAMES=1000000 SESSIOND_FUZZ_SEED=7 npx vitest run test/fuzz/hostile.test.ts
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { testHome } from '../support/daemon.ts';
import { fuzzFrame } from './frames.ts';
import { Player } from './player.ts';

const wanted = Number(process.env.SESSIOND_FUZZ_FRAMES ?? 100_000);
const seed = Number(process.env.SESSIOND_FUZZ_SEED ?? 1);

it(`answers each of ${wanted} frames, seed ${seed}`, { timeout: 600_000 + wanted * 5 }, async () => {
  const player = new Player(testHome());
  let played = 0;
  const block = fc.asyncProperty(
    fc.array(fuzzFrame, { minLength: 1, maxLength: 2_000, size: 'max' }),
    async (frames) => {
      played += frames.length;
      await player.play(frames);
    },
  );
  for (let round = 0; played < wanted; round += 1)
    await fc.assert(block, { seed: seed * 1_000_000 + round, numRuns: 5 });
  // They come as far as that something is done: where most are refused, nothing behind that is tried.
  expect(player.results).toBeGreaterThan(played / 8);
  expect(player.residentBytes).toBeLessThan(512 * 1024 * 1024);
  expect(await player.stop()).toEqual({ exit: 0, integrity: 'ok' });
});

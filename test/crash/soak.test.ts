// The short form of `npm run soak` (scripts/soak.ts): histories of a daemon that its disk fails at the k-th write or fsync, checked as those of
// test/e2e/history.test.ts. Kills and losses of power have tests of their own there and in power-loss.test.ts.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../support/build.ts';
import { canInject } from '../support/faults.ts';
import type { SoakRun } from '../support/soak.ts';
import { soakRun } from '../support/soak.ts';

/** Of the kind that injects faults: every third. */
const seeds = [2, 5, 14];

test.skipIf(!canInject)(
  '[P10, P11] a daemon that fails at any write or fsync, or is killed there, loses nothing that was acknowledged',
  async () => {
    const runs: SoakRun[] = [];
    for (const seed of seeds) {
      runs.push(await soakRun(seed));
      expect(runs.at(-1)!.problems).toEqual([]);
    }
    // Or it showed nothing.
    const ends = runs.flatMap((run) => run.ends);
    expect(ends).toContain('io');
    expect(ends).toContain('SIGKILL');
    expect(new Set(runs.flatMap(({ done }) => done))).toEqual(
      new Set(['fsync EIO', 'write EIO', 'write ENOSPC', 'fsync SIGKILL', 'write SIGKILL']),
    );
  },
  120_000,
);

test('the soak tells what it did, and that nothing was wrong', () => {
  const args = ['--import', 'tsx', join(root, 'scripts/soak.ts'), '--seed', '3', '--runs', '1'];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  expect(stdout).toMatch(/^1 runs in [\d.]+ minutes, seeds 3 to 3\n\d+ ops acknowledged/);
  expect(stdout).toMatch(/nothing was lost, doubled or out of order\n$/);
  expect(status).toBe(0);
});

test.each([
  ['--minutes', 'soon'],
  ['--runs', '0'],
  ['--seed', 'x'],
])('the soak takes no %s %s', (option, value) => {
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', join(root, 'scripts/soak.ts'), option, value],
    { cwd: root, encoding: 'utf8' },
  );
  expect(stderr).toBe(`${option} is a number above 0, not '${value}'\n`);
  expect(status).toBe(2);
});

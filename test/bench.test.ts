// The benchmark runs and reports. What it measures is never judged here: a busy machine must not fail a test.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Report } from '../scripts/bench/report.ts';
import { root } from './support/build.ts';
import { testHome } from './support/daemon.ts';

test('bench --quick measures every row beside its floor and names the machine', () => {
  const json = join(testHome().folder, 'bench.json');
  const tsx = join(root, 'node_modules/.bin/tsx');
  const options = { cwd: root, encoding: 'utf8', timeout: 170_000 } as const;
  const table = execFileSync(tsx, ['scripts/bench/main.ts', '--quick', '--json', json], options);

  const report = JSON.parse(readFileSync(json, 'utf8')) as Report;
  const positive = expect.toSatisfy((value: number) => Number.isFinite(value) && value > 0);
  const oneRound = { median: positive, rounds: [positive] };
  const row = (name: string, unit: string, target: object) => ({
    name,
    what: expect.any(String),
    unit,
    floor: { what: expect.any(String), ...oneRound },
    ours: oneRound,
    ratio: positive,
    ratios: [positive],
    target,
    reached: expect.any(Boolean),
  });
  expect(report).toEqual({
    machine: {
      cores: positive,
      cpu: expect.any(String),
      node: process.version,
      filesystem: expect.any(String),
      fsyncP50Ms: positive,
    },
    payload: expect.stringContaining('300-byte'),
    quick: true,
    rows: [
      row('append-256', 'per second', { atLeast: 0.2 }),
      row('append-1', 'per second', { atLeast: 0.25 }),
      row('delivery', 'ms', { atMost: 2 }),
      row('deltas', 'per second', { atLeast: 0.8 }),
      row('replay', 'per second', { atLeast: 0.6 }),
      row('fan-out', 'per second', { atLeast: 20 }),
      row('ls', 'ms', { atMost: 1.6 }),
      row('paused-readers', 'MB', { atMost: 1 }),
      row('paused-sse-readers', 'MB', { atMost: 1 }),
      row('ingest', 'per second', { atLeast: 0.3 }),
      row('store-bytes', 'bytes', { atMost: 1.6 }),
      row('restart-bytes', 'bytes', { atMost: 0.05 }),
      row('idle-memory', 'MB', { atMost: 1 }),
      row('idle-cpu', '% of a core', { atMost: 1 }),
      row('seen-recent', 'ms', { atMost: 1 }),
      row('seen-old', 'ms', { atMost: 1 }),
    ],
  });
  for (const { name } of report.rows) expect(table).toMatch(new RegExp(`^${name} +\\S`, 'm'));
}, 180_000);

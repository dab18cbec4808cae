// The benchmark runs and reports. What it measures is never judged here: a busy machine must not fail a test.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { checkFile } from '../daemon/store/check.ts';
import { Journal } from '../daemon/store/journal.ts';
import { Lists } from '../daemon/store/lists.ts';
import { openStore } from '../daemon/store/open.ts';
import { growStore, rareWord } from '../scripts/bench/grown-store.ts';
import { startNats } from '../scripts/bench/peers/nats.ts';
import { startRedis } from '../scripts/bench/peers/redis.ts';
import type { Report } from '../scripts/bench/report.ts';
import { newReport, reportText } from '../scripts/bench/report.ts';
import { root } from './support/build.ts';
import { testHome } from './support/daemon.ts';

test('a peer that is not installed is left out, and its row says so', async () => {
  vi.stubEnv('PATH', '/nowhere');
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(await startNats('/nowhere')).toEqual({ leftOut: 'nats-server is not installed' });
  expect(await startRedis('/nowhere')).toEqual({ leftOut: 'redis-server is not installed' });
  const machine = { cores: 1, cpu: 'c', node: 'v', filesystem: 'f', fsyncP50Ms: 1 };
  const report = newReport(machine, false, [], [{ name: 'peer-nats-1', why: 'nats-server is not installed' }]);
  expect(reportText(report)).toContain('\npeer-nats-1: left out: nats-server is not installed');
});

test('a grown store is one that the daemon could have written: whole, and as large as was asked for', async () => {
  const folder = testHome().folder;
  const { longSession, shortSession, words } = await growStore(folder, 2_000, 150, () => {});
  const path = join(folder, 'store.db');
  expect(checkFile(path)).toEqual({ ok: true, problems: [] });

  const { db, close } = openStore(folder);
  onTestFinished(close);
  const lists = new Lists(db, new Journal(db));
  const [last] = lists.readMessages(longSession, 'desc', 1, undefined)!.items.map((item) => JSON.parse(item));
  expect(last).toMatchObject({ message: { messageIndex: 149 }, parts: [{ type: 'text' }, { type: 'tool' }] });
  expect(JSON.parse(lists.findSession(longSession)!)).toMatchObject({ messageCount: 150, version: 451 });
  expect(JSON.parse(lists.findSession(shortSession)!)).toMatchObject({ messageCount: 100, version: 301 });
  const texts = db
    .prepare('SELECT count(*) FROM part p JOIN body b ON b.seq = p.body WHERE instr(json, ?) > 0')
    .pluck();
  for (const word of [0, words - 1]) expect(texts.get(`${rareWord(word)} `)).toBe(3);
  expect(db.prepare('SELECT max(seq) >= 2000 AND max(seq) < 2500 FROM event').pluck().get()).toBe(1);
});

test('bench --quick measures every row beside its floor and names the machine', () => {
  const json = join(testHome().folder, 'bench.json');
  const tsx = join(root, 'node_modules/.bin/tsx');
  const options = { cwd: root, encoding: 'utf8', timeout: 170_000 } as const;
  const table = execFileSync(tsx, ['scripts/bench/main.ts', '--quick', '--json', json], options);

  const report = JSON.parse(readFileSync(json, 'utf8')) as Report;
  const positive = expect.toSatisfy((value: number) => Number.isFinite(value) && value > 0);
  const oneRound = { median: positive, rounds: [positive] };
  const row = (name: string, unit: string, target: object | null) => ({
    name,
    what: expect.any(String),
    unit,
    floor: { what: expect.any(String), ...oneRound },
    ours: oneRound,
    ratio: positive,
    ratios: [positive],
    target,
    reached: target && expect.any(Boolean),
  });
  // What this machine lacks is left out, and says so.
  const leftOut = new Set(report.leftOut.map(({ name }) => name));
  const ifThere = (...named: ReturnType<typeof row>[]) => named.filter(({ name }) => !leftOut.has(name));
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
      row('start-1m', 'ms', { atMost: 1.2 }),
      row('start-10m', 'ms', { atMost: 1.3 }),
      row('append-10m', 'ms', { atMost: 1.3 }),
      row('resume-1m', 'ms', { atMost: 1.3 }),
      row('resume-10m', 'ms', { atMost: 1.3 }),
      row('sessions-1m', 'ms', { atMost: 1.3 }),
      row('sessions-10m', 'ms', { atMost: 1.3 }),
      row('messages-1m', 'ms', { atMost: 1.3 }),
      row('messages-10m', 'ms', { atMost: 1.3 }),
      row('search-1m', 'ms', { atMost: 1.3 }),
      row('search-10m', 'ms', { atMost: 1.3 }),
      row('memory-1m', 'MB', { atMost: 1.5 }),
      row('memory-10m', 'MB', { atMost: 1.3 }),
      row('retention', 'ms', { atMost: 2 }),
      ...ifThere(
        row('append-256-2ms', 'per second', { atLeast: 0.2 }),
        row('append-256-10ms', 'per second', { atLeast: 0.2 }),
        row('append-1-2ms', 'per second', { atLeast: 0.25 }),
        row('append-1-10ms', 'per second', { atLeast: 0.25 }),
        row('read-in-commit-p50', 'ms', { atMost: 2 }),
        row('read-in-commit-p99', 'ms', { atMost: 2 }),
        row('peer-nats-256', 'per second', null),
        row('peer-nats-1', 'per second', null),
        row('peer-redis-256', 'per second', null),
        row('peer-redis-1', 'per second', null),
      ),
    ],
    leftOut: report.leftOut.map(({ name }) => ({ name, why: expect.stringMatching(/installed|needs/) })),
  });
  for (const { name, why } of report.leftOut) expect(table).toContain(`\n${name}: left out: ${why}`);
  for (const { name } of report.rows) expect(table).toMatch(new RegExp(`^${name} +\\S`, 'm'));
}, 180_000);

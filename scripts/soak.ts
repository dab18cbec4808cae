// Hours of what may go wrong, over the shipped daemon: `npm run soak -- --minutes 30`. Each run is a seed: four writers and nine readers of a
// daemon that is killed, loses its power, or is failed by its disk, and a checker of all that they saw. Ends with 1 at the first
// acknowledged op that is lost, or whatever else is wrong, and tells the seed: `--seed N --runs 1` plays it again.
import { parseArgs } from 'node:util';
import { undoFile, undoTest } from '../test/support/daemon.ts';
import { canInject } from '../test/support/faults.ts';
import type { SoakRun } from '../test/support/soak.ts';
import { soakRun } from '../test/support/soak.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    runs: { type: 'string' },
    seed: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const minutes = positive('minutes', values.minutes ?? (values.runs ? '1000000' : '30'));
const mostRuns = positive('runs', values.runs ?? '1000000');
const firstSeed =
  values.seed === '0' ? 0 : positive('seed', values.seed ?? String(1 + Math.floor(Math.random() * 1e6)));
const until = performance.now() + minutes * 60_000;
const begun = performance.now();
const runs: SoakRun[] = [];
const show = process.stderr.isTTY && !values.json;

if (!canInject) process.stderr.write('strace is not installed: no faults are injected (apt-get install strace)\n');
for (let n = 0; n < mostRuns && performance.now() < until; n += 1) {
  const run = await soakRun(firstSeed + n);
  await undoTest();
  runs.push(run);
  if (values.json) process.stdout.write(`${JSON.stringify(run)}\n`);
  if (show) process.stderr.write(`\r\x1b[K${runs.length} runs, seed ${run.seed} (${run.kind}): ${run.ends.join(', ')}`);
  if (run.problems.length > 0) break;
}
await undoFile();
if (show) process.stderr.write('\r\x1b[K');
if (!values.json) process.stdout.write(report());
process.exit(runs.some(({ problems }) => problems.length > 0) ? 1 : 0);

function report(): string {
  const spent = ((performance.now() - begun) / 60_000).toFixed(1);
  const sum = (of: (run: SoakRun) => number) => runs.reduce((total, run) => total + of(run), 0);
  const lines = [
    `${runs.length} runs in ${spent} minutes, seeds ${firstSeed} to ${firstSeed + runs.length - 1}`,
    `${sum(({ acknowledged }) => acknowledged)} ops acknowledged, ${sum(({ events }) => events)} events read at the ends`,
    `done to the daemon: ${tally(runs.flatMap(({ kind, done }) => done.map((what) => (kind === 'power' ? 'power loss' : what))))}`,
    `its lives ended by: ${tally(runs.flatMap(({ ends }) => ends))}`,
  ];
  const wrong = runs.find(({ problems }) => problems.length > 0);
  lines.push(
    wrong
      ? `WRONG in seed ${wrong.seed}:\n  ${wrong.problems.join('\n  ')}`
      : 'nothing was lost, doubled or out of order',
  );
  return `${lines.join('\n')}\n`;
}

function tally(words: string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([word, count]) => `${count} ${word}`)
    .join(', ');
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  process.stderr.write(`--${name} is a number above 0, not '${text}'\n`);
  process.exit(2);
}

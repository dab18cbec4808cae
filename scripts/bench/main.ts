// `npm run bench [-- --row NAME] [--quick] [--json FILE] [--rounds N] [--profile DIR] [--stores DIR]`: the numbers of
// DESIGN.md, each beside its floor. Rounds are interleaved (floor, ours, floor, ours …), so that a machine that slows down
// slows both. Exits 1 when a target is missed, 2 for a wrong argument. The files lie in the folder for temporary files:
// TMPDIR chooses the disk; the grown stores take 9 GB there and minutes to make, and --stores keeps them for the next run.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Home } from '../../test/support/home.ts';
import { closeArchive } from './archive.ts';
import { closeGrown } from './grown.ts';
import { describeMachine } from './machine.ts';
import { ownHome } from './own-home.ts';
import { progress } from './progress.ts';
import type { RowLeftOut, RowResult } from './report.ts';
import { newReport, reportText, rowResult } from './report.ts';
import type { Row } from './row.ts';
import { append1 } from './rows/append-1.ts';
import { append256 } from './rows/append-256.ts';
import { idleCpu, idleMemory, restartBytes, seenOld, seenRecent, storeBytes } from './rows/archive.ts';
import { delivery } from './rows/delivery.ts';
import { deltas } from './rows/deltas.ts';
import { fanOut } from './rows/fan-out.ts';
import { grownRows } from './rows/grown.ts';
import { ingest } from './rows/ingest.ts';
import { ls } from './rows/ls.ts';
import { pausedReaders, pausedSseReaders } from './rows/paused-readers.ts';
import { peerRows } from './rows/peers.ts';
import { replay } from './rows/replay.ts';
import { slowDiskRows } from './rows/slow-disk.ts';

const rows: Record<string, Row> = {
  'append-256': append256,
  'append-1': append1,
  delivery,
  deltas,
  replay,
  'fan-out': fanOut,
  ls,
  'paused-readers': pausedReaders,
  'paused-sse-readers': pausedSseReaders,
  ingest,
  'store-bytes': storeBytes,
  'restart-bytes': restartBytes,
  'idle-memory': idleMemory,
  'idle-cpu': idleCpu,
  'seen-recent': seenRecent,
  'seen-old': seenOld,
  ...grownRows,
  ...slowDiskRows,
  ...peerRows,
};
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

type Options = { names: string[]; rounds: number; quick: boolean; json?: string; profile?: string; stores?: string };

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      row: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      profile: { type: 'string' },
      stores: { type: 'string' },
    },
  });
  const names = values.row ?? Object.keys(rows);
  const unknown = names.find((name) => !(name in rows));
  if (unknown !== undefined) throw new Error(`there is no row ${unknown}; there are: ${Object.keys(rows).join(', ')}`);
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
  if (!Number.isSafeInteger(rounds) || rounds < 1) throw new Error(`--rounds is a number from 1, not ${values.rounds}`);
  const { quick, json, profile, stores } = values;
  const folders = { ...(profile && { profile: resolve(profile) }), ...(stores && { stores: resolve(stores) }) };
  return { names, rounds, quick, ...(json && { json }), ...folders };
}

/** The shipped bundle, built from the tree as it is; beside dist/, which others may be running from. */
function buildDaemon(): string {
  const out = join(root, 'node_modules/.cache/sessiond-bench');
  const tsx = join(root, 'node_modules/.bin/tsx');
  execFileSync(tsx, ['scripts/build.ts', '--no-types', '--out', out], { cwd: root, stdio: ['ignore', 2, 2] });
  return join(out, 'daemon.mjs');
}

async function measure(
  name: string,
  home: Home,
  daemonPath: string,
  options: Options,
): Promise<RowResult | RowLeftOut> {
  const row = rows[name]!;
  const { quick } = options;
  const rounds = Math.min(options.rounds, row.maxRounds ?? options.rounds);
  const { profile: profileFolder, stores: storesFolder } = options;
  const measuring = await row.open({ home, daemonPath, profileFolder, storesFolder, quick });
  if ('leftOut' in measuring) return { name, why: measuring.leftOut };
  try {
    const floor: number[] = [];
    const ours: number[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      progress(`${name}: round ${round} of ${rounds}`);
      floor.push(await measuring.floor());
      ours.push(await measuring.ours());
    }
    return rowResult(name, row, floor, ours, measuring.floorNote);
  } finally {
    progress('');
    await measuring.close();
  }
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = readOptions();
  } catch (error) {
    console.error(`bench: ${(error as Error).message}`);
    return 2;
  }
  process.setMaxListeners(100); // each home and daemon ends with the process
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  if (options.profile) mkdirSync(options.profile, { recursive: true });
  const daemonPath = buildDaemon();
  const machine = describeMachine(ownHome().folder);
  const results: RowResult[] = [];
  const leftOut: RowLeftOut[] = [];
  for (const name of options.names) {
    const result = await measure(name, ownHome(), daemonPath, options);
    if ('why' in result) leftOut.push(result);
    else results.push(result);
  }
  const report = newReport(machine, options.quick, results, leftOut);
  await closeArchive();
  await closeGrown();
  console.log(reportText(report));
  if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  return options.quick || results.every((row) => row.reached !== false) ? 0 : 1;
}

process.exit(await main());

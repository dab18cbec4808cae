// What a daemon keeps resident that has a large store and nothing to do. VmRSS of both sides, once each was left alone for as
// long as V8 takes to give back what the start took.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openGrown } from '../grown.ts';
import { residentMb } from '../process-cost.ts';
import type { Measuring, Row } from '../row.ts';

const settledMs = 75_000;
const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

type Resident = { pid: number; stop(): Promise<void> };

/** Node itself, no loader: opens the store, counts its sessions once, and stays. */
async function bareNode(store: string): Promise<Resident> {
  const program = `
    const db = require('better-sqlite3')(process.argv[1], { readonly: true });
    db.prepare('SELECT count(*) FROM session').get();
    console.log('open');
    process.stdin.resume();`;
  const child = spawn(process.execPath, ['-e', program, store], { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout!, 'data');
  return {
    pid: child.pid!,
    async stop() {
      const exited = once(child, 'exit');
      child.stdin!.end();
      child.kill();
      await exited;
    },
  };
}

async function measuring(floor: Resident, ours: Resident, quick: boolean): Promise<Measuring> {
  if (!quick) await sleep(settledMs);
  return {
    floor: async () => residentMb(floor.pid),
    ours: async () => residentMb(ours.pid),
    async close() {
      await Promise.all([floor.stop(), ours.stop()]);
    },
  };
}

export const memory1m: Row = {
  what: 'resident memory (VmRSS), idle with 1 million events',
  floor: 'bare node with better-sqlite3, the same store open, one query done',
  unit: 'MB',
  target: { atMost: 1.5 },
  maxRounds: 1,
  async open(setting) {
    const store = await openGrown(setting, '1m');
    await store.rest();
    const ours = await store.start();
    return measuring(await bareNode(join(store.setting.home.paths.data, 'store.db')), ours, setting.quick);
  },
};

export const memory10m: Row = {
  what: 'resident memory (VmRSS), idle with 10 million events',
  floor: 'a daemon with 10 thousand events',
  unit: 'MB',
  target: { atMost: 1.3 },
  maxRounds: 1,
  async open(setting) {
    const [small, large] = [await openGrown(setting, '10k'), await openGrown(setting, '10m')];
    await Promise.all([small.rest(), large.rest()]);
    return measuring(await small.start(), await large.start(), setting.quick);
  },
};

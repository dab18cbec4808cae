// What a large archive costs a daemon that knows it already (P24): nothing but looking whether it changed.
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Archive } from '../archive.ts';
import { newLine, openArchive } from '../archive.ts';
import { cpuMs, residentMb } from '../process-cost.ts';
import type { Row, Unit } from '../row.ts';

type Figure = { what: string; floor: string; unit: Unit; atMost: number; limit(archive: Archive): number };

const archiveRow = (
  { what, floor, unit, atMost, limit }: Figure,
  ours: (archive: Archive, quick: boolean) => number | Promise<number>,
): Row => ({
  what,
  floor,
  unit,
  target: { atMost },
  maxRounds: 1,
  async open(setting) {
    const archive = await openArchive(setting);
    return {
      floor: async () => limit(archive),
      ours: async () => ours(archive, setting.quick),
      async close() {},
    };
  },
});

const of10000 = 'of 10,000 files (1 GB) in 1,000 folders';

/** From the write to the event at a subscriber. */
async function seenAfter({ client, path }: Archive, file: number): Promise<number> {
  let arrived = () => {};
  const seen = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const { subscription } = await client.subscribe({ from: 'now' }, ({ type }) => {
    if (type === 'events/batch') arrived();
  });
  const start = performance.now();
  appendFileSync(path(file), newLine());
  await seen;
  const ms = performance.now() - start;
  await client.call('events/unsubscribe', { subscription });
  return ms;
}

export const storeBytes = archiveRow(
  {
    what: `store bytes a transcript byte, search index included, ${of10000}`,
    floor: 'the transcripts',
    unit: 'bytes',
    atMost: 1.6,
    limit: ({ bytes }) => bytes,
  },
  (archive) => archive.storeBytes,
);

export const restartBytes = archiveRow(
  {
    what: `bytes read by a second start until it knows that nothing changed, ${of10000}`,
    floor: 'the transcripts',
    unit: 'bytes',
    atMost: 0.05,
    limit: ({ bytes }) => bytes,
  },
  (archive) => archive.restartBytes,
);

export const idleMemory = archiveRow(
  {
    what: `resident memory after its first minute of idleness, ${of10000}`,
    floor: '100 MB',
    unit: 'MB',
    atMost: 1,
    limit: () => 100,
  },
  async ({ daemon }, quick) => {
    if (!quick) await sleep(75_000);
    return residentMb(daemon.pid);
  },
);

export const idleCpu = archiveRow(
  {
    what: `CPU over two minutes of idleness, with their sweeps, ${of10000}`,
    floor: '1 % of a core',
    unit: '% of a core',
    atMost: 1,
    limit: () => 1,
  },
  async ({ daemon }, quick) => {
    const [start, before] = [performance.now(), cpuMs(daemon.pid)];
    await sleep(quick ? 500 : 120_000);
    return Math.max(0.001, ((cpuMs(daemon.pid) - before) / (performance.now() - start)) * 100);
  },
);

export const seenRecent = archiveRow(
  {
    what: 'from a line appended to a transcript in use to its event at a subscriber',
    floor: 'half a second',
    unit: 'ms',
    atMost: 1,
    limit: () => 500,
  },
  (archive) => seenAfter(archive, archive.files - 1),
);

/** Each round takes another file: one that was appended to is in use again. */
let oldest = 0;
export const seenOld = archiveRow(
  {
    what: 'from a line appended to a transcript untouched for a month to its event at a subscriber',
    floor: 'a minute',
    unit: 'ms',
    atMost: 1,
    limit: () => 60_000,
  },
  async (archive, quick) => {
    // Quick: the sweep is not waited for.
    const seen = seenAfter(archive, oldest++);
    if (quick) await archive.client.call('source/rescan', {});
    return seen;
  },
);

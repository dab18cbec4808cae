// The append rows on a disk whose fsync takes 2 ms and 10 ms longer: one fsync serves whatever is in flight.
import { once } from 'node:events';
import { startChild } from '../child.ts';
import { startDaemon } from '../daemon.ts';
import { PartPuts } from '../part-put.ts';
import type { Row } from '../row.ts';
import { ratePerSecond } from '../row.ts';
import { noSlowDisk, slowDisk } from '../slow-disk.ts';
import { readWhileCommitRows } from './read-while-commit.ts';

const slowAppend = (slowMs: number, inFlight: number, atLeast: number): Row => ({
  what: `durable appends/s, ${inFlight} in flight, fsync ${slowMs} ms slower`,
  floor: `bare event rows on such a disk, ${inFlight} a transaction, FULL`,
  unit: 'per second',
  target: { atLeast },
  async open(setting) {
    const leftOut = noSlowDisk();
    if (leftOut) return leftOut;
    const { folder } = setting.home;
    const env = slowDisk(folder, slowMs * 1_000);
    const daemon = await startDaemon(setting, { env });
    const puts = await PartPuts.open(await daemon.connect());
    const bare = await startChild('bare-process.ts', [folder, JSON.stringify(await puts.sample())], env);
    const transactions = setting.quick ? 3 : (inFlight === 1 ? 2_000 : 400) / slowMs;
    const count = transactions * inFlight;
    const commit = async () => {
      bare.send({ transactions, rows: inFlight });
      await once(bare, 'message');
    };
    await Promise.all([puts.appendMany(count / 5, inFlight), commit()]); // warm
    return {
      floor: () => ratePerSecond(count, commit),
      ours: () => ratePerSecond(count, () => puts.appendMany(count, inFlight)),
      async close() {
        bare.disconnect();
        await daemon.stop();
      },
    };
  },
});

export const slowDiskRows: Record<string, Row> = {
  'append-256-2ms': slowAppend(2, 256, 0.2),
  'append-256-10ms': slowAppend(10, 256, 0.2),
  'append-1-2ms': slowAppend(2, 1, 0.25),
  'append-1-10ms': slowAppend(10, 1, 0.25),
  ...readWhileCommitRows,
};

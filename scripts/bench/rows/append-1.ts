// Durable appends a second with one in flight: each pays for its own fsync and its own round trip.
import { BareRows } from '../bare-rows.ts';
import { startDaemon } from '../daemon.ts';
import { PartPuts } from '../part-put.ts';
import type { Row } from '../row.ts';
import { ratePerSecond } from '../row.ts';

export const append1: Row = {
  what: 'durable appends/s, 1 in flight',
  floor: 'bare event rows through better-sqlite3, one a transaction, FULL',
  unit: 'per second',
  target: { atLeast: 0.25 },
  async open(setting) {
    const daemon = await startDaemon(setting);
    const puts = await PartPuts.open(await daemon.connect());
    const bare = new BareRows(setting.home.folder, await puts.sample());
    const count = setting.quick ? 50 : 1_500;
    await puts.appendMany(count / 5, 1); // warm
    return {
      floor: () =>
        ratePerSecond(count, () => {
          for (let n = 0; n < count; n += 1) bare.commit(1);
        }),
      ours: () => ratePerSecond(count, () => puts.appendMany(count, 1)),
      async close() {
        bare.close();
        await daemon.stop();
      },
    };
  },
};

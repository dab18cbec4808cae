// Durable appends a second with 256 in flight: what group commit is for.
import { BareRows } from '../bare-rows.ts';
import { startDaemon } from '../daemon.ts';
import { PartPuts } from '../part-put.ts';
import type { Row } from '../row.ts';
import { ratePerSecond } from '../row.ts';

const inFlight = 256;
const rowsATransaction = 100;

export const append256: Row = {
  what: `durable appends/s, ${inFlight} in flight`,
  floor: `bare event rows through better-sqlite3, ${rowsATransaction} a transaction, FULL`,
  unit: 'per second',
  target: { atLeast: 0.2 },
  async open(setting) {
    const daemon = await startDaemon(setting);
    const puts = await PartPuts.open(await daemon.connect());
    const bare = new BareRows(setting.home.folder, await puts.sample());
    const floorTransactions = setting.quick ? 10 : 400;
    const count = setting.quick ? 1_000 : 20_000;
    await puts.appendMany(count / 4, inFlight); // warm
    return {
      floor: () =>
        ratePerSecond(floorTransactions * rowsATransaction, () => {
          for (let n = 0; n < floorTransactions; n += 1) bare.commit(rowsATransaction);
        }),
      ours: () => ratePerSecond(count, () => puts.appendMany(count, inFlight)),
      async close() {
        bare.close();
        await daemon.stop();
      },
    };
  },
};

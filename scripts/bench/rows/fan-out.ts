// Many live subscribers: each event is read and put together once for all of them.
import { startDaemon } from '../daemon.ts';
import { PartPuts } from '../part-put.ts';
import { RawReader } from '../raw-reader.ts';
import type { Row } from '../row.ts';
import { ratePerSecond } from '../row.ts';

const subscribers = 100;
const inFlight = 256;

export const fanOut: Row = {
  what: `delivered events/s to ${subscribers} live subscribers, ${inFlight} appends in flight`,
  floor: 'to one',
  unit: 'per second',
  target: { atLeast: 20 },
  async open(setting) {
    const daemon = await startDaemon(setting);
    const puts = await PartPuts.open(await daemon.connect());
    const count = setting.quick ? 300 : 5_000;
    await puts.appendMany(count, inFlight); // warm
    const deliveredTo = async (readers: number) => {
      const connecting = Array.from({ length: readers }, () => RawReader.subscribe(setting.home.paths.socket, 'now'));
      const live = await Promise.all(connecting);
      const rate = await ratePerSecond(count * readers, async () => {
        void puts.appendMany(count, inFlight);
        await Promise.all(live.map((reader) => reader.until(count)));
      });
      for (const reader of live) reader.close();
      return rate;
    };
    return {
      floor: () => deliveredTo(1),
      ours: () => deliveredTo(subscribers),
      close: () => daemon.stop(),
    };
  },
};

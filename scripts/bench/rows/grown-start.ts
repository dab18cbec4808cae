// From the spawn of the daemon until it answers.
import type { MeasuredDaemon } from '../daemon.ts';
import { startDaemon } from '../daemon.ts';
import { openGrown } from '../grown.ts';
import type { Row, Setting } from '../row.ts';
import { median, timesMs } from '../row.ts';

const starts = 5;

async function startsMs(start: () => Promise<MeasuredDaemon>, quick: boolean): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < (quick ? 1 : starts); n += 1) {
    let daemon: MeasuredDaemon;
    times.push(
      ...(await timesMs(1, async () => {
        daemon = await start();
      })),
    );
    await daemon!.stop();
  }
  return median(times);
}

/** On a store that is there: the first start makes it. */
async function emptyStore(setting: Setting): Promise<() => Promise<MeasuredDaemon>> {
  await (await startDaemon(setting)).stop();
  return () => startDaemon(setting);
}

export const start1m: Row = {
  what: 'time from spawn to ready, 1 million events',
  floor: 'an empty store',
  unit: 'ms',
  target: { atMost: 1.2 },
  async open(setting) {
    const [empty, large] = [await emptyStore(setting), await openGrown(setting, '1m')];
    await large.rest();
    return {
      floor: () => startsMs(empty, setting.quick),
      ours: () => startsMs(() => large.start(), setting.quick),
      async close() {},
    };
  },
};

export const start10m: Row = {
  what: 'time from spawn to ready, 10 million events',
  floor: '10 thousand events',
  unit: 'ms',
  target: { atMost: 1.3 },
  async open(setting) {
    const [small, large] = [await openGrown(setting, '10k'), await openGrown(setting, '10m')];
    await Promise.all([small.rest(), large.rest()]);
    return {
      floor: () => startsMs(() => small.start(), setting.quick),
      ours: () => startsMs(() => large.start(), setting.quick),
      async close() {},
    };
  },
};

// Appends while the journal's beginning is cut off and its space given back, on 10 million events. Each round cuts further.
import { keepAll, openGrown } from '../grown.ts';
import { PartPuts } from '../part-put.ts';
import type { Row } from '../row.ts';
import { p99, timesMs } from '../row.ts';

export const retention: Row = {
  what: 'append p99, 1 in flight, while 200,000 of 10 million events are cut off and compacted',
  floor: 'the same appends to the same store, while nothing is',
  unit: 'ms',
  target: { atMost: 2 },
  async open(setting) {
    const store = await openGrown(setting, '10m');
    await store.rest();
    const cut = setting.quick ? 500 : 200_000;
    const atLeast = setting.quick ? 20 : 1_000;
    let kept = 0;
    const appending = async (config: string, whileOf: (puts: PartPuts) => Promise<number[]>) => {
      const daemon = await store.start(config);
      try {
        const puts = await PartPuts.open(await daemon.connect());
        ({ events: kept } = await puts.client.call('daemon/status', {}));
        return p99(await whileOf(puts));
      } finally {
        await daemon.stop();
      }
    };
    return {
      floor: () => appending(keepAll, (puts) => timesMs(atLeast, () => puts.append())),
      // Behind a floor, which has told how many events there are.
      ours: () =>
        appending(`[retention]\nmaxEvents = ${kept - cut}\n`, async (puts) => {
          let done = false;
          const compacted = puts.client.call('store/compact', {}).finally(() => {
            done = true;
          });
          const times: number[] = [];
          while (!done || times.length < atLeast) times.push(...(await timesMs(1, () => puts.append())));
          await compacted;
          return times;
        }),
      async close() {},
    };
  },
};

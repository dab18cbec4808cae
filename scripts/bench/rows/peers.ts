// Beside programs that keep a log too: the same payload, as many in flight. None of them has tables, an index, or op ids.
import { startDaemon } from '../daemon.ts';
import { PartPuts } from '../part-put.ts';
import { startNats } from '../peers/nats.ts';
import type { Peer } from '../peers/peer.ts';
import { startRedis } from '../peers/redis.ts';
import type { LeftOut, Row } from '../row.ts';
import { ratePerSecond } from '../row.ts';

type Start = (folder: string) => Promise<Peer | LeftOut>;

const peerRow = (floor: string, start: Start, inFlight: number): Row => ({
  what: `durable appends/s beside a peer, ${inFlight} in flight`,
  floor,
  unit: 'per second',
  target: null,
  async open(setting) {
    const peer = await start(setting.home.folder);
    if ('leftOut' in peer) return peer;
    const daemon = await startDaemon(setting);
    const puts = await PartPuts.open(await daemon.connect());
    const count = setting.quick ? 200 : inFlight === 1 ? 1_500 : 20_000;
    const putMany = async () => {
      let left = count;
      const lane = async () => {
        while (left > 0) {
          left -= 1;
          await peer.put(JSON.stringify(puts.next()));
        }
      };
      await Promise.all(Array.from({ length: inFlight }, lane));
    };
    await Promise.all([putMany(), puts.appendMany(count / 5, inFlight)]); // warm
    return {
      floorNote: peer.note,
      floor: () => ratePerSecond(count, putMany),
      ours: () => ratePerSecond(count, () => puts.appendMany(count, inFlight)),
      async close() {
        await Promise.all([peer.stop(), daemon.stop()]);
      },
    };
  },
});

const [nats, redis] = ['publish to JetStream', 'XADD to a Redis stream'];

export const peerRows: Record<string, Row> = {
  'peer-nats-256': peerRow(nats, startNats, 256),
  'peer-nats-1': peerRow(nats, startNats, 1),
  'peer-redis-256': peerRow(redis, startRedis, 256),
  'peer-redis-1': peerRow(redis, startRedis, 1),
};

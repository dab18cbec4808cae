// What readers cost that do not read (P7): each at most 1 MiB, however much is appended meanwhile.
import { startDaemon } from '../daemon.ts';
import { PartPuts } from '../part-put.ts';
import { residentMb } from '../process-cost.ts';
import { RawReader } from '../raw-reader.ts';
import type { Row, Setting } from '../row.ts';

const readers = 8;
const appendedBytes = 50_000_000;

/** By how much a daemon of its own grows while 50 MB are appended, MB. */
async function growth(setting: Setting, paused: number, over: 'line' | 'sse'): Promise<number> {
  const daemon = await startDaemon(setting);
  try {
    const client = await daemon.connect();
    const puts = await PartPuts.open(client);
    const text = 'x'.repeat(10_000);
    const append = async (bytes: number) => {
      let left = bytes / text.length;
      const lane = async () => {
        for (; left > 0; left -= 1) await client.call('part/put', { ...puts.next(), part: { type: 'text', text } });
      };
      await Promise.all(Array.from({ length: 16 }, lane));
    };
    await append(setting.quick ? 100_000 : appendedBytes); // its caches and heap are as large as they get
    const held = await Promise.all(
      Array.from({ length: paused }, () => RawReader.subscribe(setting.home.paths.socket, 'now', over)),
    );
    for (const { socket } of held) socket.pause();
    const before = residentMb(daemon.pid);
    await append(setting.quick ? 1_000_000 : appendedBytes);
    const after = residentMb(daemon.pid);
    for (const reader of held) reader.close();
    return after - before;
  } finally {
    await daemon.stop();
  }
}

const rowOver = (over: 'line' | 'sse', what: string): Row => ({
  what: `memory that 50 MB of appends take with ${readers} ${what} that do not read`,
  floor: `without them, plus ${readers} x 1 MiB`,
  unit: 'MB',
  target: { atMost: 1 },
  open: async (setting) => ({
    floor: async () => Math.max(0, await growth(setting, 0, over)) + readers,
    ours: async () => Math.max(0.1, await growth(setting, readers, over)),
    async close() {},
  }),
});

export const pausedReaders = rowOver('line', 'subscribers');
export const pausedSseReaders = rowOver('sse', 'readers of /events');

// Reads on one connection while another keeps 256 appends in flight: they are not to wait for the disk.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Home } from '../../../test/support/home.ts';
import { startChild } from '../child.ts';
import { startDaemon } from '../daemon.ts';
import { ownHome } from '../own-home.ts';
import type { Row, Setting } from '../row.ts';
import { median, p99, timesMs } from '../row.ts';
import { noSlowDisk, slowDisk } from '../slow-disk.ts';

const inFlight = 256;
const slowMs = 10;

/** What the first of the rows measured, round by round: the others look at the same. */
const measured = { floor: [] as number[][], ours: [] as number[][] };

async function startReading(setting: Setting, home: Home, slowUs: number) {
  const daemon = await startDaemon({ ...setting, home }, { env: slowDisk(home.folder, slowUs) });
  const client = await daemon.connect();
  const { ids } = await client.call('session/create', { title: 'Read' });
  const params = { sessionId: ids.sessionId! };
  return {
    async round() {
      const load = await startChild('append-load.ts', [home.paths.socket, String(inFlight)]);
      try {
        const times: number[] = [];
        while (times.length < (setting.quick ? 10 : 400)) {
          // At any moment: one that was sent as soon as the one before had its reply would mostly come between two commits.
          await sleep(Math.random() * 2 * slowMs);
          times.push(...(await timesMs(1, () => client.call('session/get', params))));
        }
        return times;
      } finally {
        load.disconnect();
      }
    },
    stop: () => daemon.stop(),
  };
}

const readWhileCommit = (name: string, of: (times: number[]) => number): Row => ({
  what: `session/get, ${name}, while another connection has ${inFlight} appends in flight, fsync ${slowMs} ms slower`,
  floor: 'the same, fsync as it is',
  unit: 'ms',
  target: { atMost: 2 },
  async open(setting) {
    const leftOut = noSlowDisk();
    if (leftOut) return leftOut;
    if (measured.ours.length > 0) {
      const [floor, ours] = [measured.floor.values(), measured.ours.values()];
      const next = async (rounds: typeof floor) => of(rounds.next().value!);
      return { floor: () => next(floor), ours: () => next(ours), async close() {} };
    }
    const fast = await startReading(setting, ownHome(), 0);
    const slow = await startReading(setting, setting.home, slowMs * 1_000);
    const round = async (side: 'floor' | 'ours') => {
      const times = await (side === 'floor' ? fast : slow).round();
      measured[side].push(times);
      return of(times);
    };
    return {
      floor: () => round('floor'),
      ours: () => round('ours'),
      async close() {
        await Promise.all([fast.stop(), slow.stop()]);
      },
    };
  },
});

export const readWhileCommitRows: Record<string, Row> = {
  'read-in-commit-p50': readWhileCommit('p50', median),
  'read-in-commit-p99': readWhileCommit('p99', p99),
};

// How fast one client is brought from the beginning to head.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startDaemon } from '../daemon.ts';
import { PartPuts } from '../part-put.ts';
import { RawReader } from '../raw-reader.ts';
import type { Row } from '../row.ts';
import { ratePerSecond } from '../row.ts';

export const replay: Row = {
  what: 'replay, events/s to one client',
  floor: 'another process reads the same rows with better-sqlite3 and writes them to a socket',
  unit: 'per second',
  target: { atLeast: 0.6 },
  async open(setting) {
    const daemon = await startDaemon(setting);
    const puts = await PartPuts.open(await daemon.connect());
    const count = setting.quick ? 500 : 50_000;
    await puts.appendMany(count, 256);
    const events = count + 2; // its session and message
    const { data, socket } = setting.home.paths;
    let round = 0;
    return {
      async floor() {
        round += 1;
        const path = join(setting.home.folder, `rows-${round}.sock`);
        const child = fork(fileURLToPath(new URL('../serve-rows.ts', import.meta.url)), [path, join(data, 'store.db')]);
        await once(child, 'message');
        const rate = await ratePerSecond(events, async () => {
          const reader = connect(path);
          reader.resume();
          await once(reader, 'close');
        });
        child.disconnect();
        return rate;
      },
      async ours() {
        let reader: RawReader | undefined;
        const rate = await ratePerSecond(events, async () => {
          reader = await RawReader.subscribe(socket, 'start');
          await reader.until(events);
        });
        reader!.close();
        return rate;
      },
      close: () => daemon.stop(),
    };
  },
};

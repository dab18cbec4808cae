// Transcripts taken in for the first time: megabytes a second, from the moment that the daemon answers until all is on disk.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startDaemon } from '../daemon.ts';
import type { Row } from '../row.ts';
import { ratePerSecond } from '../row.ts';
import { writeTranscripts } from '../transcripts.ts';

export const ingest: Row = {
  what: 'transcripts taken in for the first time, MB/s',
  floor: 'JSON.parse of every line, alone',
  unit: 'per second',
  target: { atLeast: 0.3 },
  async open(setting) {
    const { home, quick } = setting;
    const bytes = writeTranscripts(home.claude, quick ? 10 : 400, 20, quick ? 20_000 : 200_000);
    const lines = readdirSync(home.claude, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.jsonl'))
      .flatMap((name) => readFileSync(join(home.claude, name), 'utf8').split('\n').slice(0, -1));
    return {
      floor: () =>
        ratePerSecond(bytes / 1e6, () => {
          for (const line of lines) JSON.parse(line);
        }),
      async ours() {
        rmSync(home.paths.data, { recursive: true, force: true });
        const daemon = await startDaemon(setting, { reads: true });
        const client = await daemon.connect();
        const rate = await ratePerSecond(bytes / 1e6, () => client.call('source/rescan', {}));
        await daemon.stop();
        return rate;
      },
      async close() {},
    };
  },
};

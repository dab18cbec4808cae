// A command that asks the daemon that runs, beside a Node that does nothing: what the CLI adds to the time until a shell has
// its prompt back.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { startDaemon } from '../daemon.ts';
import type { Row } from '../row.ts';
import { median } from '../row.ts';

const sessions = 20;

export const ls: Row = {
  what: `sessiond ls of ${sessions} sessions, wall time`,
  floor: 'node -e 0',
  unit: 'ms',
  target: { atMost: 1.6 },
  async open(setting) {
    const daemon = await startDaemon(setting);
    const client = await daemon.connect();
    for (let n = 0; n < sessions; n += 1) {
      await client.call('session/create', { title: `Session ${n}`, directory: `/src/project-${n % 5}` });
    }
    client.close();
    const runs = setting.quick ? 2 : 15;
    const timed = (args: string[]) => {
      const start = performance.now();
      const { status } = spawnSync(process.execPath, args, { env: setting.home.env, stdio: 'ignore' });
      if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}`);
      return performance.now() - start;
    };
    const times = async (args: string[]) => median(Array.from({ length: runs }, () => timed(args)));
    return {
      floor: () => times(['-e', '0']),
      ours: () => times([join(dirname(setting.daemonPath), 'cli.js'), 'ls']),
      close: () => daemon.stop(),
    };
  },
};

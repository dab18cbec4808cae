// What a system may do to a daemon at the k-th of its calls, by strace: an error of the disk, a disk that is full for a while, a kill in the
// midst of a write or right before an fsync.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { within } from './deadline.ts';

const calls = {
  fsync: 'fsync,fdatasync',
  write: 'pwrite64',
};

/** From its `first` call of that kind, counted from where it begins, on, for `times` of them. */
export type Fault = { call: keyof typeof calls; does: 'EIO' | 'ENOSPC' | 'SIGKILL'; first: number; times: number };

export const canInject = spawnSync('strace', ['-V']).error === undefined;

/** Begins it for a process; resolves when it counts, with what ends it. Rejects where strace may not attach. */
export async function inject(pid: number, { call, does, first, times }: Fault): Promise<() => Promise<void>> {
  const what = does === 'SIGKILL' ? 'signal=SIGKILL' : `error=${does}`;
  const rule = `${calls[call]}:${what}:when=${first}..${first + times - 1}`;
  const args = ['-f', '-p', String(pid), '-o', '/dev/null', '-e', `trace=${calls[call]}`, '-e', `inject=${rule}`];
  const strace = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(strace, 'exit');
  let said = '';
  strace.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const attached = new Promise<void>((resolve, reject) => {
    strace.stderr.on('data', () => {
      if (said.includes('attached')) resolve();
    });
    ended.then(() => reject(new Error(`strace ended: ${said}`)), reject);
  });
  await within('strace to be attached', attached, () => said);
  return async () => {
    strace.kill('SIGINT');
    await within('strace to let go', ended, () => said);
  };
}

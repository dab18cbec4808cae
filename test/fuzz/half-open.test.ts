// 10,000 connections that say nothing, or begin and do not go on: so many of them as may be are held at little cost, all others are
// told Overloaded, whoever is connected is served all the time, and nothing of them is left behind them (P7, P18).
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { defaultLimits } from '../../daemon/serve/limits.ts';
import { fitting } from '../../daemon/serve/open-files.ts';
import { afterTest, startDaemon, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import { wireTo } from '../support/wire.ts';

/** The daemon may have as many files open as this process: its connections are bounded by half of them. */
const { maxConnections } = fitting(defaultLimits);
/** 10,000 where this process itself may have as many. */
const count = Math.min(10_000, 2 * maxConnections);
const wave = 1_500;

const begun = ['', '{"jsonrpc":"2.0"', 'Content-Length: 10\r\n\r\n{', 'GET /health HTTP/1.1\r\nhost:', ' \n', '['];

/** Where the line of those who wait to be taken is full, the kernel refuses more: these come again. */
async function connected(path: string): Promise<Socket> {
  for (;;) {
    const socket = connect(path);
    const error = await within(
      'a connection',
      new Promise((resolve) => socket.once('connect', () => resolve(undefined)).once('error', resolve)),
    );
    if (!error) return socket.on('error', () => {});
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

it('[P7] [P18] half-open connections are held up to the limit, refused beyond it, and leave nothing', async () => {
  const home = testHome();
  const { pid, kill } = await startDaemon(home);
  const path = home.paths.socket;
  const bytes = () => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
  const files = () => readdirSync(`/proc/${pid}/fd`).length;
  const client = await wireTo(path);
  await client.call('session/list');
  const [filesBefore, bytesBefore] = [files(), bytes()];
  const held: Socket[] = [];
  let refused = 0;
  afterTest(() => {
    for (const socket of held) socket.destroy();
  });
  const hold = async (at: number) => {
    const socket = await connected(path);
    held.push(socket);
    socket.write(begun[at % begun.length]!);
  };
  const beRefused = async () => {
    const socket = await connected(path);
    let came = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      came += text;
    });
    await within('the refusal', once(socket, 'close'), () => came);
    const { error } = JSON.parse(came) as { error: { data: object } };
    expect(error.data).toEqual({ kind: 'Overloaded', retryAfterMs: 1_000 });
    refused += 1;
  };
  /** In waves, and behind each the client that was there first is answered. */
  const waves = async (total: number, open: (at: number) => Promise<void>) => {
    for (let from = 0; from < total; from += wave) {
      await Promise.all(Array.from({ length: Math.min(wave, total - from) }, (_, at) => open(from + at)));
      expect((await client.call('ping')).result).toEqual({});
    }
  };
  await waves(maxConnections - 1, hold);
  const bytesHeld = bytes();
  await waves(count - maxConnections + 1, beRefused);
  expect(refused).toBe(count - maxConnections + 1);
  expect((bytesHeld - bytesBefore) / maxConnections).toBeLessThan(32 * 1024);
  for (const socket of held) socket.destroy();
  const gone = async () => {
    while (files() > filesBefore) await client.call('ping');
  };
  await within('the files to be closed', gone(), files);
  // A descriptor is given back a moment before it is counted no more.
  const create = async () => {
    for (;;) {
      const answer = await (await wireTo(path)).call('session/create', {}).catch(() => undefined);
      if (answer) return answer;
    }
  };
  expect((await within('one who comes now to be served', create())).result).toBeDefined();
  expect(await kill()).toBe(0);
});

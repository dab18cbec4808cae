// From sending an append on one connection to its event's arrival on another, one at a time.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BareRows } from '../bare-rows.ts';
import { startDaemon } from '../daemon.ts';
import { PartPuts } from '../part-put.ts';
import type { Row } from '../row.ts';
import { median } from '../row.ts';

export const delivery: Row = {
  what: 'append to delivery on another connection, p50',
  floor: 'bare Unix-socket echo round trip of the same bytes, between two processes, plus one FULL commit',
  unit: 'ms',
  target: { atMost: 2 },
  async open(setting) {
    const daemon = await startDaemon(setting);
    const puts = await PartPuts.open(await daemon.connect());
    const bare = new BareRows(setting.home.folder, await puts.sample());
    const echo = await startEcho(join(setting.home.folder, 'echo.sock'));
    const count = setting.quick ? 50 : 1_500;

    let arrived = () => {};
    const reader = await daemon.connect();
    await reader.subscribe({ from: 'now' }, ({ type }) => {
      if (type === 'events/batch') arrived();
    });
    const appendToDelivery = async () => {
      const delivered = new Promise<void>((resolve) => {
        arrived = resolve;
      });
      const start = performance.now();
      const acknowledged = puts.append();
      await delivered;
      const ms = performance.now() - start;
      await acknowledged;
      return ms;
    };
    const line = `${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'part/put', params: puts.next() })}\n`;
    const roundTripAndCommit = async () => {
      const start = performance.now();
      await roundTrip(echo.socket, line);
      bare.commit(1);
      return performance.now() - start;
    };
    await medianOf(count / 5, appendToDelivery); // warm
    await medianOf(count / 5, roundTripAndCommit);
    return {
      floor: () => medianOf(count, roundTripAndCommit),
      ours: () => medianOf(count, appendToDelivery),
      async close() {
        bare.close();
        echo.close();
        await daemon.stop();
      },
    };
  },
};

async function medianOf(count: number, measure: () => Promise<number>): Promise<number> {
  const taken: number[] = [];
  while (taken.length < count) taken.push(await measure());
  return median(taken);
}

async function startEcho(path: string): Promise<{ socket: Socket; close(): void }> {
  const child = fork(fileURLToPath(new URL('../echo.ts', import.meta.url)), [path]);
  await once(child, 'message');
  const socket = connect(path);
  await once(socket, 'connect');
  return {
    socket,
    close() {
      socket.destroy();
      child.disconnect();
    },
  };
}

function roundTrip(socket: Socket, line: string): Promise<void> {
  return new Promise((resolve) => {
    let missing = line.length;
    const take = (chunk: Buffer) => {
      missing -= chunk.length;
      if (missing > 0) return;
      socket.off('data', take);
      resolve();
    };
    socket.on('data', take);
    socket.write(line);
  });
}

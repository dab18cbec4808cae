// Many subscribers: each costs a cursor (PROTOCOL.md 5; P7, P8).
import { expect, it } from 'vitest';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import type { Wire } from '../support/wire.ts';
import { request, wireInMemory, wireTo } from '../support/wire.ts';

it('[P7] [P8] 1,000 connections with a subscription each get every event once, and a few that stall delay none', async () => {
  const home = testHome();
  const { daemon } = daemonInProcess(home);
  await daemon.start();
  const writer = wireInMemory(daemon);
  const wires: Wire[] = [];
  for (let at = 0; at < 1_000; at += 1) wires.push(await wireTo(home.paths.socket, at % 2 === 0 ? 'line' : 'header'));
  await Promise.all(wires.map((wire) => wire.call('events/subscribe', {})));
  const stalled = wires.filter((_, at) => at % 100 === 0);
  for (const wire of stalled) wire.socket!.pause();
  const others = wires.filter((wire) => !stalled.includes(wire));
  const count = 50;
  const params = { metadata: { note: 'x'.repeat(2_000) } };
  writer.send(...Array.from({ length: count }, (_, at) => request(at, 'session/create', params)));
  await Promise.all(others.map((wire) => wire.until('all events', () => wire.seqs.length >= count, 40_000)));
  const { connections } = (await writer.call('daemon/status')).result;
  expect(connections).toHaveLength(1_001);
  for (const { bufferedBytes } of connections) expect(bufferedBytes).toBeLessThan(1024 * 1024);
  for (const wire of stalled) wire.socket!.resume();
  await Promise.all(stalled.map((wire) => wire.until('all events', () => wire.seqs.length >= count)));
  const expected = Array.from({ length: count }, (_, at) => at + 1);
  for (const wire of wires) expect(wire.seqs).toEqual(expected);
  for (const wire of wires) wire.close();
  // Everything that was held for them has gone with them (P18).
  while ((await writer.call('daemon/status')).result.connections.length > 1) await new Promise((r) => setImmediate(r));
});

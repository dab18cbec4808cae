// Nothing of a connection is held once it has closed (P18): told by the garbage collector itself.
import { expect, it } from 'vitest';
import { Connection } from '../../daemon/serve/connection.ts';
import { afterTest, daemonInProcess, testHome } from '../support/daemon.ts';
import { collectGarbage } from '../support/memory.ts';
import type { Wire } from '../support/wire.ts';
import { wireInMemory } from '../support/wire.ts';

/** Opens ten connections, lets each do something and closes it; how many of them are still held. */
async function heldAfter(use: (wire: Wire) => Promise<unknown>): Promise<number> {
  const { run } = Connection.prototype;
  const connections: WeakRef<Connection>[] = [];
  Connection.prototype.run = function (this: Connection) {
    connections.push(new WeakRef(this));
    return run.call(this);
  };
  afterTest(() => {
    Connection.prototype.run = run;
  });
  const { daemon } = daemonInProcess(testHome());
  for (let round = 0; round < 10; round++) {
    const wire = wireInMemory(daemon);
    await use(wire);
    wire.close();
    await wire.closed;
  }
  for (let round = 0; round < 5; round++) {
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
  }
  return connections.filter((connection) => connection.deref()).length;
}

// Each allows for the last one, which a frame of this test itself may still hold.
it('[P18] a connection that asked is gone when it has closed', async () => {
  expect(await heldAfter((wire) => wire.call('session/list'))).toBeLessThanOrEqual(1);
});

// Fails until engine/bell.ts lets a waiter go: each wait leaves its closure on the ring until the next event comes.
it('[P18] a connection that subscribed is gone when it has closed, though no event ever comes', async () => {
  expect(await heldAfter((wire) => wire.call('events/subscribe', {}))).toBeLessThanOrEqual(1);
});

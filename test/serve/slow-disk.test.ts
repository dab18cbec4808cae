// A slow disk under a real daemon (test/support/disk.c): who reads waits for no commit.
import { expect, test } from 'vitest';
import { connectTo, startDaemon, testHome } from '../support/daemon.ts';
import { Disk } from '../support/disk.ts';

test('[P10] a read is answered while a commit is on its way to a slow disk, with what was there before', async () => {
  const home = testHome();
  const disk = new Disk(home.paths.data);
  await startDaemon(home, { env: { ...disk.env, DISK_SLOW_US: '3000' } });
  const [writer, reader] = [await connectTo(home), await connectTo(home)];
  // The first commit tells the daemon that the disk is slow.
  const { ids } = await writer.call('session/create', { directory: '/x', title: 'first' });
  const sessionId = ids.sessionId!;
  const titleOf = async () => (await reader.call('session/get', { sessionId })).session.title;

  const arrive = disk.holdSyncs();
  let isAcknowledged = false;
  const appended = writer.call('session/update', { sessionId, title: 'second' }).then(() => {
    isAcknowledged = true;
  });
  // What answers from memory, or from a connection of its own, would show it.
  let isTold = false;
  const asker = await connectTo(home);
  const beside = [asker.call('capability/list', {}), asker.call('session/search', { query: 'second' })];
  const told = Promise.race(beside).then(() => {
    isTold = true;
  });
  for (let reads = 0; reads < 20; reads += 1) expect(await titleOf()).toBe('first');
  expect([isAcknowledged, isTold]).toEqual([false, false]);
  arrive();
  await Promise.all([told, ...beside]);
  await appended;
  expect(await titleOf()).toBe('second');
});

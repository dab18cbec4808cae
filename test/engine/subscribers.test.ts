// The names that subscribers go on by, when things happen at once, late, or at the end.
import { expect, test } from 'vitest';
import { Subscribers } from '../../daemon/engine/subscribers.ts';
import { SubscriberRows } from '../../daemon/store/subscriber-rows.ts';
import { refuse } from '../../protocol/errors.ts';
import { testHome } from '../support/daemon.ts';
import type { Records } from '../support/records.ts';
import { openRecords } from '../support/records.ts';

const subscribersOf = ({ db, journal, writer, runtime }: Records, isGone = (_principal: string) => false) =>
  new Subscribers({ rows: new SubscriberRows(db), journal, writer, runtime, maxNames: 2, isGone });
const connection = (connectionId: string) => {
  const ends: string[] = [];
  return { connectionId, ends, end: (reason: string) => void ends.push(reason) };
};

test('an acknowledgement that comes when the daemon has given all names back is told ShuttingDown, not that somebody took the name', async () => {
  const records = openRecords(testHome().paths.data);
  const { journal, writer } = records;
  const subscribers = subscribersOf(records);
  const holder = connection('c1');
  await subscribers.hold('owner', 'editor', holder, journal.head);
  const acknowledge = () => subscribers.acknowledge('owner', 'editor', 'c1', journal.head);
  await acknowledge();
  const closing = writer.close(refuse('ShuttingDown', 'the daemon ends', {}));
  subscribers.release('owner', 'editor', holder);
  await expect(acknowledge()).rejects.toMatchObject({ refusal: { refused: 'ShuttingDown' } });
  await closing;
});

test('who takes a name while it is removed has a new one, which stays, after a restart too', async () => {
  const records = openRecords(testHome().paths.data);
  const subscribers = subscribersOf(records);
  const [first, second] = [connection('c1'), connection('c2')];
  await subscribers.hold('owner', 'editor', first, records.journal.head);
  await Promise.all([
    subscribers.remove('owner', 'editor'),
    subscribers.hold('owner', 'editor', second, records.journal.head),
  ]);
  expect([first.ends, second.ends]).toEqual([['unsubscribed'], []]);
  const listed = subscribers.list('owner');
  expect(listed).toMatchObject([{ name: 'editor', connectionId: 'c2' }]);
  expect(subscribersOf(records).list('owner')).toEqual(listed.map((each) => ({ ...each, connectionId: null })));
  await subscribers.remove('owner', 'editor');
  expect(subscribersOf(records).list('owner')).toEqual([]);
});

test('a name that cannot be removed from the disk is there as before', async () => {
  const records = openRecords(testHome().paths.data);
  const subscribers = subscribersOf(records);
  const holder = connection('c1');
  await subscribers.hold('owner', 'editor', holder, records.journal.head);
  const closing = records.writer.close(refuse('ShuttingDown', 'the daemon ends', {}));
  await expect(subscribers.remove('owner', 'editor')).rejects.toMatchObject({ refusal: { refused: 'ShuttingDown' } });
  await closing;
  expect(holder.ends).toEqual([]);
  expect(subscribers.list('owner')).toMatchObject([{ name: 'editor', connectionId: 'c1' }]);
});

test('a name is unused from the moment on that its holder goes, also by what is on disk a tick later', async () => {
  const records = openRecords(testHome().paths.data);
  const { runtime, journal } = records;
  const subscribers = subscribersOf(records);
  const holder = connection('c1');
  const hours = async (count: number) => {
    runtime.time += count * 3600_000;
    await subscribers.expire(runtime.time);
  };
  await subscribers.hold('owner', 'editor', holder, journal.head);
  await hours(23);
  subscribers.release('owner', 'editor', holder);
  await subscribers.expire(runtime.time);
  for (const each of [subscribers, subscribersOf(records)]) {
    expect(each.list('owner')).toMatchObject([{ usedAt: runtime.time }]);
  }
  await hours(30 * 24 - 1);
  expect(subscribers.list('owner')).toHaveLength(1);
  await hours(1);
  expect(subscribers.list('owner')).toEqual([]);
});

test('a name of who never comes again goes at the next tick, and holds the journal back no longer', async () => {
  const records = openRecords(testHome().paths.data);
  const subscribers = subscribersOf(records, (principal) => principal === 'cap_gone');
  const holder = connection('c1');
  for (const principal of ['cap_gone', 'cap_here']) {
    await subscribers.hold(principal, 'editor', holder, records.journal.head);
    subscribers.release(principal, 'editor', holder);
  }
  expect(subscribers.acknowledged).toHaveLength(2);
  await subscribers.expire(records.runtime.now());
  expect(subscribers.acknowledged).toHaveLength(1);
  expect(subscribersOf(records).list('cap_gone')).toEqual([]);
});

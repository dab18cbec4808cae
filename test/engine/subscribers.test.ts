// The names that subscribers go on by, when things happen at once, late, or at the end.
import { expect, test, vi } from 'vitest';
import { Subscribers } from '../../daemon/engine/subscribers.ts';
import { SubscriberRows } from '../../daemon/store/subscriber-rows.ts';
import { refuse } from '../../protocol/errors.ts';
import { testHome } from '../support/daemon.ts';
import { fillDisk } from '../support/full-disk.ts';
import type { Records } from '../support/records.ts';
import { openRecords } from '../support/records.ts';

/** Of `cap_a` come `cap_a1` and so on. */
const rootOf = (principal: string) => principal.slice(0, 5);
const subscribersOf = ({ db, journal, writer, runtime }: Records, isGone = (_principal: string) => false) =>
  new Subscribers({ rows: new SubscriberRows(db), journal, writer, runtime, maxNames: 2, rootOf, isGone });
const connection = (connectionId: string) => {
  const ends: string[] = [];
  return { connectionId, ends, end: (reason: string) => void ends.push(reason) };
};

const cursorAt = ({ journal }: Records, seq: number) => ({ ...journal.head, seq });

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
  for (const [principal, seq] of [['cap_gone', 0] as const, ['cap_here', 1] as const]) {
    await subscribers.hold(principal, 'editor', holder, cursorAt(records, seq));
    subscribers.release(principal, 'editor', holder);
  }
  expect(subscribers.acknowledged(0)).toEqual([0]);
  await subscribers.expire(records.runtime.now());
  expect(subscribers.acknowledged(0)).toEqual([1]);
  expect(subscribersOf(records).list('cap_gone')).toEqual([]);
});

test('those that came of the same have so many names together, whatever was removed, failed or taken over', async () => {
  const records = openRecords(testHome().paths.data);
  const first = subscribersOf(records);
  const { head } = records.journal;
  const hold = (from: Subscribers, principal: string, name: string) =>
    from.hold(principal, name, connection('c1'), head);
  await hold(first, 'cap_a', 'one');
  await hold(first, 'cap_a1', 'one');
  for (const subscribers of [first, subscribersOf(records)]) {
    for (const principal of ['cap_a', 'cap_a1', 'cap_a2']) {
      await expect(hold(subscribers, principal, 'two')).rejects.toMatchObject({
        refusal: { refused: 'LimitExceeded', data: { limit: 2, what: 'named subscribers' } },
      });
    }
    await hold(subscribers, 'cap_a1', 'one');
    await hold(subscribers, 'cap_b', 'one');
    await subscribers.remove('cap_b', 'one');
  }
  await first.remove('cap_a', 'one');
  const makeRoom = fillDisk(records.db);
  await expect(hold(first, 'cap_a2', 'three')).rejects.toThrow('full');
  await expect(first.remove('cap_a1', 'one')).rejects.toThrow('full');
  makeRoom();
  await hold(first, 'cap_a2', 'two');
  await expect(hold(first, 'cap_a3', 'two')).rejects.toThrow('too many');
  expect(first.list('cap_a2').map(({ name }) => name)).toEqual(['two']);
});

test('the one that is least far holds the journal back, of those from where it begins, however they come and go', async () => {
  const records = openRecords(testHome().paths.data);
  const subscribers = subscribersOf(records);
  const model = new Map<string, number>();
  let dice = 7;
  const roll = (sides: number) => {
    dice = (dice * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((dice / 2 ** 31) * sides);
  };
  for (let step = 0, floor = 0; step < 400; step += 1) {
    const principal = `cap_${'abcdefgh'[roll(8)]}`;
    const at = cursorAt(records, roll(200));
    if (!model.has(principal)) {
      await subscribers.hold(principal, 'n', connection('c1'), at);
      model.set(principal, at.seq);
    } else if (roll(4) === 0) {
      await subscribers.remove(principal, 'n');
      model.delete(principal);
    } else {
      await subscribers.acknowledge(principal, 'n', 'c1', at);
      model.set(principal, Math.max(model.get(principal)!, at.seq));
    }
    if (roll(20) === 0) floor += roll(10);
    const expected = [...model.values()].filter((seq) => seq >= floor).sort((a, b) => a - b);
    expect(subscribers.acknowledged(floor)).toEqual(expected.slice(0, 1));
  }
});

test('however many names there are, that they do not change is not found out by looking at each', async () => {
  const records = openRecords(testHome().paths.data);
  const subscribers = subscribersOf(records);
  for (const name of ['b', 'c', 'd'])
    await subscribers.hold(`cap_${name}`, 'n', connection('c1'), cursorAt(records, 5));
  expect(subscribers.acknowledged(0)).toEqual([5]);
  const looked = vi.spyOn(String.prototype, 'startsWith');
  const before = looked.mock.calls.length;
  for (let asked = 0; asked < 10; asked += 1) expect(subscribers.acknowledged(asked / 2)).toEqual([5]);
  const after = looked.mock.calls.length;
  looked.mockRestore();
  expect(after).toBe(before);
});

// A commit on a slow disk: the event loop goes on while it is brought there, and nobody sees of it what a loss of power would take back.
import { expect, test, vi } from 'vitest';
import { WriteAhead } from '../../daemon/store/write-ahead.ts';
import { afterTest, testFolder } from '../support/daemon.ts';
import { HandRuntime, op, openRecords, owner } from '../support/records.ts';

/** A clock by which each fsync takes longer than the event loop waits for. */
class SlowRuntime extends HandRuntime {
  override monotonic = () => (this.time += 5);
}

function later() {
  let [resolve, reject]: [() => void, (error: unknown) => void] = [() => {}, () => {}];
  const promise = new Promise<void>((...both) => {
    [resolve, reject] = both;
  });
  return { promise, resolve, reject };
}

/** Resolves `reached` when a commit is on its way to the disk; there it stays until `arrive`, or what `fail` says. */
function heldSync() {
  const real = WriteAhead.prototype.sync;
  const held = later();
  const reached = later();
  const spy = vi.spyOn(WriteAhead.prototype, 'sync').mockImplementationOnce(async function (this: WriteAhead) {
    reached.resolve();
    await held.promise;
    await real.call(this);
  });
  afterTest(() => spy.mockRestore());
  return { reached: reached.promise, arrive: held.resolve, fail: held.reject, spy };
}

async function slowRecords() {
  const records = openRecords(testFolder(), new SlowRuntime());
  const rung = records.bell.next();
  const first = await records.writer.appendOne(owner, op('session/create', { title: 'first', directory: '/x' }));
  await rung;
  const titles = () => records.lists.readSessions({}, 10, undefined).items.map((text) => JSON.parse(text).title);
  const seen = () => ({ head: records.journal.head.seq, titles: titles() });
  return { ...records, sessionId: first.ids.sessionId!, seen };
}

test('[P10] what is read while a commit is on its way to the disk is what was there before it', async () => {
  const { writer, journal, bell, seen, sessionId } = await slowRecords();
  const { reached, arrive } = heldSync();
  const before = journal.head;
  let rang = false;
  bell.onRing(() => {
    rang = true;
  });
  let acknowledged = false;
  const appended = writer.appendOne(owner, op('session/update', { sessionId, title: 'second' })).then(() => {
    acknowledged = true;
  });
  await reached;
  expect(seen()).toEqual({ head: 1, titles: ['first'] });
  expect(journal.readAfter(before, {}, { events: 10, bytes: 1e6 }).events).toEqual([]);
  expect([acknowledged, rang]).toEqual([false, false]);
  arrive();
  await appended;
  expect(seen()).toEqual({ head: 2, titles: ['second'] });
  expect(journal.readAfter(before, {}, { events: 10, bytes: 1e6 }).events).toHaveLength(1);
});

test('[P10] who reads in several turns sees one state: what was there before, also when the commit has arrived', async () => {
  const { writer, shown, sessionId } = await slowRecords();
  const { reached, arrive } = heldSync();
  const title = ({ lists }: ReturnType<typeof shown>) => {
    const [text] = lists.readSessions({}, 10, undefined).items;
    return (JSON.parse(text!) as { title: string }).title;
  };
  const update = (to: string) => writer.appendOne(owner, op('session/update', { sessionId, title: to }));
  const appended = update('second');
  await reached;
  const held = [shown(), shown()] as const;
  const short = shown();
  expect([...held, short].map(title)).toEqual(['first', 'first', 'first']);
  short.close();
  arrive();
  await appended;
  await update('third');
  const third = shown();
  expect([...held, third].map(title)).toEqual(['first', 'first', 'third']);
  third.close();
  held[0].close();
  expect(title(held[1])).toBe('first');
  held[1].close();
  await update('fourth');
  const last = shown();
  expect(title(last)).toBe('fourth');
  last.close();
});

test('[P10] ops that come while a commit is on its way are applied behind it, in order', async () => {
  const { writer, seen, sessionId } = await slowRecords();
  const { reached, arrive, spy } = heldSync();
  const update = (title: string) => writer.appendOne(owner, op('session/update', { sessionId, title }));
  const second = update('second');
  await reached;
  const later = [update('third'), update('fourth')];
  arrive();
  const versions = (await Promise.all([second, ...later])).map(({ version }) => version);
  expect(versions).toEqual([2, 3, 4]);
  expect(seen().titles).toEqual(['fourth']);
  // One for the second alone, one for both that came meanwhile.
  expect(spy).toHaveBeenCalledTimes(2);
});

test('[P11] when a commit does not arrive nobody is told that it did, and nothing is written any more', async () => {
  const { writer, fatal, seen, sessionId } = await slowRecords();
  const { reached, fail } = heldSync();
  const update = (title: string) => writer.appendOne(owner, op('session/update', { sessionId, title }));
  const second = update('second');
  await reached;
  const third = update('third');
  const failure = Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
  fail(failure);
  const io = { refusal: { refused: 'StoreUnavailable', data: { reason: 'io' } } };
  await expect(second).rejects.toMatchObject(io);
  await expect(third).rejects.toMatchObject(io);
  await expect(update('fourth')).rejects.toMatchObject(io);
  await vi.waitFor(() => expect(fatal).toEqual([failure]));
  expect(seen()).toEqual({ head: 1, titles: ['first'] });
});

test('a transaction that changes nothing is not waited for', async () => {
  const { writer, sessionId } = await slowRecords();
  const spy = vi.spyOn(WriteAhead.prototype, 'sync');
  afterTest(() => spy.mockRestore());
  const same = op('session/update', { sessionId, title: 'second' });
  await writer.appendOne(owner, same);
  await writer.appendOne(owner, same);
  await expect(writer.appendOne(owner, op('session/delete', { sessionId: 'ses_none' }))).rejects.toThrow();
  expect(spy).toHaveBeenCalledTimes(1);
});

test('[P10] what answers from memory waits until a commit has arrived, and is told when it has not', async () => {
  const { writer, sessionId } = await slowRecords();
  const { reached, arrive } = heldSync();
  await writer.settled();
  const appended = writer.appendOne(owner, op('session/update', { sessionId, title: 'second' }));
  await reached;
  const order: string[] = [];
  const settled = writer.settled().then(() => void order.push('settled'));
  order.push('arrives');
  arrive();
  await Promise.all([appended, settled]);
  expect(order).toEqual(['arrives', 'settled']);
  const lost = heldSync();
  const failing = writer.appendOne(owner, op('session/update', { sessionId, title: 'third' }));
  await lost.reached;
  const waiting = writer.settled();
  lost.fail(new Error('EIO'));
  await expect(failing).rejects.toMatchObject({ refusal: { data: { reason: 'io' } } });
  await expect(waiting).rejects.toMatchObject({ refusal: { data: { reason: 'io' } } });
});

test('a store whose state cannot be kept for readers is synced while they wait', async () => {
  const { writer, seen, sessionId } = await slowRecords();
  const pin = vi.spyOn(WriteAhead.prototype, 'pin').mockImplementation(() => {
    throw new Error('unable to open database file');
  });
  afterTest(() => pin.mockRestore());
  await writer.appendOne(owner, op('session/update', { sessionId, title: 'second' }));
  expect(seen()).toEqual({ head: 2, titles: ['second'] });
});

// A host that is killed while a home sends: the same batch again completes it, and nothing is there twice (P10, P13).
import { expect, test } from 'vitest';
import type { Client } from '../../protocol/client.ts';
import { TransportClosedError } from '../../protocol/transport.ts';
import { connectTo, startDaemon, testHome } from '../support/daemon.ts';
import { op, openRecords, owner } from '../support/records.ts';
import { batchOf, itemsOf } from '../support/replica.ts';

async function homeOf() {
  const home = openRecords(testHome().paths.data);
  const sessionId = 'ses_a';
  await home.writer.appendOne(owner, op('session/create', { sessionId }));
  await home.writer.appendOne(owner, op('message/put', { sessionId, messageId: 'msg_a', role: 'user' }));
  const part = { type: 'text', text: '' } as const;
  await home.writer.appendOne(owner, op('part/put', { sessionId, messageId: 'msg_a', partId: 'prt_a', part }));
  const delta = { sessionId, partId: 'prt_a', field: 'text', offset: 0, text: 'x' } as const;
  await home.writer.appendOne(owner, op('part/delta', delta));
  return home;
}

const versionsOf = async (client: Client) => {
  const { earliest } = await client.call('daemon/status', {});
  const { events } = await client.call('events/read', { after: earliest, limit: 1_000 });
  return events.flatMap(({ sessionId, version }) => (sessionId === 'ses_a' ? [version] : []));
};

test.each([
  ['before the commit nothing of a batch is there', 'beforeCommit', false],
  ['after the commit all of it is, although its home was not told', 'afterCommit', true],
  ['before the reply all of it is, although its home was not told', 'beforeReply', true],
])('[P13] killed %s, and sent again it is there once', async (_name, failpoint, isThere) => {
  const sender = await homeOf();
  const items = itemsOf(sender);
  const host = testHome();
  // Passed once for a session of its own, and once for a first batch.
  const daemon = await startDaemon(host, { failpoint: `${failpoint}:3` });
  const client = await connectTo(host);
  await client.call('session/create', { sessionId: 'ses_own' });
  await client.call('replica/append', batchOf(sender, items.slice(0, 1)));
  const batch = batchOf(sender, items.slice(1), { through: `${sender.journal.storeId}.4.t` });
  await expect(client.call('replica/append', batch)).rejects.toThrow(TransportClosedError);
  expect(await daemon.exit).toBe('SIGKILL');

  await startDaemon(host);
  const again = await connectTo(host);
  expect(await versionsOf(again)).toEqual(isThere ? [1, 2, 3, 4] : [1]);
  const asked = batchOf(sender, []);
  const { cursor } = await again.call('replica/append', asked);
  expect(cursor).toBe(`${sender.journal.storeId}.${isThere ? '4.t' : '1.0'}`);
  const { applied, duplicates, rejected } = await again.call('replica/append', batch);
  expect([applied.length, duplicates.length, rejected]).toEqual(isThere ? [0, 3, []] : [3, 0, []]);
  expect(await versionsOf(again)).toEqual([1, 2, 3, 4]);
});

test('[P10] killed when a guest was told nothing: the op is kept, and sent again it is the same', async () => {
  const sender = await homeOf();
  const host = testHome();
  const daemon = await startDaemon(host, { failpoint: 'beforeReply:2' });
  const client = await connectTo(host);
  await client.call('replica/append', batchOf(sender, itemsOf(sender)));
  const asked = op('session/update', { sessionId: 'ses_a', title: 'theirs' });
  await expect(client.call('guest/append', { ops: [asked] })).rejects.toThrow(TransportClosedError);
  expect(await daemon.exit).toBe('SIGKILL');
  await startDaemon(host);
  const again = await connectTo(host);
  const { storeId: origin } = sender.journal;
  const [item] = (await again.call('guest/take', { origin })).items;
  const { op: taken, guestOpId, principal, actorId } = item!;
  const done = await sender.writer.appendOne({ principal, actorId }, taken);
  const { opId, seq, version, ids } = done;
  await again.call('guest/ack', { origin, results: [{ guestOpId, applied: { opId, seq, version, ids } }] });
  await again.call('replica/append', batchOf(sender, itemsOf(sender)));
  const { duplicates, pending } = await again.call('guest/append', { ops: [asked] });
  expect([duplicates, pending]).toEqual([[{ opId, seq, version, ids }], undefined]);
  expect((await again.call('guest/take', { origin })).items).toEqual([]);
});

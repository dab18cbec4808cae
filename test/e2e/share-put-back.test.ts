// A home or a host whose store is put back to an older state: the home goes on from what the host holds, and never guesses.
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import type { Event } from '../../protocol/schema.ts';
import { emptyView, reduce } from '../../protocol/view.ts';
import type { Side } from '../support/share-pair.ts';
import { comparable, eventually, sharePair } from '../support/share-pair.ts';

const storeOf = (side: Side) => join(side.home.paths.data, 'store.db');
const copyOf = (side: Side) => join(side.home.folder, 'copy.db');

async function stop(side: Side): Promise<void> {
  side.client.close();
  await side.running!.kill('SIGTERM');
}

/** Keeps the store as it is now. It must be stopped. */
const keep = (side: Side) => copyFileSync(storeOf(side), copyOf(side));

function putBack(side: Side, newStoreId?: string): void {
  for (const end of ['', '-wal', '-shm']) rmSync(storeOf(side) + end, { force: true });
  copyFileSync(copyOf(side), storeOf(side));
  if (newStoreId === undefined) return;
  const db = new Database(storeOf(side));
  db.prepare('UPDATE store SET store_id = ?').run(newStoreId);
  db.close();
}

const rename = (side: Side, id: string, title: string) => side.client.call('session/update', { sessionId: id, title });

/** What the events of a session make of it. */
function folded(events: Event[]) {
  const view = [...events.reduce(reduce, emptyView()).values()][0];
  return view && { title: view.session.title, messages: [...view.messages.values()].map(({ message }) => message.id) };
}

async function pairInSync() {
  const pair = await sharePair();
  const { home, url, token } = pair;
  for (const id of ['ses_a', 'ses_b']) {
    await home.client.call('session/create', { sessionId: id, title: 'one' });
    await home.client.call('message/put', { sessionId: id, messageId: `msg_${id}`, role: 'user' });
  }
  await home.client.call('sink/add', { name: 'host', kind: 'http', url, token, mask: false });
  const caughtUp = () =>
    eventually(
      'the sink to be caught up',
      () => home.client.call('sink/list', {}),
      ({ items }) => items[0]!.lag === 0 && items[0]!.state === 'active',
    );
  await caughtUp();
  return { ...pair, caughtUp };
}

test('[P1] a host that was put back is sent again what it lost, verbatim, and nothing twice', async () => {
  const { home, host, proxy, caughtUp } = await pairInSync();
  await stop(host);
  keep(host);
  await host.start();
  proxy.to(host.port);
  await rename(home, 'ses_a', 'two');
  await rename(home, 'ses_b', 'two');
  await caughtUp();
  await stop(host);
  putBack(host);
  await host.start();
  proxy.to(host.port);
  // Of one session alone there is something new: the other is sent what it lacks too.
  await rename(home, 'ses_a', 'three');
  await caughtUp();
  for (const id of ['ses_a', 'ses_b']) {
    const [mine, theirs] = [await home.events(id), await host.events(id)];
    expect(theirs.map(comparable)).toEqual(mine.map(comparable));
  }
});

test('[P1] a home that was put back by hand sends its sessions whole: the host shows what the home shows', async () => {
  const { home, host, caughtUp } = await pairInSync();
  await stop(home);
  keep(home);
  await home.start();
  await rename(home, 'ses_a', 'lost');
  await rename(home, 'ses_b', 'lost');
  await caughtUp();
  await stop(home);
  putBack(home);
  await home.start();
  await rename(home, 'ses_a', 'kept');
  await caughtUp();
  for (const [id, title] of [
    ['ses_a', 'kept'],
    ['ses_b', 'one'],
  ] as const) {
    const { session } = await host.client.call('session/get', { sessionId: id });
    expect(session.title).toBe(title);
    expect(folded(await host.events(id))).toEqual(folded(await home.events(id)));
  }
  await rename(home, 'ses_b', 'on');
  await caughtUp();
  expect(folded(await host.events('ses_b'))).toMatchObject({ title: 'on' });
});

test('[P1] a home that was restored, under a new storeId, sends its sessions whole, and goes on', async () => {
  const { home, host, caughtUp } = await pairInSync();
  await stop(home);
  keep(home);
  await home.start();
  await rename(home, 'ses_a', 'lost');
  await caughtUp();
  await stop(home);
  putBack(home, 'a1b2c3d4e5f60718');
  await home.start();
  await caughtUp();
  expect(folded(await host.events('ses_a'))).toEqual(folded(await home.events('ses_a')));
  await rename(home, 'ses_a', 'on');
  await caughtUp();
  expect(folded(await host.events('ses_a'))).toMatchObject({ title: 'on', messages: ['msg_ses_a'] });
  const { items } = await home.client.call('outbox/list', { sink: 'host' });
  expect(items.flatMap(({ rejected }) => rejected)).toEqual([]);
});

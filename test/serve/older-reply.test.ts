// A client that reads and subscribes: what it read may reach it behind what happened since.
import { expect, test } from 'vitest';
import { isNewer } from '../../protocol/cursor.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import { wireInMemory } from '../support/wire.ts';

test('[P27] an older reply does not overwrite what a subscription told: the client compares cursors', async () => {
  const { daemon } = daemonInProcess(testHome());
  const [writer, reader, watcher] = [wireInMemory(daemon), wireInMemory(daemon), wireInMemory(daemon)];
  await writer.call('session/create', { sessionId: 'ses_a', title: 'old' });
  await writer.call('session/create', { sessionId: 'ses_b', title: 'gone soon' });
  await watcher.call('events/subscribe', { from: 'start' });

  // Read before the change, and handed to the client after it.
  const older = (await reader.call('session/list')).result;
  const { cursor } = (await writer.call('session/update', { sessionId: 'ses_a', title: 'new' })).result;
  const removal = (await writer.call('session/delete', { sessionId: 'ses_b' })).result;

  const titles = new Map<string, string>();
  let shown = '';
  await watcher.until('all that was written', () => told().at(-1)?.params.cursor === removal.cursor);
  for (const { params } of told()) {
    for (const { type, sessionId, data } of params.events) {
      if (type === 'session/deleted') titles.delete(sessionId);
      else titles.set(sessionId, data.title);
    }
    shown = params.cursor;
  }
  const take = (reply: { cursor: string; items: { id: string; title: string }[] }) => {
    if (isNewer(reply.cursor, shown) === false) return;
    titles.clear();
    for (const { id, title } of reply.items) titles.set(id, title);
    shown = reply.cursor;
  };
  take(older);
  expect([...titles]).toEqual([['ses_a', 'new']]);
  expect([isNewer(older.cursor, cursor), isNewer(cursor, older.cursor), isNewer(cursor, cursor)]).toEqual([
    ...[false, true, false],
  ]);
  expect(isNewer(cursor.replace(/^[^.]+/, 'another'), cursor)).toBeUndefined();

  // One that was read later is taken.
  await writer.call('session/update', { sessionId: 'ses_a', title: 'newest' });
  take((await reader.call('session/list')).result);
  expect([...titles]).toEqual([['ses_a', 'newest']]);

  function told() {
    return watcher.notifications('events/batch');
  }
});

// What a named subscriber is told when the daemon is on its way out.
import { expect, test } from 'vitest';
import { Subscribers } from '../../daemon/engine/subscribers.ts';
import { SubscriberRows } from '../../daemon/store/subscriber-rows.ts';
import { refuse } from '../../protocol/errors.ts';
import { testHome } from '../support/daemon.ts';
import { openRecords } from '../support/records.ts';

test('an acknowledgement that comes when the daemon has given all names back is told ShuttingDown, not that somebody took the name', async () => {
  const { db, journal, writer, runtime } = openRecords(testHome().paths.data);
  const subscribers = new Subscribers({ rows: new SubscriberRows(db), journal, writer, runtime, maxNames: 2 });
  const holder = { connectionId: 'c1', end: () => {} };
  await subscribers.hold('owner', 'editor', holder, journal.head);
  const acknowledge = () => subscribers.acknowledge('owner', 'editor', 'c1', journal.head);
  await acknowledge();
  const closing = writer.close(refuse('ShuttingDown', 'the daemon ends', {}));
  subscribers.release('owner', 'editor', holder);
  await expect(acknowledge()).rejects.toMatchObject({ refusal: { refused: 'ShuttingDown' } });
  await closing;
});

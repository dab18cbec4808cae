// Feeds at one cursor share one read of the journal and one text (DESIGN.md, rule 3).
import { expect, test } from 'vitest';
import { SharedReads } from '../../daemon/engine/shared-reads.ts';
import { testHome } from '../support/daemon.ts';
import { op, openRecords, owner } from '../support/records.ts';

const query = (filter = {}, maxBatch = 100) => {
  return { filter, maxBatch, maxBatchBytes: 1e6, key: JSON.stringify([filter, maxBatch]) };
};

test('the same query at the same cursor is read once, and anew when the journal has changed', async () => {
  const { journal, writer } = openRecords(testHome().paths.data);
  await writer.appendOne(owner, op('session/create', {}));
  const reads = new SharedReads(journal);
  const first = reads.read(journal.earliest, query());
  expect(first).toMatchObject({ count: 1, through: journal.head, whole: true });
  expect(reads.read(journal.earliest, query())).toBe(first);
  expect(reads.read(journal.earliest, query({ types: ['part/*'] })).count).toBe(0);
  expect(reads.read(journal.head, query()).count).toBe(0);
  await writer.appendOne(owner, op('session/create', {}));
  expect(reads.read(journal.earliest, query()).count).toBe(2);
  expect(reads.read(journal.earliest, query({}, 1)).count).toBe(1);
});

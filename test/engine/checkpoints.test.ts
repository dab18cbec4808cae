// The log is copied back by a worker, and begun anew also under constant load.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Checkpoints } from '../../daemon/engine/checkpoints.ts';
import type { Db } from '../../daemon/store/open.ts';
import { largeLogBytes } from '../../daemon/store/open.ts';
import { dist } from '../support/build.ts';
import { afterTest, testFolder } from '../support/daemon.ts';
import { HandRuntime, op, openRecords, owner } from '../support/records.ts';

function checkpointsOf(folder: string) {
  const runtime = new HandRuntime();
  const checkpoints = new Checkpoints({
    workerPath: join(dist, 'checkpoint-worker.mjs'),
    store: join(folder, 'store.db'),
    runtime,
  });
  afterTest(() => checkpoints.close());
  return checkpoints;
}

const logFrames = (db: Db) => (db.pragma('wal_checkpoint(PASSIVE)') as [{ log: number }])[0].log;

test('a commit waits for the copy of a log that is too large, and begins it anew', async () => {
  const folder = testFolder();
  const { writer, db } = openRecords(folder);
  const checkpoints = checkpointsOf(folder);
  const append = () => writer.appendOne(owner, op('session/create', { title: 'x', directory: '/x' }));
  for (let n = 0; n < 100; n += 1) await append();
  // A log that is not large: nothing is waited for.
  expect(checkpoints.note(1, largeLogBytes)).toBeUndefined();
  await checkpoints.note(1, largeLogBytes + 1);
  await append();
  expect(logFrames(db)).toBeLessThan(30);
});

test('a log that cannot be begun anew is waited for once for each such length', async () => {
  const folder = testFolder();
  const { writer } = openRecords(folder);
  const checkpoints = checkpointsOf(folder);
  await writer.appendOne(owner, op('session/create', { title: 'first', directory: '/x' }));
  await checkpoints.note(1, largeLogBytes + 1);
  expect(checkpoints.note(1, largeLogBytes + 2)).toBeUndefined();
  await checkpoints.note(1, 2 * largeLogBytes + 2);
  expect(checkpoints.note(1, 100)).toBeUndefined();
  await expect(checkpoints.note(1, largeLogBytes + 1)).resolves.toBeUndefined();
});

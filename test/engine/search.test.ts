// The worker that searches: it lives while it is used, and what it does not survive costs one search.
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { SearcherDeps } from '../../daemon/engine/search.ts';
import { Searcher } from '../../daemon/engine/search.ts';
import { SearchIndex } from '../../daemon/store/search-index.ts';
import { dist } from '../support/build.ts';
import { afterTest, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import { HandRuntime, op, openRecords, owner } from '../support/records.ts';

const idleMs = 77;

class IdlingRuntime extends HandRuntime {
  /** Ends the worker's rest. */
  idle: () => void = () => {};
  override sleep = (ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      if (ms === idleMs) this.idle = resolve;
    });
}

async function searching(changes: Partial<SearcherDeps> = {}) {
  const folder = testHome().paths.data;
  const records = openRecords(folder);
  const at = { sessionId: 'ses_a', messageId: 'msg_a' };
  await records.writer.append(owner, [
    op('session/create', { sessionId: 'ses_a' }),
    op('message/put', { ...at, role: 'user' }),
    op('part/put', { ...at, partId: 'prt_a', part: { type: 'text', text: 'pebble' } }),
  ]);
  const paths = { store: join(folder, 'store.db'), index: join(folder, 'search.db') };
  const index = new SearchIndex(paths.index, records.db, records.journal);
  index.put(index.read(1 << 20)!);
  index.close();
  const runtime = new IdlingRuntime();
  const workerPath = join(dist, 'search-worker.mjs');
  const searcher = new Searcher({ workerPath, paths, runtime, limits: { idleMs }, ...changes });
  afterTest(() => searcher.close());
  const search = (signal = new AbortController().signal) => searcher.search({ query: 'pebble', limit: 10 }, signal);
  return { searcher, search, runtime, paths };
}

const items = (found: object) => (found as { items: string[] }).items;

test('a worker is started by the first search and ended after some idleness; the next search starts another', async () => {
  const { searcher, search, runtime } = await searching();
  expect(searcher.isAwake).toBe(false);
  expect(items(await search())).toHaveLength(1);
  expect(searcher.isAwake).toBe(true);
  runtime.idle();
  const ended = async () => {
    while (searcher.isAwake) await nextTurn();
  };
  await within('the worker to end', ended());
  expect(items(await search())).toHaveLength(1);
  expect(searcher.isAwake).toBe(true);
});

test('an index that is not there is told as damaged', async () => {
  const { search, paths } = await searching();
  for (const suffix of ['', '-wal', '-shm']) rmSync(paths.index + suffix, { force: true });
  expect(await search()).toEqual({ damaged: expect.stringContaining('unable to open') });
  // It only reads.
  expect(existsSync(paths.index)).toBe(false);
});

test('a store that cannot be read is an error, and no fault of the index', async () => {
  const { paths } = await searching();
  const { search } = await searching({ paths: { ...paths, store: join(dist, 'cli.js') } });
  await expect(search()).rejects.toThrow('a search could not read the store');
  await expect(search()).rejects.toThrow('a search could not read the store');
});

test('a search that nobody waits for any more is not begun, and close refuses those that wait', async () => {
  const { searcher, search } = await searching();
  await expect(search(AbortSignal.abort())).rejects.toMatchObject({ refusal: { refused: 'ShuttingDown' } });
  expect(searcher.isAwake).toBe(false);
  const waiting = [search(), search()];
  const ended = Promise.allSettled(waiting);
  await nextTurn();
  await searcher.close();
  expect((await ended).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(searcher.isAwake).toBe(false);
});

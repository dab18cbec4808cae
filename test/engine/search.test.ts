// The worker that searches: it lives while it is used, and what it does not survive costs one search.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
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
  /** Ends the time of the search under way. */
  late: () => void = () => {};
  override sleep = (ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      if (ms === idleMs) this.idle = resolve;
      else this.late = resolve;
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
  expect(await search()).toEqual({ damaged: 'there is no file' });
  // It only reads.
  expect(existsSync(paths.index)).toBe(false);
});

test('a pipe in the place of the index holds nobody', async () => {
  const { search, paths } = await searching();
  rmSync(paths.index);
  execFileSync('mkfifo', [paths.index]);
  expect(await search()).toEqual({ damaged: 'there is no file' });
});

test('a store that cannot be read is an error, and no fault of the index', async () => {
  const { paths } = await searching();
  const { search } = await searching({ paths: { ...paths, store: join(dist, 'cli.js') } });
  await expect(search()).rejects.toThrow('the store could not be read');
  await expect(search()).rejects.toThrow('the store could not be read');
});

test('a search that nobody waits for any more is not begun, and close refuses those that wait', async () => {
  const { searcher, search } = await searching();
  await expect(search(AbortSignal.abort())).rejects.toMatchObject({ refusal: { refused: 'ShuttingDown' } });
  expect(searcher.isAwake).toBe(false);
  const waiting = [search(), search()];
  const ended = Promise.allSettled(waiting);
  await nextTurn();
  searcher.close();
  expect((await ended).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(searcher.isAwake).toBe(false);
});

/** A worker that answers a query with its words, and a query for `stuck` not before `free` is called: it is in a call. */
function stuckWorker() {
  const folder = testHome().paths.data;
  mkdirSync(folder, { recursive: true });
  const pipe = join(folder, 'pipe');
  const sign = join(folder, 'sign');
  execFileSync('mkfifo', [pipe]);
  const workerPath = join(folder, 'worker.mjs');
  const source = `
    import { openSync, closeSync, writeFileSync } from 'node:fs';
    import { parentPort } from 'node:worker_threads';
    parentPort.on('message', ({ query }) => {
      if (query.terms[0] === '"stuck"') {
        writeFileSync(${JSON.stringify(sign)}, '');
        closeSync(openSync(${JSON.stringify(pipe)}, 'r'));
      }
      parentPort.postMessage(query.terms[0] === '"late"' ? { late: true } : { items: query.terms, cursor: '' });
    });`;
  writeFileSync(workerPath, source);
  // Both ends at once: it waits for nobody, and whoever waits goes on.
  const free = () => closeSync(openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK));
  afterTest(free);
  const isStuck = async () => {
    while (!existsSync(sign)) await nextTurn();
    rmSync(sign);
  };
  return { workerPath, free, stuck: () => within('the worker to be in its call', isStuck()) };
}

/** A searcher over such a worker; `ask` is for a connection of this name. */
function stuckSearching() {
  const { workerPath, free, stuck } = stuckWorker();
  const runtime = new IdlingRuntime();
  const searcher = new Searcher({ workerPath, paths: { store: '', index: '' }, runtime, limits: { idleMs } });
  afterTest(() => searcher.close());
  const connections = new Map<string, AbortSignal>();
  const answered: string[] = [];
  const ask = async (name: string, query = name) => {
    if (!connections.has(name)) connections.set(name, new AbortController().signal);
    const found = await searcher.search({ query, limit: 1 }, connections.get(name)!);
    answered.push(name);
    return found;
  };
  /** One that is stuck, and for whom the time is up. */
  const stick = async () => {
    const search = ask('stuck');
    await stuck();
    runtime.late();
    await expect(search).rejects.toMatchObject({ refusal: { refused: 'LimitExceeded', data: { limit: 10_000 } } });
  };
  return { searcher, ask, answered, stick, stuck, free };
}

test('[P8] a worker that is stuck in a call delays no search behind it, and close does not wait for it', async () => {
  const { searcher, ask, stick, stuck } = stuckSearching();
  await stick();
  expect(searcher.isAwake).toBe(false);
  expect(items(await ask('next'))).toEqual(['"next"']);
  const search = ask('stuck');
  search.catch(() => {});
  await stuck();
  searcher.close();
  await expect(within('the search to end', search)).rejects.toMatchObject({ refusal: { refused: 'ShuttingDown' } });
});

test('of workers that are stuck there are no more than two; then searches are Overloaded, until one has come out', async () => {
  const { ask, stick, free } = stuckSearching();
  await stick();
  await stick();
  await expect(ask('next')).rejects.toMatchObject({ refusal: { refused: 'Overloaded' } });
  free();
  const answer = async () => {
    for (;;) {
      const found = await ask('next').catch(() => undefined);
      if (found) return found;
      await nextTurn();
    }
  };
  expect(items(await within('a search to be taken', answer()))).toEqual(['"next"']);
});

test('a search whose worker says itself that it took too long is refused, and the worker lives on', async () => {
  const { searcher, ask } = stuckSearching();
  await expect(ask('late')).rejects.toMatchObject({ refusal: { refused: 'LimitExceeded', data: { limit: 10_000 } } });
  expect(searcher.isAwake).toBe(true);
});

test('[P8] nobody waits behind more than one search of each other connection, however many it sends', async () => {
  const { ask, answered } = stuckSearching();
  const asked = Array.from({ length: 5 }, () => ask('many'));
  await ask('first');
  expect(answered).toEqual(['many', 'first']);
  asked.push(ask('b'), ask('b'), ask('c'));
  await Promise.all(asked);
  expect(answered).toEqual(['many', 'first', 'many', 'b', 'c', 'many', 'b', 'many', 'many']);
});

test('a query that has one word too often is refused', async () => {
  const { ask } = stuckSearching();
  await expect(ask('often', `"${'a '.repeat(65)}"`)).rejects.toMatchObject({
    refusal: { refused: 'LimitExceeded', data: { limit: 64, what: 'times the same word in a search' } },
  });
  expect(items(await ask('often', `"${'a '.repeat(64)}"`))).toHaveLength(1);
});

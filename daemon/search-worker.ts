// The worker that searches: one query after another, on connections that only read, opened for each and closed behind it, so
// that it holds nothing of an index that is made anew meanwhile.
import { parentPort, workerData } from 'node:worker_threads';
import { systemRuntime } from './engine/runtime.ts';
import type { SearchTask } from './engine/search.ts';
import { readFound } from './store/search-query.ts';

const { monotonic } = systemRuntime({ info() {}, warn() {}, error() {} });

parentPort!.on('message', ({ query, searchMs, pageMs }: SearchTask) => {
  const paths = workerData as { store: string; index: string };
  parentPort!.postMessage(readFound(paths, query, { searchMs, pageMs, monotonic }));
});

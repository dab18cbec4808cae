// The worker that searches: one query after another, on connections that only read, opened for each and closed behind it, so
// that it holds nothing of an index that is made anew meanwhile.
import { parentPort, workerData } from 'node:worker_threads';
import type { SearchQuery } from './store/search-query.ts';
import { readFound } from './store/search-query.ts';

parentPort!.on('message', (query: SearchQuery) => {
  parentPort!.postMessage(readFound(workerData as { store: string; index: string }, query));
});

// session/search as a read: it observes what was written before it, as far as the index gets there in time, and tells the
// position that it shows.
import { RefusedError, refuse } from '../../protocol/errors.ts';
import type { Indexer } from '../engine/indexer.ts';
import type { Reads } from '../engine/reads.ts';
import type { Runtime } from '../engine/runtime.ts';
import type { SearchAsk, Searcher } from '../engine/search.ts';
import type { Caller } from './caller.ts';
import type { RawJson } from './message.ts';
import type { Pages } from './page.ts';
import { ringOrTimeout } from './wait.ts';

export type SearchDeps = Pick<Reads, 'journal'> & {
  indexer: Pick<Indexer, 'hasReached' | 'isDelayed' | 'onReached' | 'place' | 'strangerAt' | 'remake' | 'fault'>;
  searcher: Pick<Searcher, 'search'>;
  runtime: Runtime;
  limits: { searchWaitMs: number };
  pages: Pages;
};

type Params = Omit<SearchAsk, 'limit' | 'after'> & { limit?: number | undefined; pageToken?: string | undefined };

/**
 * Throws RefusedError: see Searcher; Overloaded while the index is made anew and cannot be read yet, StoreUnavailable when it
 * can neither be read nor written.
 */
export async function searchSessions(
  deps: SearchDeps,
  { limit = 100, pageToken, ...ask }: Params,
  caller: Caller,
): Promise<RawJson> {
  const { journal, indexer, searcher, pages } = deps;
  const { signal } = caller.connection;
  const after = pages.placeOf(caller, pageToken, 'rank');
  const { seq } = journal.head;
  // An index that turns out to be damaged, or another one, is made anew, and searched once more.
  for (let tries = 0; tries < 2; tries += 1) {
    await reached(deps, seq, signal);
    const { place } = indexer;
    const found = await searcher.search({ ...ask, limit, after }, signal);
    const because = 'damaged' in found ? found.damaged : indexer.strangerAt(found.cursor, place);
    if (because !== undefined) indexer.remake(because, place);
    else if (!('damaged' in found)) return pages.result(caller, found, found.cursor);
  }
  const { fault } = indexer;
  if (fault) throw new RefusedError(refuse('StoreUnavailable', fault.message, { reason: fault.reason }));
  const message = 'the search index is made anew: try again in a moment';
  throw new RefusedError(refuse('Overloaded', message, { retryAfterMs: deps.limits.searchWaitMs }));
}

async function reached(deps: SearchDeps, seq: number, signal: AbortSignal): Promise<void> {
  const { indexer, runtime, limits } = deps;
  if (indexer.hasReached(seq) || indexer.isDelayed) return;
  await ringOrTimeout((wake) => indexer.onReached(seq, wake), runtime, limits.searchWaitMs, signal);
}

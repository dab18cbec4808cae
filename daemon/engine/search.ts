// session/search: waits until the index has what was written before, then asks the worker. A worker lives only while it is
// used: it costs some 15 MB. One search at a time, so that a hundred of them take no more memory than one; one that takes too
// long is ended with its worker and refused.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { RefusedError, refuse } from '../../protocol/errors.ts';
import type { Found, SearchQuery } from '../store/search-query.ts';
import { matchOf, maxPrefixes } from '../store/search-text.ts';
import type { Runtime } from './runtime.ts';

export type { Found } from '../store/search-query.ts';

export type SearchLimits = {
  /** How long one search may take, ms. */
  searchMs: number;
  /** How long a worker that is not used lives, ms. */
  idleMs: number;
  /** Searches under way, of all connections. */
  maxSearches: number;
};

export const defaultSearchLimits: SearchLimits = { searchMs: 10_000, idleMs: 30_000, maxSearches: 64 };

/** What is asked for, its query as it was typed. */
export type SearchAsk = Omit<SearchQuery, 'match'> & { query: string };

export type SearcherDeps = {
  /** The worker's bundle. */
  workerPath: string;
  /** The files that it reads. */
  paths: { store: string; index: string };
  runtime: Runtime;
  limits?: Partial<SearchLimits>;
};

const heapMb = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 16 };

export class Searcher {
  readonly #deps: SearcherDeps;
  readonly #limits: SearchLimits;
  #worker: Worker | undefined;
  #rest = new AbortController();
  /** The last search: settles when the next one may begin. */
  #turn: Promise<unknown> = Promise.resolve();
  /** The end of the worker before. */
  #ending: Promise<unknown> = Promise.resolve();
  #underWay = 0;
  #closed = false;

  constructor(deps: SearcherDeps) {
    this.#deps = deps;
    this.#limits = { ...defaultSearchLimits, ...deps.limits };
  }

  /** Whether a worker lives. */
  get isAwake(): boolean {
    return this.#worker !== undefined;
  }

  /**
   * One page. `damaged`: why the index is to be made anew. Rejects with RefusedError: LimitExceeded for what takes too much,
   * Overloaded where too many wait. One whose `signal` has fired before its turn is not begun.
   */
  async search({ query, ...rest }: SearchAsk, signal: AbortSignal): Promise<Found | { damaged: string }> {
    const { match, prefixes } = matchOf(query);
    if (prefixes > maxPrefixes) throw tooMuch(maxPrefixes, 'prefixes of a search');
    if (this.#underWay >= this.#limits.maxSearches) {
      throw new RefusedError(refuse('Overloaded', 'too many searches are under way', { retryAfterMs: 1_000 }));
    }
    this.#underWay += 1;
    const answer = this.#turn.then(() => this.#ask({ match, ...rest }, signal));
    this.#turn = answer.catch(() => {});
    try {
      return await answer;
    } finally {
      this.#underWay -= 1;
    }
  }

  /** Ends the worker, whatever it does; searches that wait are refused. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#end();
  }

  async #ask(query: SearchQuery, signal: AbortSignal): Promise<Found | { damaged: string }> {
    await this.#ending;
    if (this.#closed || signal.aborted) throw new RefusedError(refuse('ShuttingDown', 'the search was ended', {}));
    this.#rest.abort();
    this.#worker ??= this.#start();
    const worker = this.#worker;
    const over = new AbortController();
    try {
      worker.postMessage(query);
      const answer = await Promise.race([this.#answerOf(worker, over.signal), this.#timeOut(over.signal)]);
      this.#endWhenIdle();
      return answer;
    } catch (error) {
      void this.#end();
      throw error;
    } finally {
      over.abort();
    }
  }

  /** The worker's answer. Rejects with what it failed with. */
  async #answerOf(worker: Worker, signal: AbortSignal): Promise<Found | { damaged: string }> {
    const ended = once(worker, 'exit', { signal }).then(() => {
      throw new RefusedError(refuse('ShuttingDown', 'the search was ended', {}));
    });
    ended.catch(() => {});
    try {
      const [answer] = await Promise.race([once(worker, 'message', { signal }), ended]);
      return answer as Found | { damaged: string };
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_WORKER_OUT_OF_MEMORY') throw error;
      throw tooMuch(heapMb.maxOldGenerationSizeMb, 'MB of memory for a search');
    }
  }

  async #timeOut(signal: AbortSignal): Promise<never> {
    const { searchMs } = this.#limits;
    await this.#deps.runtime.sleep(searchMs, signal);
    throw tooMuch(searchMs, 'ms for a search');
  }

  #start(): Worker {
    const { workerPath, paths } = this.#deps;
    const worker = new Worker(workerPath, { workerData: paths, resourceLimits: heapMb, env: {}, execArgv: [] });
    worker.on('error', () => {}); // told to the search under way
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
    });
    return worker;
  }

  #endWhenIdle(): void {
    const rest = new AbortController();
    this.#rest = rest;
    this.#deps.runtime.sleep(this.#limits.idleMs, rest.signal).then(
      () => this.#end(),
      () => {}, // it is used again
    );
  }

  async #end(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#rest.abort();
    if (worker) this.#ending = worker.terminate();
    await this.#ending;
  }
}

function tooMuch(limit: number, what: string): RefusedError {
  return new RefusedError(
    refuse('LimitExceeded', `${what}: the limit is ${limit}; search for fewer or longer words`, { limit, what }),
  );
}

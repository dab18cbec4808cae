// session/search: a worker reads, one search after another, so that a hundred of them take no more memory than one. It lives
// only while it is used: it costs some 15 MB. Connections take turns: whoever sends many searches delays his own.
//
// The worker minds the time itself, between two rows. One that does not answer is stuck in a call that nothing can end: it
// is left behind, and ends when the call does.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { RefusedError, refuse } from '../../protocol/errors.ts';
import type { Answer, Found, SearchQuery } from '../store/search-query.ts';
import { maxPrefixes, maxRepeats, wordsOf } from '../store/search-text.ts';
import type { Runtime } from './runtime.ts';

export type { Found } from '../store/search-query.ts';

export type SearchLimits = {
  /** How long it may take to find what matches best, ms. */
  searchMs: number;
  /** How long it may then take to make a page of it, ms: it ends early, with one item at least. */
  pageMs: number;
  /** How long a worker that is not used lives, ms. */
  idleMs: number;
  /** Searches under way, of one connection. */
  maxSearches: number;
};

export const defaultSearchLimits: SearchLimits = { searchMs: 10_000, pageMs: 2_000, idleMs: 30_000, maxSearches: 64 };

/** What is asked for, its query as it was typed. */
export type SearchAsk = Omit<SearchQuery, 'terms'> & { query: string };

/** What the worker is sent. */
export type SearchTask = { query: SearchQuery } & Pick<SearchLimits, 'searchMs' | 'pageMs'>;

export type SearcherDeps = {
  /** The worker's bundle. */
  workerPath: string;
  /** The files that it reads. */
  paths: { store: string; index: string };
  runtime: Runtime;
  limits?: Partial<SearchLimits>;
};

const heapMb = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 16 };
/** Workers that were ended and are still in a call; beyond it nothing is searched until one has come out of it. */
const maxEnding = 2;

export class Searcher {
  readonly #deps: SearcherDeps;
  readonly #limits: SearchLimits;
  #worker: Worker | undefined;
  #ending = 0;
  #rest = new AbortController();
  /** By connection, the next one first: what it has under way, in order. The first of the first runs. */
  readonly #turns = new Map<AbortSignal, (() => Promise<void>)[]>();
  readonly #closed = new AbortController();

  constructor(deps: SearcherDeps) {
    this.#deps = deps;
    this.#limits = { ...defaultSearchLimits, ...deps.limits };
  }

  /** Whether a worker lives. */
  get isAwake(): boolean {
    return this.#worker !== undefined;
  }

  /**
   * One page, for the connection that ends with `signal`. `damaged`: why the index is to be made anew. Rejects with
   * RefusedError: LimitExceeded for what takes too much, Overloaded where too many wait. One whose signal has fired before
   * its turn is not begun.
   */
  async search({ query, ...rest }: SearchAsk, signal: AbortSignal): Promise<Found | { damaged: string }> {
    const { terms, prefixes, repeats } = wordsOf(query);
    if (prefixes > maxPrefixes) throw tooMuch(maxPrefixes, 'prefixes of a search');
    if (repeats > maxRepeats) throw tooMuch(maxRepeats, 'times the same word in a search');
    const turns = this.#turns.get(signal) ?? [];
    if (turns.length >= this.#limits.maxSearches)
      throw overloaded('too many searches of this connection are under way');
    return new Promise((resolve, reject) => {
      turns.push(() => this.#ask({ terms, ...rest }, signal).then(resolve, reject));
      this.#turns.set(signal, turns);
      if (this.#turns.size === 1 && turns.length === 1) void this.#takeTurns();
    });
  }

  /** Ends the worker without waiting for it; searches under way and those that wait are refused. */
  close(): void {
    this.#closed.abort();
    this.#end();
  }

  async #takeTurns(): Promise<void> {
    for (let next = this.#nextTurn(); next; next = this.#nextTurn()) {
      const [signal, turns] = next;
      await turns[0]!();
      turns.shift();
      // Behind whoever came meanwhile.
      this.#turns.delete(signal);
      if (turns.length > 0) this.#turns.set(signal, turns);
    }
  }

  #nextTurn() {
    return this.#turns.entries().next().value;
  }

  async #ask(query: SearchQuery, signal: AbortSignal): Promise<Found | { damaged: string }> {
    const { searchMs, pageMs } = this.#limits;
    if (this.#closed.signal.aborted || signal.aborted) throw ended();
    if (this.#ending >= maxEnding) throw overloaded('searches that took too long are still being ended');
    this.#rest.abort();
    this.#worker ??= this.#start();
    const worker = this.#worker;
    const over = new AbortController();
    let answer: Answer;
    try {
      worker.postMessage({ query, searchMs, pageMs } satisfies SearchTask);
      answer = await Promise.race([this.#answerOf(worker, over.signal), this.#timeOut(over.signal)]);
    } catch (error) {
      this.#end();
      throw error;
    } finally {
      over.abort();
    }
    this.#endWhenIdle();
    if ('late' in answer) throw tooLong(searchMs);
    return answer;
  }

  /** The worker's answer. Rejects with what it failed with. */
  async #answerOf(worker: Worker, signal: AbortSignal): Promise<Answer> {
    const isEnded = Promise.race([once(worker, 'exit', { signal }), once(this.#closed.signal, 'abort', { signal })]);
    const end = isEnded.then(() => {
      throw ended();
    });
    end.catch(() => {});
    try {
      const [answer] = await Promise.race([once(worker, 'message', { signal }), end]);
      return answer as Answer;
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_WORKER_OUT_OF_MEMORY') throw error;
      throw tooMuch(heapMb.maxOldGenerationSizeMb, 'MB of memory for a search');
    }
  }

  /** Of a worker that does not mind the time: it is in one call, or makes a page of its last item. */
  async #timeOut(signal: AbortSignal): Promise<never> {
    const { searchMs, pageMs } = this.#limits;
    await this.#deps.runtime.sleep(searchMs + 2 * pageMs, signal);
    throw tooLong(searchMs);
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

  #end(): void {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#rest.abort();
    if (!worker) return;
    this.#ending += 1;
    void worker.terminate().then(() => {
      this.#ending -= 1;
    });
  }
}

function ended(): RefusedError {
  return new RefusedError(refuse('ShuttingDown', 'the search was ended', {}));
}

function overloaded(message: string): RefusedError {
  return new RefusedError(refuse('Overloaded', message, { retryAfterMs: 1_000 }));
}

function tooLong(searchMs: number): RefusedError {
  return tooMuch(searchMs, 'ms for a search');
}

function tooMuch(limit: number, what: string): RefusedError {
  return new RefusedError(
    refuse('LimitExceeded', `${what}: the limit is ${limit}; search for fewer or longer words`, { limit, what }),
  );
}

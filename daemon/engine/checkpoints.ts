// Has the write-ahead log copied back into the store by a worker, so that no commit does it: a commit that had to would hold
// the event loop for tens of milliseconds, and for two more fsyncs. It lives only while there is much to write.
import { Worker } from 'node:worker_threads';
import type { Runtime } from './runtime.ts';

export type CheckpointsDeps = {
  /** The worker's bundle. */
  workerPath: string;
  /** The store's file. */
  store: string;
  runtime: Pick<Runtime, 'sleep' | 'log'>;
};

/** Rows that are written before it is begun: some 16 MB of log. */
const dueRows = 4_000;
/** How long a worker that is not used lives, ms. */
const idleMs = 10_000;

export class Checkpoints {
  readonly #deps: CheckpointsDeps;
  readonly #closed = new AbortController();
  #rows = 0;
  #worker: Worker | undefined;
  #isAtWork = false;
  #rest = new AbortController();

  constructor(deps: CheckpointsDeps) {
    this.#deps = deps;
  }

  /** So many rows were committed. */
  note(rows: number): void {
    this.#rows += rows;
    if (this.#rows < dueRows || this.#isAtWork || this.#closed.signal.aborted) return;
    this.#rows = 0;
    this.#isAtWork = true;
    this.#rest.abort();
    this.#worker ??= this.#start();
    this.#worker.postMessage('copy');
  }

  /** Resolves when nothing of it has the store open. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#end();
  }

  #start(): Worker {
    const worker = new Worker(this.#deps.workerPath, {
      workerData: { store: this.#deps.store },
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
    });
    worker.on('message', (failure: string | undefined) => {
      if (failure !== undefined) this.#deps.runtime.log.warn({ failure }, 'the log could not be copied into the store');
      this.#isAtWork = false;
      this.#endWhenIdle();
    });
    worker.on('error', (err) => this.#deps.runtime.log.warn({ err }, 'the log could not be copied into the store'));
    worker.on('exit', () => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#isAtWork = false;
    });
    worker.unref();
    return worker;
  }

  #endWhenIdle(): void {
    this.#rest = new AbortController();
    this.#deps.runtime.sleep(idleMs, this.#rest.signal).then(
      () => void this.#end(),
      () => {}, // it is used again
    );
  }

  async #end(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#isAtWork = false;
    this.#rest.abort();
    await worker?.terminate();
  }
}

// Has the write-ahead log copied back into the store by a worker, so that no commit does it: a commit that had to would hold
// the event loop for tens of milliseconds, and for two more fsyncs. It lives only while there is much to write.
import { Worker } from 'node:worker_threads';
import { largeLogBytes } from '../store/open.ts';
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
  /** A log of so many bytes is too large. */
  #maxBytes = largeLogBytes;
  #worker: Worker | undefined;
  /** The copy under way; resolves also when it fails. */
  #copying: Promise<void> | undefined;
  #copied: () => void = () => {};
  #rest = new AbortController();

  constructor(deps: CheckpointsDeps) {
    this.#deps = deps;
  }

  /**
   * So many rows were committed, and the log has so many bytes. Where it is too large, the next commit is to wait for what this
   * gives: it begins the log anew only if all of it was copied before, which under load never is.
   */
  note(rows: number, bytes: number): Promise<void> | undefined {
    this.#rows += rows;
    if (this.#closed.signal.aborted) return undefined;
    if (bytes <= largeLogBytes) this.#maxBytes = largeLogBytes;
    if (bytes > this.#maxBytes) {
      // Once for each such length: somebody may read what stands at its end, and then it can only grow.
      this.#maxBytes = bytes + largeLogBytes;
      const before = this.#copying ?? Promise.resolve();
      return before.then(() => this.#copy());
    }
    if (this.#rows >= dueRows && !this.#copying) void this.#copy();
    return undefined;
  }

  /** Resolves when nothing of it has the store open. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#end();
  }

  #copy(): Promise<void> {
    if (this.#closed.signal.aborted) return Promise.resolve();
    this.#rows = 0;
    this.#rest.abort();
    this.#copying = new Promise((resolve) => {
      this.#copied = () => {
        this.#copying = undefined;
        resolve();
      };
    });
    this.#worker ??= this.#start();
    this.#worker.postMessage('copy');
    return this.#copying;
  }

  #start(): Worker {
    const worker = new Worker(this.#deps.workerPath, {
      workerData: { store: this.#deps.store },
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
    });
    const warn = (fields: object) => this.#deps.runtime.log.warn(fields, 'the log could not be copied into the store');
    worker.on('message', (failure: string | undefined) => {
      if (failure !== undefined) warn({ failure });
      this.#endWhenIdle();
      this.#copied();
    });
    worker.on('error', (err) => warn({ err }));
    worker.on('exit', () => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#copied();
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
    this.#rest.abort();
    this.#copied();
    await worker?.terminate();
  }
}

// store/backup and store/check: each reads the whole store in one call that nothing can cut, so that another process does it, on a
// connection that only reads: a thread could not be ended in the midst of it, and a daemon that is told to stop would wait for it.
// One at a time, in the order in which they were asked for.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Refusal } from '../../protocol/errors.ts';
import { RefusedError, refuse } from '../../protocol/errors.ts';
import type { Backup } from '../store/backup.ts';
import { clearPartial } from '../store/backup.ts';
import type { Checked } from '../store/check.ts';

export type StoreTask = { kind: 'backup'; path: string } | { kind: 'check' };

/** What the worker is told, and what it says in the end. */
export type StoreWorkerData = { store: string; task: StoreTask };
export type StoreAnswer = { done: Backup | Checked } | { refusal: Refusal };

/** `workerPath`: the worker's bundle; `store`: the file. */
export type StoreTasksDeps = { workerPath: string; store: string };

/** Tasks under way and waiting. */
const maxTasks = 8;

export class StoreTasks {
  readonly #deps: StoreTasksDeps;
  readonly #closed = new AbortController();
  #last: Promise<unknown> = Promise.resolve();
  #tasks = 0;

  constructor(deps: StoreTasksDeps) {
    this.#deps = deps;
  }

  /** Resolves when the copy is on the disk. Rejects with RefusedError for what can be put right; there is no copy then. */
  backup(path: string): Promise<Backup> {
    return this.#run({ kind: 'backup', path }) as Promise<Backup>;
  }

  /** Resolves with what is wrong with the store; what is wrong with it is no reason to reject. */
  check(): Promise<Checked> {
    return this.#run({ kind: 'check' }) as Promise<Checked>;
  }

  /** Refuses what is under way and what waits; resolves when the worker has ended, and nothing of it is left. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#last.catch(() => {});
  }

  async #run(task: StoreTask): Promise<Backup | Checked> {
    if (this.#tasks >= maxTasks) {
      const message = 'too many backups and checks of the store are under way';
      throw new RefusedError(refuse('Overloaded', message, { retryAfterMs: 5_000 }));
    }
    this.#tasks += 1;
    const before = this.#last.catch(() => {});
    const running = before.then(() => this.#work(task));
    this.#last = running;
    try {
      return await running;
    } finally {
      this.#tasks -= 1;
    }
  }

  async #work(task: StoreTask): Promise<Backup | Checked> {
    const { signal } = this.#closed;
    if (signal.aborted) throw ended();
    const { workerPath, store } = this.#deps;
    const data: StoreWorkerData = { store, task };
    const worker = fork(workerPath, [], { env: {}, execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    let said = '';
    worker.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    let answer: StoreAnswer | undefined;
    worker.on('message', (message: StoreAnswer) => {
      answer = message;
    });
    const closed = once(worker, 'close'); // behind all that it said
    worker.send(data, () => {}); // one that did not start is told by its end
    const end = () => void worker.kill('SIGKILL');
    signal.addEventListener('abort', end, { once: true });
    try {
      await closed;
    } finally {
      signal.removeEventListener('abort', end);
    }
    if (answer && 'refusal' in answer) throw new RefusedError(answer.refusal);
    if (answer) return answer.done;
    // It was ended before it could clear up.
    if (task.kind === 'backup') clearPartial(task.path);
    if (signal.aborted) throw ended();
    throw new Error(`the worker that was to ${task.kind} the store failed: ${said}`);
  }
}

function ended(): RefusedError {
  return new RefusedError(refuse('ShuttingDown', 'sessiond is shutting down: ask again when it is back', {}));
}

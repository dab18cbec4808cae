// Masks secrets in what goes out (P29), in a worker: it takes a quarter of a second for each MB. It lives only while it is
// used. What fails is rejected and nothing of it is given back, so that unmasked text never goes on.
import { Worker } from 'node:worker_threads';
import { RefusedError, refuse } from '../../protocol/errors.ts';
import type { MaskFinding } from '../../protocol/outbox.ts';
import type { Runtime } from './runtime.ts';

export type MaskLimits = {
  /** Text that the worker is given at once, in UTF-16 units; a larger item is given whole, and alone. */
  maxUnits: number;
  /** How long it may take for that, ms. */
  pieceMs: number;
  /** How long a worker that is not used lives, ms. */
  idleMs: number;
  /** Findings told of one item. */
  maxFindings: number;
};

export const defaultMaskLimits: MaskLimits = {
  maxUnits: 1 << 20,
  pieceMs: 60_000,
  idleMs: 30_000,
  maxFindings: 2_000,
};

/** What the worker is sent. `maxFindings`: it is to tell what it would mask, at most so much of each item. */
export type MaskTask = { items: readonly string[]; maxFindings?: number };
/** What it answers. `failed`: the name of the error alone, since its message may hold a piece of the text. */
export type MaskAnswer = { masked: string[] } | { findings: MaskFinding[] } | { failed: string };

export type MaskerDeps = {
  /** The worker's bundle. */
  workerPath: string;
  runtime: Pick<Runtime, 'sleep'>;
  limits?: Partial<MaskLimits>;
};

/** Room for the largest op, parsed, and for what was found in it. */
const heapMb = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 32 };

export class Masker {
  readonly #deps: MaskerDeps;
  readonly #limits: MaskLimits;
  #worker: Worker | undefined;
  #rest = new AbortController();
  readonly #closed = new AbortController();
  /** Settled when all that was asked for before is: the worker has one piece at a time. */
  #last: Promise<unknown> = Promise.resolve();
  /** Who waits for the worker. */
  #asked: { resolve(answer: MaskAnswer): void; reject(error: Error): void } | undefined;

  constructor(deps: MaskerDeps) {
    this.#deps = deps;
    this.#limits = { ...defaultMaskLimits, ...deps.limits };
  }

  /** Whether a worker lives. */
  get isAwake(): boolean {
    return this.#worker !== undefined;
  }

  /**
   * The JSON texts of ReplicaItems with their secrets masked; those without any are the same texts. Rejects when one is no
   * such text or holds a part/delta, when the worker dies or takes too long, and with the signal's reason when that fires.
   * The next call has another worker then.
   */
  async mask(items: readonly string[], signal?: AbortSignal): Promise<string[]> {
    const masked: string[] = [];
    for (const piece of this.#pieces(items)) {
      const answer = await this.#ask({ items: piece }, signal);
      if (!('masked' in answer) || answer.masked.length !== piece.length)
        throw new Error('masking gave something else');
      masked.push(...answer.masked);
    }
    return masked;
  }

  /** What mask() would mask, in order; of an item that holds very much the first of it. Rejects as mask() does. */
  async find(items: readonly string[], signal?: AbortSignal): Promise<MaskFinding[]> {
    const findings: MaskFinding[] = [];
    for (const piece of this.#pieces(items)) {
      const answer = await this.#ask({ items: piece, maxFindings: this.#limits.maxFindings }, signal);
      if (!('findings' in answer)) throw new Error('masking gave something else');
      findings.push(...answer.findings);
    }
    return findings;
  }

  /** Ends the worker without waiting for it; what is under way, and what waits, is refused. */
  close(): void {
    this.#closed.abort(new RefusedError(refuse('ShuttingDown', 'masking was ended', {})));
    this.#end();
  }

  *#pieces(items: readonly string[]): Generator<string[]> {
    let piece: string[] = [];
    let units = 0;
    for (const item of items) {
      if (piece.length > 0 && units + item.length > this.#limits.maxUnits) {
        yield piece;
        piece = [];
        units = 0;
      }
      piece.push(item);
      units += item.length;
    }
    if (piece.length > 0) yield piece;
  }

  async #ask(task: MaskTask, signal = this.#closed.signal): Promise<MaskAnswer> {
    const before = this.#last;
    let done = () => {};
    this.#last = new Promise<void>((resolve) => {
      done = resolve;
    });
    const over = new AbortController();
    try {
      const ended = [rejection(signal, over.signal), rejection(this.#closed.signal, over.signal)];
      await Promise.race([...ended, before]);
      return await this.#answer(task, ended, over.signal);
    } finally {
      over.abort();
      // Not before its turn came: who gave up while others were before it lets nobody past them.
      void before.then(done);
    }
  }

  /** Rejects with what ends it first. */
  async #answer(task: MaskTask, ended: Promise<never>[], over: AbortSignal): Promise<MaskAnswer> {
    this.#rest.abort();
    this.#worker ??= this.#start();
    const worker = this.#worker;
    try {
      const answered = new Promise<MaskAnswer>((resolve, reject) => {
        this.#asked = { resolve, reject };
      });
      worker.postMessage(task);
      const answer = await Promise.race([answered, this.#timeOut(over), ...ended]);
      if ('failed' in answer) throw new Error(`masking failed: ${answer.failed}`);
      this.#endWhenIdle();
      return answer;
    } catch (error) {
      // Also where only the caller has gone: what comes of this would be taken for the answer to what is asked next.
      this.#end();
      throw error;
    }
  }

  async #timeOut(over: AbortSignal): Promise<never> {
    const { pieceMs } = this.#limits;
    await this.#deps.runtime.sleep(pieceMs, over);
    throw new Error(`masking took longer than ${pieceMs} ms`);
  }

  #start(): Worker {
    const worker = new Worker(this.#deps.workerPath, { resourceLimits: heapMb, env: {}, execArgv: [] });
    // What comes of one that was ended is for nobody.
    const isCurrent = () => this.#worker === worker;
    worker.on('message', (answer: MaskAnswer) => isCurrent() && this.#asked?.resolve(answer));
    // Nothing else is told of the error: its message may hold a piece of the text.
    worker.on('error', ({ code = 'an error' }: { code?: string }) => {
      if (isCurrent()) this.#asked?.reject(new Error(`masking ended: ${code}`));
    });
    worker.on('exit', () => {
      if (!isCurrent()) return;
      this.#worker = undefined;
      this.#asked?.reject(new Error('masking ended'));
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
    void worker?.terminate();
  }
}

/** Rejects when the signal fires, with its reason; no more once `over` has. */
function rejection(signal: AbortSignal, over: AbortSignal): Promise<never> {
  const ended = new Promise<never>((_, reject) => {
    const end = () => reject(signal.reason);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { signal: over, once: true });
  });
  ended.catch(() => {}); // nobody may wait for it any more
  return ended;
}

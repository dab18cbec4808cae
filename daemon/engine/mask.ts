// Masks secrets in what goes out (P29), in a worker: it takes a quarter of a second for each MB. It lives only while it is
// used. A text that the worker does not survive, or not in time, is masked whole: it stops nobody, and never goes on unmasked.
// What fails otherwise is rejected and nothing of it is given back.
import { Worker } from 'node:worker_threads';
import { RefusedError, refuse } from '../../protocol/errors.ts';
import type { MaskFinding } from '../../protocol/outbox.ts';
import type { Runtime } from './runtime.ts';

export type MaskLimits = {
  /** Text that the worker is given at once, in UTF-16 units; a larger item is given whole, and alone. */
  maxUnits: number;
  /** How long it may take for any piece, ms, and how much of one for each ms more. */
  pieceMs: number;
  unitsPerMs: number;
  /** Texts of a piece that are tried and masked whole; when there are more, all that are longer than `surelyUnits` are. */
  maxFailed: number;
  surelyUnits: number;
  /**
   * Of the worker: room for the largest op (a part of 64 M units), parsed, masked and written, and for what was found in it. A
   * single piece of memory that does not fit ends all of the process, and not the worker alone.
   */
  heapMb: number;
  /** How long a worker that is not used lives, ms. */
  idleMs: number;
  /** Findings told of one item. */
  maxFindings: number;
};

export const defaultMaskLimits: MaskLimits = {
  maxUnits: 1 << 20,
  // Several times what the slowest text takes on a slow machine.
  pieceMs: 20_000,
  unitsPerMs: 500,
  maxFailed: 4,
  surelyUnits: 1_000,
  heapMb: 1_024,
  idleMs: 30_000,
  maxFindings: 2_000,
};

/** A text that cannot be masked, told again by its length and SHA-256. */
export type Unmaskable = { units: number; digest: string };

/**
 * What the worker is sent. `maxFindings`: it is to tell what it would mask, at most so much of each item. Masked whole are: of
 * the texts of all items, in their order, those of the numbers `failed`; what is `known`; and what is longer than `overUnits`.
 */
export type MaskTask = {
  items: readonly string[];
  maxFindings?: number | undefined;
  failed: readonly number[];
  known: readonly Unmaskable[];
  overUnits?: number | undefined;
};
/** `unmaskable`: those of the numbers `failed`. `error`: its name alone, since its message may hold a piece of the text. */
export type MaskAnswer =
  | { masked: string[]; unmaskable: Unmaskable[] }
  | { findings: MaskFinding[]; unmaskable: Unmaskable[] }
  | { error: string };

/** What the worker is started with: the number of the text that it looks at, from 1 on in each task; 0 before the first. */
export type MaskWorkerData = { at: Int32Array };

export type MaskerDeps = {
  /** The worker's bundle. */
  workerPath: string;
  runtime: Pick<Runtime, 'sleep'>;
  limits?: Partial<MaskLimits>;
};

/** Texts that are remembered as unmaskable, so that the next time they cost nothing. */
const maxKnown = 1_000;

/** The worker ended, or was too slow, with what it was given. */
class WorkerLost extends Error {}

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
  /** Where the worker is: MaskWorkerData. Each worker has its own: one that was ended may go on for a moment. */
  #at = new Int32Array(new SharedArrayBuffer(4));
  #known: Unmaskable[] = [];

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
   * such text or holds a part/delta, when the worker cannot work at all, and with the signal's reason when that fires; never for
   * what a text holds. The next call has another worker then. Callers take turns, a piece each.
   */
  async mask(items: readonly string[], signal?: AbortSignal): Promise<string[]> {
    const masked: string[] = [];
    for (const piece of this.#pieces(items)) {
      const answer = await this.#piece(piece, undefined, signal);
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
      const answer = await this.#piece(piece, this.#limits.maxFindings, signal);
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

  async #piece(items: readonly string[], maxFindings: number | undefined, signal?: AbortSignal): Promise<MaskAnswer> {
    const { maxFailed, surelyUnits } = this.#limits;
    const failed: number[] = [];
    let overUnits: number | undefined;
    for (;;) {
      try {
        const answer = await this.#ask({ items, maxFindings, failed, known: this.#known, overUnits }, signal);
        if ('unmaskable' in answer) this.#known = [...this.#known, ...answer.unmaskable].slice(-maxKnown);
        return answer;
      } catch (error) {
        const at = Atomics.load(this.#at, 0);
        // Before the first text, or with none that is long: it is no text that it fails for.
        if (!(error instanceof WorkerLost) || at === 0 || overUnits !== undefined) throw error;
        if (failed.length < maxFailed && !failed.includes(at)) failed.push(at);
        else overUnits = surelyUnits;
      }
    }
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
      Atomics.store(this.#at, 0, 0);
      worker.postMessage(task);
      const units = task.items.reduce((sum, { length }) => sum + length, 0);
      const answer = await Promise.race([answered, this.#timeOut(units, over), ...ended]);
      if ('error' in answer) throw new Error(`masking failed: ${answer.error}`);
      this.#endWhenIdle();
      return answer;
    } catch (error) {
      // Also where only the caller has gone: what comes of this would be taken for the answer to what is asked next.
      this.#end();
      throw error;
    }
  }

  async #timeOut(units: number, over: AbortSignal): Promise<never> {
    const ms = this.#limits.pieceMs + Math.ceil(units / this.#limits.unitsPerMs);
    await this.#deps.runtime.sleep(ms, over);
    throw new WorkerLost(`masking took longer than ${ms} ms`);
  }

  #start(): Worker {
    this.#at = new Int32Array(new SharedArrayBuffer(4));
    const workerData: MaskWorkerData = { at: this.#at };
    const resourceLimits = { maxOldGenerationSizeMb: this.#limits.heapMb, maxYoungGenerationSizeMb: 32 };
    const worker = new Worker(this.#deps.workerPath, { resourceLimits, env: {}, execArgv: [], workerData });
    // What comes of one that was ended is for nobody.
    const isCurrent = () => this.#worker === worker;
    worker.on('message', (answer: MaskAnswer) => isCurrent() && this.#asked?.resolve(answer));
    // Nothing else is told of the error: its message may hold a piece of the text.
    worker.on('error', ({ code = 'an error' }: { code?: string }) => {
      if (isCurrent()) this.#asked?.reject(new WorkerLost(`masking ended: ${code}`));
    });
    worker.on('exit', () => {
      if (!isCurrent()) return;
      this.#worker = undefined;
      this.#asked?.reject(new WorkerLost('masking ended'));
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

// The client's own outbox: ops are kept from the moment they are handed over, sent in order, sent again until they are
// acknowledged, and removed only then (P12). Ops go in batches, one at a time; which ops go together under which id is kept
// before they are sent, so that after a crash the same batch is sent again.
//
//   handed over --kept--> waiting --bound--> sent --applied, duplicate--> gone
//                            ^                 |--refused, or what it depends on--> handed back --> gone
//                            '--not possible now
import type { Client } from './client.ts';
import type { Clock } from './clock.ts';
import { throwLater } from './connection-state.ts';
import type { Rejection } from './errors.ts';
import { RpcError } from './errors.ts';
import type { HandedBack } from './intents-back.ts';
import { HandedBackError, IntentsFullError, UnacknowledgedError } from './intents-back.ts';
import type { Waiting } from './intents-queue.ts';
import { IntentsQueue, sizeOf } from './intents-queue.ts';
import type { Batch, IntentStore } from './intents-store.ts';
import { memoryIntents } from './intents-store.ts';
import type { Result } from './methods.ts';
import type { ReconnectOptions } from './reconnect.ts';
import { askedWait, Backoff, isPassing } from './reconnect.ts';
import type { Op } from './schema.ts';

/**
 * `maxOps`, `maxBytes`: what may wait in all, ops and bytes of their JSON. `onHandedBack`: gets each op that will not be applied,
 * with the reason, also those that a former process handed over; the op is removed when it has returned. A store that lasts
 * needs it: nobody waits for a promise of a process that is gone.
 */
export type IntentOptions = { maxOps?: number; maxBytes?: number } & (
  | { store?: undefined; onHandedBack?: OnHandedBack }
  | { store: IntentStore; onHandedBack: OnHandedBack }
);
type OnHandedBack = (back: HandedBack) => void | Promise<void>;

/** What the daemon answered. `duplicate`: it had been applied before. */
export type Acknowledged = Result<'ops/append'>['applied'][number] & { duplicate: boolean };

type Up = { client: Client; server: Result<'initialize'> };
export type IntentsHost = {
  clock: Clock;
  reconnect: Partial<ReconnectOptions>;
  /** The connection, when there is one; undefined when there will be none. */
  up(): Promise<Up | undefined>;
  /** The connection is of no use. */
  drop(client: Client, error: unknown): void;
};

type Entry = Waiting<Acknowledged>;

const maxBatchOps = 1_000;
const maxBatchBytes = 256 * 1024;
/** Leaves room for what stands around the op: a daemon takes frames of 8 MiB, and closes the connection at a larger one. */
const maxOpBytes = 8 * 1024 * 1024 - 4096;

export class Intents {
  readonly #host: IntentsHost;
  readonly #store: IntentStore;
  readonly #onHandedBack: OnHandedBack;
  readonly #limits: { ops: number; bytes: number };
  readonly #backoff: Backoff;
  readonly #queue = new IntentsQueue<Acknowledged>();
  readonly #opened: Promise<void>;
  readonly #done: Promise<void>;
  readonly #keeping = new Set<Promise<unknown>>();
  /** Since `kept` was asked last. */
  #failure: { error: unknown } | undefined;
  #clientId = '';
  #cursor: string | undefined;
  #lastN = 0;
  /** Handed over before the store was open. */
  readonly #ahead = { ops: 0, bytes: 0 };
  #batch: Batch | undefined;
  /** What was handed back and told of, until the store forgets it. */
  readonly #told: number[] = [];
  /** Halved while a batch is refused as a whole, until the op is found that it is refused for. */
  #batchOps = maxBatchOps;
  #isOver = false;
  #wake = () => {};

  constructor(host: IntentsHost, options: IntentOptions = {}) {
    const { store = memoryIntents(), onHandedBack = () => {}, maxOps = 100_000, maxBytes = 64 * 1024 * 1024 } = options;
    this.#host = host;
    this.#store = store;
    this.#onHandedBack = onHandedBack;
    this.#limits = { ops: maxOps, bytes: maxBytes };
    this.#backoff = new Backoff({ ...host.reconnect, maxAttempts: Number.POSITIVE_INFINITY }, host.clock.random);
    this.#opened = this.#open();
    this.#opened.catch(() => {}); // whoever hands something over is told
    this.#done = this.#run();
  }

  /** Ops that wait. */
  get size(): number {
    return this.#queue.size + this.#ahead.ops;
  }

  /** Resolves when the store is open, with who this is and the cursor that was kept last; rejects as the store's `open` does. */
  async opened(): Promise<{ clientId: string; cursor: string | undefined }> {
    await this.#opened;
    return { clientId: this.#clientId, cursor: this.#cursor };
  }

  /** Keeps a cursor beside the ops, for a client that goes on from it after a reload. */
  async keepCursor(cursor: string): Promise<void> {
    await this.#opened;
    this.#cursor = cursor;
    await this.#store.keepCursor(cursor);
  }

  /** Resolves when everything handed over before is kept; rejects where something since the last call could not be. */
  async kept(): Promise<void> {
    await Promise.allSettled(this.#keeping);
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.error;
  }

  /**
   * Hands an op over. Resolves when the daemon has acknowledged it. Rejects with HandedBackError when it will not be applied, with
   * IntentsFullError, with UnacknowledgedError when this ends before, or as the store does that cannot keep it. An op that waits
   * already is not kept twice. It is copied: what is done to `op` afterwards changes nothing.
   */
  append(op: Op): Promise<Acknowledged> {
    const keeping = this.#handOver(op);
    this.#keeping.add(keeping);
    keeping
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#keeping.delete(keeping));
    const acknowledged = keeping.then((entry) => entry.acknowledged);
    acknowledged.catch(() => {}); // told to `onHandedBack` too; who ignores it is not to be ended for it
    return acknowledged;
  }

  /** Resolves when nothing is under way; what waits stays in a store that lasts. Idempotent. */
  async close(): Promise<void> {
    this.#isOver = true;
    this.#wake();
    await this.#done;
  }

  async #handOver(given: Op): Promise<Entry> {
    // What was handed over before the end is kept, also where the store was not open yet.
    const isLate = this.#isOver;
    const op = JSON.parse(JSON.stringify(given)) as Op;
    const bytes = sizeOf(op);
    const { ops: maxOps, bytes: maxBytes } = this.#limits;
    if (bytes > maxOpBytes) throw new IntentsFullError('bytes for one op', maxOpBytes);
    if (this.size >= maxOps) throw new IntentsFullError('ops', maxOps);
    if (this.#queue.bytes + this.#ahead.bytes + bytes > maxBytes) throw new IntentsFullError('bytes', maxBytes);
    const at = this.#host.clock.now();
    this.#ahead.ops += 1;
    this.#ahead.bytes += bytes;
    try {
      await this.#opened;
    } finally {
      this.#ahead.ops -= 1;
      this.#ahead.bytes -= bytes;
    }
    if (isLate) throw new UnacknowledgedError(op.opId, false);
    const same = this.#queue.same(op);
    if (same) return same;
    const intent = { n: ++this.#lastN, at, op: this.#queue.depending(op) };
    const entry = this.#queue.add(intent, false);
    try {
      await this.#store.add(intent);
    } catch (error) {
      this.#queue.remove(entry);
      entry.reject(error);
      throw error;
    }
    entry.isKept = true;
    this.#wake();
    return entry;
  }

  async #open(): Promise<void> {
    const { clientId, cursor, intents, batch } = await this.#store.open(this.#host.clock.newId);
    this.#clientId = clientId;
    this.#cursor = cursor;
    for (const intent of intents) {
      this.#queue.add(intent, true);
      this.#lastN = intent.n;
    }
    if (batch?.ns.some((n) => this.#queue.get(n))) this.#batch = batch;
  }

  /** Sends what waits, until this or the connection ends for good. */
  async #run(): Promise<void> {
    try {
      await this.#opened;
    } catch {
      this.#isOver = true;
      return;
    }
    while (!this.#isOver) {
      if (!this.#batch && this.#told.length > 0) await this.#forget([]);
      if (this.#sendable().length === 0) {
        await this.#pause();
        continue;
      }
      const up = await this.#host.up();
      if (!up || this.#isOver) break;
      try {
        await this.#round(up);
      } catch (error) {
        // The store could not keep which ops go together: nothing was sent.
        await this.#pause(this.#backoff.next(askedWait(error)));
      }
    }
    this.#isOver = true;
    await Promise.allSettled(this.#keeping);
    for (const entry of this.#queue) {
      entry.reject(new UnacknowledgedError(entry.op.opId, this.#store.lasts && entry.isKept));
    }
    if (!this.#batch && this.#told.length > 0) await this.#forget([]);
    await this.#store.close().catch(throwLater);
  }

  /** What is sent next: what may have been sent before, else what waits, from its beginning. */
  #sendable(): Entry[] {
    if (this.#batch) return this.#batch.ns.map((n) => this.#queue.get(n)).filter((entry) => entry !== undefined);
    const found: Entry[] = [];
    let bytes = 0;
    for (const entry of this.#queue) {
      bytes += entry.bytes;
      if (!entry.isKept || found.length === this.#batchOps || (bytes > maxBatchBytes && found.length > 0)) break;
      found.push(entry);
    }
    return found;
  }

  async #round({ client, server }: Up): Promise<void> {
    const entries = this.#sendable();
    const { ledgerMaxAgeMs } = server;
    const oldest = this.#host.clock.now() - ledgerMaxAgeMs;
    const old = entries.filter(({ at }) => at < oldest);
    if (old.length > 0) {
      const backs = old.map(({ op, at }): HandedBack => ({ op, why: 'tooOld', handedOverAt: at, ledgerMaxAgeMs }));
      return this.#settle([], backs);
    }
    if (!this.#batch) {
      const batch = { batchId: `${this.#clientId}:${this.#host.clock.newId()}`, ns: entries.map(({ n }) => n) };
      await this.#store.bind(batch);
      this.#batch = batch;
    }
    let result: Result<'ops/append'>;
    try {
      result = await client.call('ops/append', { ops: entries.map(({ op }) => op), batchId: this.#batch.batchId });
    } catch (error) {
      return this.#failed(client, entries, error);
    }
    this.#backoff.reset();
    await this.#answered(entries, result);
  }

  /** The batch as a whole was not taken. */
  async #failed(client: Client, entries: Entry[], error: unknown): Promise<void> {
    if (!(error instanceof RpcError) || error.kind === 'Unauthorized') {
      // Connecting anew tells whether it may; nothing goes out on this connection any more.
      this.#host.drop(client, error);
      await client.closed.catch(() => {});
    } else if (isPassing(error)) {
      await this.#pause(this.#backoff.next(askedWait(error)));
    } else if (entries.length > 1) {
      this.#batchOps = Math.ceil(entries.length / 2);
      await this.#settle([], []);
    } else {
      await this.#settle([], [{ op: entries[0]!.op, why: 'refused', error }]);
    }
  }

  async #answered(entries: Entry[], { applied, duplicates, rejected }: Result<'ops/append'>): Promise<void> {
    const byOpId = new Map(entries.map((entry) => [entry.op.opId, entry]));
    const done: Entry[] = [];
    const acknowledge = (duplicate: boolean) => (result: (typeof applied)[number]) => {
      const entry = byOpId.get(result.opId);
      if (!entry) return;
      done.push(entry);
      entry.resolve({ ...result, duplicate });
    };
    applied.forEach(acknowledge(false));
    duplicates.forEach(acknowledge(true));
    const errors = rejected.map((rejection) => ({ rejection, error: new RpcError(rejection as Rejection) }));
    const backs = errors.flatMap(({ rejection: { opId }, error }): HandedBack[] => {
      const entry = byOpId.get(opId);
      return entry && !isPassing(error) ? [{ op: entry.op, why: 'refused', error }] : [];
    });
    this.#batchOps = Math.min(maxBatchOps, this.#batchOps * 2);
    await this.#settle(done, backs);
    const passing = errors.find(({ error }) => isPassing(error));
    if (passing) await this.#pause(this.#backoff.next(askedWait(passing.error)));
  }

  /** Ends the batch: what is done is removed, and what is handed back, with all that depends on it, when that was told. */
  async #settle(done: Entry[], backs: HandedBack[]): Promise<void> {
    for (const entry of done) this.#queue.remove(entry);
    const handedBack = this.#dependingOn(backs);
    // Before any of it is told: what is handed over by who is told depends on none of these.
    for (const [entry] of handedBack) this.#queue.remove(entry);
    this.#batch = undefined;
    await this.#forget(done);
    // Not awaited: who is told may wait for an op that is sent behind these, or for the end of this.
    for (const [entry, back] of handedBack) void this.#handBack(entry, back);
  }

  /** Ends the batch in the store, and removes what is done with. */
  async #forget(done: Entry[]): Promise<void> {
    const told = this.#told.splice(0);
    // Where this fails they are sent again after a restart, and are duplicates then; what is handed over next is told.
    await this.#store.remove([...done.map(({ n }) => n), ...told]).catch(() => {});
  }

  /** What is handed back, and what waits that depends on it, in order. */
  #dependingOn(backs: HandedBack[]): [Entry, HandedBack][] {
    const why = new Map(backs.map((back) => [back.op.opId, back]));
    const found: [Entry, HandedBack][] = [];
    if (backs.length === 0) return found;
    for (const entry of this.#queue) {
      const { op } = entry;
      const because = op.dependsOn?.find((opId) => why.has(opId));
      const own = why.get(op.opId);
      const isMissing = own?.why === 'refused' && own.error.kind === 'DependencyMissing';
      const back: HandedBack | undefined =
        because !== undefined && (!own || isMissing) ? { op, why: 'dependsOnHandedBack', because } : own;
      if (!back) continue;
      why.set(op.opId, back);
      found.push([entry, back]);
    }
    return found;
  }

  async #handBack(entry: Entry, back: HandedBack): Promise<void> {
    const telling = (async () => this.#onHandedBack(back))();
    entry.reject(new HandedBackError(back));
    await telling.catch(throwLater);
    this.#told.push(entry.n);
    this.#wake();
  }

  /** Until something was handed over, this ends, or `ms` have passed. */
  #pause(ms?: number): Promise<void> {
    return new Promise((resolve) => {
      let cancel = () => {};
      const done = () => {
        cancel();
        this.#wake = () => {};
        resolve();
      };
      // Waiting for the daemon is not cut short by what comes to wait too.
      this.#wake = ms === undefined ? done : () => this.#isOver && done();
      if (this.#isOver) return done();
      if (ms !== undefined) cancel = this.#host.clock.after(ms, done);
    });
  }
}

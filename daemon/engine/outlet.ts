// One sink's loop (PROTOCOL.md 7): a durable cursor over the journal. What is next is written down, then sent, and sent again
// unchanged until it is acknowledged; that, and how far the sink has come, are one transaction. Where the journal does not
// hold what the sink lacks, sessions are sent whole.
import { RefusedError } from '../../protocol/errors.ts';
import type { Delivered, Sink } from '../adapters/adapter.ts';
import type { Backoff } from '../core/outbox.ts';
import { retryDelayMs } from '../core/outbox.ts';
import type { BatchRow, Mark, SinkRow } from '../store/outbox-rows.ts';
import type { SessionFilter } from '../store/session-walk.ts';
import type { Bell } from './bell.ts';
import { failpoint } from './failpoint.ts';
import type { OutletFillerDeps } from './outlet-filler.ts';
import { OutletFiller } from './outlet-filler.ts';
import { OutletState } from './outlet-state.ts';
import { within } from './within.ts';

export type OutletDeps = OutletFillerDeps & {
  bell: Bell;
  backoff: Backoff;
  /** How long one delivery may take, ms. */
  deliverMs: number;
  /** Whether a session's home is another store. */
  isReplica(sessionId: string): boolean;
  /** Whether a share sends it to the same host. */
  isSharedBeside(sessionId: string, sink: Pick<SinkRow, 'name' | 'url'>): boolean;
};

/** Acknowledged batches that are still listed, and those of which something was not taken. */
const keptWhole = 100;
const keptPartly = 1_000;
/** How often it is looked whether a host to which nothing is sent still holds what it said, ms. */
const checkMs = 15 * 60_000;
/** No delay before the next try is longer, ms. */
const maxWaitMs = 3_600_000;

export class Outlet {
  readonly #deps: OutletDeps;
  readonly #sink: Sink;
  readonly #state: OutletState;
  readonly #filler: OutletFiller;
  /** Resolves when the first delivery has ended, however it did. */
  readonly tried: Promise<void>;
  #hasTried: () => void = () => {};
  /** What is on its way now. */
  #inFlight: string | undefined;
  /** When (monotonic, ms) it was last looked whether the other side still holds what it said. */
  #checkedAt: number | undefined;
  /** How often one after another the other side was behind. */
  #timesBehind = 0;
  #wake: () => void = () => {};

  constructor(deps: OutletDeps, row: SinkRow, sink: Sink) {
    this.#deps = deps;
    this.#sink = sink;
    this.#state = new OutletState(deps, row);
    // A replica is handed on by its home alone, but for what is written down here; and a host is sent a session by one sink.
    const isForeign = (id: string) => sink.host !== undefined && (deps.isReplica(id) || deps.isSharedBeside(id, row));
    this.#filler = new OutletFiller(deps, this.#state, isForeign);
    this.tried = new Promise((resolve) => {
      this.#hasTried = resolve;
    });
  }

  /** Where the other side is a sessiond. */
  get host(): Sink['host'] {
    return this.#sink.host;
  }

  get row(): SinkRow {
    return this.#state.row;
  }

  get filter(): SessionFilter {
    return this.#filler.filter;
  }

  /** The batch that is on its way now. */
  get inFlight(): string | undefined {
    return this.#inFlight;
  }

  /** How many events it may still be sent, of those that are there. */
  get lag(): number {
    const { rows, journal } = this.#deps;
    if (this.row.resync) return journal.head.seq;
    const isWaiting = rows.lastSeq(this.row.name) !== undefined || this.row.state === 'paused';
    return journal.head.seq - (isWaiting ? this.row.seq : this.#filler.lookedAt);
  }

  /** Something about it was changed from outside. */
  wake(): void {
    this.#wake();
  }

  /** A batch was given up: what was looked at is looked at no more, and what waits behind it is as it was. */
  async discard(batch: BatchRow): Promise<void> {
    const { rows } = this.#deps;
    const isOver = this.row.state === 'failing';
    const moved = { cursor: batch.through, seq: Math.max(this.row.seq, batch.toSeq) };
    await this.#state.save({ ...moved, ...(isOver && { state: 'active', lastError: null }) }, () =>
      rows.dropBatch(batch.id),
    );
    this.wake();
  }

  /** Changes its state from outside. `revive`: what waits is sent now. Rejects with RefusedError when it cannot be written. */
  async change(...given: Parameters<OutletState['change']>): Promise<void> {
    await this.#state.change(...given);
    this.wake();
  }

  /** Runs until the signal fires; never rejects for what the other side does. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = () => this.#wake();
    signal.addEventListener('abort', stop);
    try {
      while (!signal.aborted) {
        const batch = this.row.state === 'paused' ? undefined : await this.#nextOrFail(signal);
        if (signal.aborted) break;
        // No await between these: a ring, or a word from outside, in between would be missed.
        if (batch === 'later') continue;
        if (!batch) {
          if (await this.#nextRing(signal)) await this.#check(signal);
        } else if (this.#waitMs(batch) > 0) await this.#sleep(this.#waitMs(batch), signal);
        else await this.#deliver(batch, signal);
      }
    } finally {
      signal.removeEventListener('abort', stop);
      await this.#sink.close();
    }
  }

  /** What could not be made ready (the disk is full, say) is tried again. */
  async #nextOrFail(signal: AbortSignal): Promise<BatchRow | 'later' | undefined> {
    try {
      return await this.#filler.next(signal);
    } catch (error) {
      if (signal.aborted) return undefined;
      const { runtime, backoff } = this.#deps;
      if (!(error instanceof RefusedError)) runtime.log.error({ err: error, sink: this.row.name }, 'a sink waits');
      const lastError = error instanceof RefusedError ? error.message : 'what is to be sent could not be made ready';
      if (this.row.state !== 'paused') Object.assign(this.row, { state: 'failing', lastError });
      await this.#sleep(backoff.baseMs * 2, signal);
      return 'later';
    }
  }

  async #deliver(batch: BatchRow, signal: AbortSignal): Promise<void> {
    const { journal, runtime, deliverMs } = this.#deps;
    this.#inFlight = batch.id;
    let delivered: Delivered;
    try {
      const outgoing = { batchId: batch.id, through: batch.through, items: batch.items };
      const expectedCursor = this.row.held ?? undefined;
      delivered = await within(runtime, deliverMs, signal, (either) =>
        this.#sink.deliver({ origin: journal.storeId, expectedCursor, ...outgoing }, either),
      );
    } catch (error) {
      delivered = { kind: 'retry', reason: (error as Error).message };
    }
    this.#inFlight = undefined;
    if (signal.aborted && delivered.kind !== 'acked') return;
    // Given up meanwhile, or its sink removed.
    if (!this.#deps.rows.find(batch.id)) return;
    try {
      await this.#settle(batch, delivered);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      // The disk is full: it is sent again, and is a duplicate then.
      await this.#sleep(this.#deps.backoff.baseMs * 2, signal);
    } finally {
      this.#hasTried();
    }
  }

  async #settle(batch: BatchRow, delivered: Delivered): Promise<void> {
    const { rows, runtime, backoff } = this.#deps;
    switch (delivered.kind) {
      case 'acked':
        this.#timesBehind = 0;
        return this.#acked(batch, delivered.rejected, delivered.held, []);
      case 'behind':
        this.#timesBehind += 1;
        await this.#behind(batch, delivered.held, delivered.sessions);
        return;
      case 'retry': {
        const attempts = batch.attempts + 1;
        const delay = retryDelayMs(attempts, backoff, runtime.random(), delivered.atLeastMs);
        const failed = { ...batch, attempts, nextRetryAt: runtime.now() + delay, lastError: delivered.reason };
        return this.#state.save({ state: 'failing', lastError: delivered.reason }, () => rows.setBatch(failed));
      }
      case 'tooLarge':
        // Of several the limit is too small for what is sent at all; one alone is set aside, and its session with it.
        if (batch.count > 1) return this.#settle(batch, { kind: 'refused', reason: delivered.reason });
        return this.#setAside(batch, delivered.reason);
      case 'refused': {
        const { reason: lastError } = delivered;
        const failed = {
          ...batch,
          state: 'failed' as const,
          attempts: batch.attempts + 1,
          nextRetryAt: null,
          lastError,
        };
        return this.#state.save({ state: 'paused', lastError }, () => rows.setBatch(failed));
      }
    }
  }

  /** What is behind it in its session would leave a hole there: nothing more is sent of that until the sink is resumed. */
  async #setAside(batch: BatchRow, reason: string): Promise<void> {
    const { rows } = this.#deps;
    const { name } = this.row;
    const [item] = JSON.parse(batch.items) as { opId: string; sessionId: string }[];
    const { opId, sessionId } = item!;
    const rejected = [{ opId, reason }];
    await this.#acked(batch, rejected, undefined, [], () => {
      rows.dropUnsentOf(name, sessionId);
      rows.setMark(name, sessionId, { ...(this.#filler.markOf(sessionId) ?? noMark), state: 'large' });
    });
  }

  /** `stale`: sessions of which something was missing before it: what is in it of them is sent whole, later. */
  async #acked(
    batch: BatchRow,
    rejected: readonly { opId: string; reason: string }[],
    held: string | undefined,
    stale: readonly string[],
    also: () => void = () => {},
  ): Promise<void> {
    const { rows } = this.#deps;
    const { name } = this.row;
    const acked: BatchRow = {
      ...batch,
      ...{ state: 'acked', attempts: batch.attempts + 1, items: '', rejected: JSON.stringify(rejected) },
      ...{ nextRetryAt: null, lastError: null },
    };
    const [first] = rejected;
    const lastError = first ? `${rejected.length} of ${batch.count} ops were not taken: ${first.reason}` : null;
    const moved = { cursor: batch.through, seq: batch.toSeq, state: 'active' as const, lastError };
    this.#checkedAt = this.#deps.runtime.monotonic();
    failpoint('beforeSettle');
    await this.#state.save({ ...moved, ...(held !== undefined && { held }) }, () => {
      rows.setBatch(acked);
      for (const id of stale) rows.setMark(name, id, { ...(this.#filler.markOf(id) ?? noMark), state: 'stale' });
      also();
      rows.forget(name, keptWhole, keptPartly);
      failpoint('settling');
    });
    failpoint('afterSettle');
  }

  /**
   * The other side does not hold what comes before the batch. Where it says of which sessions, these are sent whole. Else one of
   * the two was put back: it goes on from what is held there, if that is of this journal, and is sent all sessions whole if not.
   */
  async #behind(batch: BatchRow, held: string | undefined, sessions: readonly string[]): Promise<void> {
    const { rows, runtime, backoff } = this.#deps;
    if (this.#timesBehind > 3) {
      const nextRetryAt = runtime.now() + retryDelayMs(this.#timesBehind, backoff, runtime.random());
      const lastError = 'the other side says again and again that it lacks what was sent';
      await this.#state.save({ state: 'failing', lastError }, () =>
        rows.setBatch({ ...batch, attempts: batch.attempts + 1, nextRetryAt, lastError }),
      );
      if (this.#timesBehind % 2 === 0) return;
    }
    if (sessions.length > 0) return this.#acked(batch, [], held, sessionsIn(batch, sessions));
    return this.#filler.goOnFrom(held);
  }

  /** None where it would be longer than anybody asks for: the clock was put back. */
  #waitMs({ nextRetryAt }: BatchRow): number {
    const ms = (nextRetryAt ?? 0) - this.#deps.runtime.now();
    return ms > maxWaitMs ? 0 : ms;
  }

  /** Until the time is over, or it is woken. */
  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    this.#wake = () => over.abort();
    await this.#deps.runtime.sleep(Math.max(0, ms), AbortSignal.any([signal, over.signal])).catch(() => {});
    this.#wake = () => {};
  }

  /** True where the time has come to look whether the other side still holds what it said. */
  #nextRing(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    const { bell, runtime } = this.#deps;
    return new Promise((resolve) => {
      const over = new AbortController();
      const end = (isTime: boolean) => {
        cancel();
        over.abort();
        this.#wake = () => {};
        resolve(isTime);
      };
      const cancel = bell.onRing(() => end(false));
      this.#wake = () => end(false);
      const isHost = this.#sink.host !== undefined && this.row.held !== null && this.row.state === 'active';
      const due = this.#checkedAt === undefined ? 0 : this.#checkedAt + checkMs - runtime.monotonic();
      if (isHost)
        runtime.sleep(Math.max(0, due), over.signal).then(
          () => end(true),
          () => {},
        );
    });
  }

  /** Where nothing is to be sent, a host that was put back would never be told what it has lost. */
  async #check(signal: AbortSignal): Promise<void> {
    const { journal, runtime, deliverMs } = this.#deps;
    const { held } = this.row;
    this.#checkedAt = runtime.monotonic();
    if (held === null) return;
    const asked = {
      origin: journal.storeId,
      batchId: runtime.newId('chk'),
      expectedCursor: held,
      through: held,
      items: '[]',
    };
    try {
      const told = await within(runtime, deliverMs, signal, (either) => this.#sink.deliver(asked, either));
      if (told.kind === 'behind' && this.row.held === held) await this.#filler.goOnFrom(told.held);
    } catch (error) {
      // What goes wrong is told when there is something to send.
      if (!(error instanceof RefusedError) && !signal.aborted)
        runtime.log.warn({ err: error, sink: this.row.name }, 'a host could not be asked what it holds');
    }
  }
}

/** Those of `named` that were in the batch: who is sent one session must not ask for others. */
function sessionsIn(batch: BatchRow, named: readonly string[]): string[] {
  const sent = new Set((JSON.parse(batch.items) as { sessionId: string }[]).map(({ sessionId }) => sessionId));
  return named.filter((id) => sent.has(id));
}

const noMark: Mark = { version: 0, seen: 0, state: 'at' };

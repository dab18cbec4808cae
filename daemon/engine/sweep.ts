// What happens by the passing of time alone: leases that run out, capabilities whose time is over; and what is too old to keep,
// events, op ids, audits, names. What must be in time waits for none of that. Ticks take `now`, so that tests need no clock.
import { RefusedError } from '../../protocol/errors.ts';
import type { GuestRows } from '../store/guest-rows.ts';
import type { Ledger } from '../store/ledger.ts';
import type { Lists } from '../store/lists.ts';
import type { Capabilities } from './capabilities.ts';
import type { Author } from './op-applier.ts';
import type { Retention } from './retention.ts';
import type { Runtime } from './runtime.ts';
import type { Subscribers } from './subscribers.ts';
import type { Writer } from './writer.ts';

export type SweepDeps = {
  writer: Writer;
  lists: Pick<Lists, 'allOpenTurns'>;
  ledger: Pick<Ledger, 'hasBefore' | 'prune'>;
  guests: Pick<GuestRows, 'hasBefore' | 'prune'>;
  retention: Pick<Retention, 'cut'>;
  subscribers: Pick<Subscribers, 'expire'>;
  capabilities: Pick<Capabilities, 'expire' | 'prune'>;
  runtime: Runtime;
  ledgerMaxAgeMs: number;
};

/** Who ends the turns whose clients fell silent. */
const system: Author = { principal: 'system', actorId: 'system' };

const tickMs = 500;
/** A tick that comes later than this had the machine asleep or the process stopped: no client could renew (PROTOCOL.md 3). */
const lateMs = 5_000;
/** How long a turn that could not be ended is left alone. */
const retryMs = 10_000;
/** How often what is too old is looked for. */
const pruneEveryMs = 60_000;
/** Rows deleted in one transaction, so that the event loop is never held long. */
const pruneRows = 1_000;

export class Sweep {
  readonly #deps: SweepDeps;
  #due: number;

  /** Gives each turn that is open now one full lease: whoever held it may be about to come back. */
  constructor(deps: SweepDeps) {
    this.#deps = deps;
    const { writer, lists, runtime } = deps;
    const now = runtime.monotonic();
    this.#due = now;
    for (const { id, leaseMs } of lists.allOpenTurns()) writer.leases.note({ id, leaseMs }, now);
  }

  /** Ticks and prunes until the signal fires; resolves when all that it began has ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { runtime, retention } = this.#deps;
    const failed = new AbortController();
    const ends = AbortSignal.any([signal, failed.signal]);
    const tick = async () => {
      // What it ended may have taken long; only the time slept tells of a machine that slept.
      await this.tick(runtime.monotonic()).finally(() => {
        this.#due = runtime.monotonic() + tickMs;
      });
    };
    let pruneAt = Number.NEGATIVE_INFINITY;
    const prune = async () => {
      const now = runtime.monotonic();
      if (now < pruneAt) return;
      pruneAt = now + pruneEveryMs;
      await this.prune(ends);
    };
    const loops = [tick, () => retention.cut(), prune].map((work) => this.#every(work, ends));
    try {
      await Promise.all(loops);
    } finally {
      failed.abort();
      await Promise.allSettled(loops);
    }
  }

  /** One look at what is due at `now` (monotonic, ms). Resolves when it is written. */
  async tick(now: number): Promise<void> {
    const { leases } = this.#deps.writer;
    if (now > this.#due + lateMs) leases.renewAll(now);
    this.#due = now + tickMs;
    await Promise.all(leases.runOut(now).map((id) => this.#abort(id, now)));
    this.#deps.capabilities.expire(this.#deps.runtime.now());
  }

  /** Forgets all that is too old, in small bites. Ends when the signal fires. */
  async prune(signal: AbortSignal): Promise<void> {
    const { capabilities, subscribers, runtime } = this.#deps;
    await this.#pruneLedger();
    await capabilities.prune(pruneRows, signal);
    await subscribers.expire(runtime.now());
  }

  /** Does it at each tick until the signal fires, one at a time. */
  async #every(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { runtime } = this.#deps;
    while (!signal.aborted) {
      try {
        await work();
      } catch (error) {
        // The disk is full, or the daemon is ending: what is left is due the next time too.
        if (!(error instanceof RefusedError)) throw error;
      }
      await runtime.sleep(tickMs, signal).catch(() => {});
    }
  }

  async #abort(turnId: string, now: number): Promise<void> {
    const { writer, runtime } = this.#deps;
    const error = { kind: 'LeaseExpired', message: 'nothing was heard of this turn for as long as its lease' };
    const params = { turnId, state: 'aborted' as const, error };
    // Looked at again when its turn to be written comes: a word that was read meanwhile has renewed it.
    const still = () => writer.leases.hasRunOut(turnId, now) && !writer.isOnTurn(turnId);
    try {
      await writer.appendIf(system, { opId: `lease:${turnId}`, type: 'turn/finish', params }, still);
    } catch (error) {
      // Gone with its session.
      if (error instanceof RefusedError && error.refusal.refused === 'NotFound') return writer.leases.drop(turnId);
      // The disk is full, say: tried again. One turn that cannot be ended must not keep the others, or the daemon, from
      // going on.
      if (!(error instanceof RefusedError)) runtime.log.error({ err: error, turnId }, 'a turn could not be ended');
      writer.leases.postpone(turnId, now + retryMs);
    }
  }

  /** Op ids, and what guests sent to other homes: both are kept for as long. */
  async #pruneLedger(): Promise<void> {
    const { writer, ledger, guests, runtime, ledgerMaxAgeMs } = this.#deps;
    const before = runtime.now() - ledgerMaxAgeMs;
    for (const kept of [ledger, guests])
      while (kept.hasBefore(before))
        await writer.write(
          () => kept.prune(before, pruneRows),
          () => pruneRows,
        );
  }
}

// What happens by the passing of time alone: leases that run out, capabilities whose time is over, events, op ids and audits too old to keep. Ticks take `now`, so
// that tests need no clock.
import { RefusedError } from '../../protocol/errors.ts';
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
const pruneEveryMs = 60_000;
/** Rows deleted in one transaction, so that the event loop is never held long. */
const pruneRows = 1_000;

export class Sweep {
  readonly #deps: SweepDeps;
  #due: number;
  #pruneAt = Number.NEGATIVE_INFINITY;

  /** Gives each turn that is open now one full lease: whoever held it may be about to come back. */
  constructor(deps: SweepDeps) {
    this.#deps = deps;
    const { writer, lists, runtime } = deps;
    const now = runtime.monotonic();
    this.#due = now;
    for (const { id, leaseMs } of lists.allOpenTurns()) writer.leases.note({ id, leaseMs }, now);
  }

  /** Ticks until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const { runtime } = this.#deps;
    while (!signal.aborted) {
      try {
        await this.tick(runtime.monotonic());
      } catch (error) {
        // The disk is full, or the daemon is ending: what is left is due at the next tick too.
        if (!(error instanceof RefusedError)) throw error;
      }
      // What it ended may have taken long; only the time slept tells of a machine that slept.
      this.#due = runtime.monotonic() + tickMs;
      await runtime.sleep(tickMs, signal).catch(() => {});
    }
  }

  /** One look at what is due at `now` (monotonic, ms). Resolves when it is written. */
  async tick(now: number): Promise<void> {
    const { leases } = this.#deps.writer;
    if (now > this.#due + lateMs) leases.renewAll(now);
    this.#due = now + tickMs;
    await Promise.all(leases.runOut(now).map((id) => this.#abort(id, now)));
    this.#deps.capabilities.expire(this.#deps.runtime.now());
    await this.#deps.retention.cut();
    if (now < this.#pruneAt) return;
    this.#pruneAt = now + pruneEveryMs;
    await this.#pruneLedger();
    await this.#deps.capabilities.prune(pruneRows);
    await this.#deps.subscribers.expire(this.#deps.runtime.now());
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

  async #pruneLedger(): Promise<void> {
    const { writer, ledger, runtime, ledgerMaxAgeMs } = this.#deps;
    const before = runtime.now() - ledgerMaxAgeMs;
    while (ledger.hasBefore(before)) await writer.write(() => ledger.prune(before, pruneRows));
  }
}

// Who did what with capabilities, and what was refused (PROTOCOL.md 6): written down within bounds, so that nobody fills the disk
// with it and nobody who is audited pushes out what they did.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AuditEntry, AuditRows } from '../store/audit-rows.ts';
import type { Author } from './op-applier.ts';
import type { Runtime } from './runtime.ts';
import type { Writer } from './writer.ts';

/**
 * How long it is kept who did what, ms, and how many entries of one capability: so many of what was done, and a tenth of it of
 * what was refused or done before. Whoever fills it pushes out only their own, and by what is refused nothing that was done.
 */
export type AuditRule = { maxAgeMs: number; maxEntries: number };

export type CapabilityAuditDeps = {
  rows: AuditRows;
  rule: AuditRule;
  writer: Pick<Writer, 'write'>;
  runtime: Pick<Runtime, 'now' | 'monotonic'>;
};

/** How often it is written down that somebody comes with a token that is over, ms. */
const overEveryMs = 60_000;

export class CapabilityAudit {
  readonly #deps: CapabilityAuditDeps;
  /** When (monotonic, ms) it was written down last that somebody came with a token that is over: by method and id. */
  readonly #overAt = new Map<string, number>();

  constructor(deps: CapabilityAuditDeps) {
    this.#deps = deps;
  }

  /** Inside a transaction. What happens to a capability is in its own audit, whoever did it. */
  note({ actorId }: Author, method: string, capabilityId: string, outcome = 'ok'): void {
    const { rows, runtime } = this.#deps;
    rows.add({ at: runtime.now(), capabilityId, actorId, method, sessionId: null, outcome });
  }

  /** Keeps what was asked for with the author's capability, and how it ended. Resolves when that is on disk. */
  async add({ actorId, grant }: Author, entry: Pick<AuditEntry, 'method' | 'sessionId' | 'outcome'>): Promise<void> {
    if (!grant) return;
    const { rows, writer, runtime } = this.#deps;
    const { id: capabilityId } = grant.capability;
    await writer.write(() => rows.add({ at: runtime.now(), capabilityId, actorId, ...entry }));
  }

  /** Notes what was refused to who showed a token; that it is over, no more than once in a while. Resolves when it is on disk. */
  async refused(by: Author, method: string, capabilityId: string, outcome: string): Promise<void> {
    const { writer, runtime } = this.#deps;
    const note = () => writer.write(() => this.note(by, method, capabilityId, outcome));
    if (outcome !== 'Unauthorized') return note();
    const key = `${method} ${capabilityId}`;
    const now = runtime.monotonic();
    if (now < (this.#overAt.get(key) ?? Number.NEGATIVE_INFINITY) + overEveryMs) return;
    this.#overAt.set(key, now);
    try {
      await note();
    } catch (error) {
      this.#overAt.delete(key);
      throw error;
    }
  }

  /** The newest first, from before the row `before` on. `capabilityIds`: only of these. */
  read(capabilityIds: string[] | undefined, limit: number, before: number | undefined) {
    return this.#deps.rows.read(capabilityIds, limit, before);
  }

  /** Forgets what is too old, and of each of these what is too much, in transactions of `count` rows. Ends when the signal fires. */
  async prune(capabilityIds: string[], count: number, signal: AbortSignal): Promise<void> {
    const { rows, rule, writer, runtime } = this.#deps;
    const { maxAgeMs, maxEntries } = rule;
    for (const id of capabilityIds) {
      for (const [isOk, most] of [[true, maxEntries] as const, [false, Math.ceil(maxEntries / 10)] as const]) {
        await nextTurn();
        if (signal.aborted) return;
        const last = rows.beyond(id, isOk, most);
        const drop = () => rows.dropThrough(id, isOk, last!, count);
        while (last !== undefined && (await writer.write(drop, () => count)) === count);
      }
    }
    const before = runtime.now() - maxAgeMs;
    while (rows.hasBefore(before))
      await writer.write(
        () => rows.prune(before, count),
        () => count,
      );
    const now = runtime.monotonic();
    for (const [key, at] of this.#overAt) if (now >= at + overEveryMs) this.#overAt.delete(key);
  }
}

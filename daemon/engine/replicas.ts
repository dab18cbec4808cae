// Sessions whose home is another store, as who asks from outside sees to them (PROTOCOL.md 7).
import type { ReplicaRows } from '../store/replica-rows.ts';
import type { Guests } from './guests.ts';
import type { Author } from './op-applier.ts';
import type { Kin, ReplicaBatch } from './replica-batch.ts';
import type { AppendResult, Writer } from './writer.ts';

export type ReplicasDeps = {
  rows: Pick<ReplicaRows, 'newestCursorOf'>;
  writer: Pick<Writer, 'takeReplica'>;
  guests: Pick<Guests, 'news'>;
  kin: Kin;
};

export class Replicas {
  readonly #deps: ReplicasDeps;

  constructor(deps: ReplicasDeps) {
    this.#deps = deps;
  }

  /** Applies what a home sent. Resolves when it is on disk; rejects with RefusedError when all of it is refused. */
  async append(author: Author, batch: ReplicaBatch): Promise<AppendResult> {
    const { writer, guests, kin } = this.#deps;
    const result = await writer.takeReplica(author, batch, kin);
    guests.news.ring(new Set(result.applied.map(({ ids }) => ids.sessionId!)));
    return result;
  }

  /** How far the journal of the origin that sent something last is held of what came by a capability. */
  cursorOf(capabilityId: string): string | undefined {
    return this.#deps.rows.newestCursorOf(capabilityId);
  }
}

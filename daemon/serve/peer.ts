// What the daemon holds for one connection: who it is, its subscriptions, and the order of its mutations. All of it ends
// with the connection (P18).

import type { EndReason, Feed } from '../engine/feed.ts';
import type { Author } from '../engine/writer.ts';
import type { Connection } from './connection.ts';

export class Peer {
  readonly id: string;
  readonly connection: Connection;
  readonly feeds = new Map<string, Feed>();
  #client: string | undefined;
  #lastMutation: Promise<unknown> | undefined;
  /** The series of ops that is under way, or that others wait behind; settled once it is done, also when it failed. */
  #lasting: Promise<unknown> | undefined;

  constructor(id: string, connection: Connection) {
    this.id = id;
    this.connection = connection;
  }

  get client(): string | null {
    return this.#client ?? null;
  }

  /** The local owner's actor is its client's name and connection. */
  get author(): Author {
    return { principal: 'owner', actorId: `${this.#client ?? 'local'}/${this.id}` };
  }

  introduce(name: string): void {
    this.#client = name;
  }

  /**
   * Runs a mutation: reads that were sent after it wait for it. One that `lasts` has all of its ops behind one another
   * before the next mutation of the connection begins; the others are in order by being started in order.
   */
  mutating<T>(run: () => Promise<T>, lasts: boolean): Promise<T> {
    const mutation = this.#lasting ? this.#lasting.then(run) : run();
    this.#lastMutation = mutation;
    if (lasts) this.#lasting = mutation.catch(() => {});
    const settled = () => {
      if (this.#lastMutation !== mutation) return;
      this.#lastMutation = undefined;
      this.#lasting = undefined;
    };
    mutation.then(settled, settled);
    return mutation;
  }

  /** Undefined when none is under way. Mutations end in order, so the last stands for all. */
  get mutationsUnderWay(): Promise<unknown> | undefined {
    return this.#lastMutation?.catch(() => {});
  }

  endFeeds(reason: EndReason): void {
    for (const feed of this.feeds.values()) feed.end(reason);
    this.feeds.clear();
  }
}

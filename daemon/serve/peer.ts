// What the daemon holds for one connection: who it is, what it acts with, its subscriptions, and the order of its mutations.
// All of it ends with the connection (P18).

import { setMaxListeners } from 'node:events';
import type { EndReason, Feed } from '../engine/feed.ts';
import type { Grant } from '../engine/grant.ts';
import { nobody } from '../engine/grant.ts';
import type { Author } from '../engine/writer.ts';
import type { Connection } from './connection.ts';

/** How somebody came in. `lasts`: false where it is over with the answer to one frame. */
export type Entry = {
  /** What they act with; undefined: the local owner. */
  grant?: Grant | undefined;
  lasts: boolean;
  /** What they call themselves, where that is known before they say it. */
  client?: string | undefined;
  /** Called when somebody who came in as nobody has said who they are. */
  onGreeted?: (() => void) | undefined;
  /** Methods whose reading is in the audit, where it is more than this connection that they are there once for. */
  audited?: Set<string> | undefined;
};

export class Peer {
  readonly id: string;
  readonly connection: Connection;
  readonly lasts: boolean;
  /** Whether it came in as nobody. */
  readonly isStranger: boolean;
  readonly feeds = new Map<string, Feed>();
  /** Methods whose reading is in the audit, by what the connection acts with now. */
  audited = new Set<string>();
  #client: string | undefined;
  readonly #onGreeted: (() => void) | undefined;
  #lastSubscription = 0;
  #grant: Grant | undefined;
  /** Fires when the connection ends, or what it acts with: every wait on its behalf ends with it. */
  #signal: AbortSignal;
  #acting = new AbortController();
  #lastMutation: Promise<unknown> | undefined;
  /** The series of ops that is under way, or that others wait behind; settled once it is done, also when it failed. */
  #lasting: Promise<unknown> | undefined;

  constructor(id: string, connection: Connection, entry: Entry = { lasts: true }) {
    const { grant, lasts, client, audited, onGreeted } = entry;
    this.id = id;
    this.connection = connection;
    this.lasts = lasts;
    this.isStranger = grant === nobody;
    this.#grant = grant;
    this.#client = client;
    this.#onGreeted = onGreeted;
    if (audited) this.audited = audited;
    this.#signal = signalOf(connection, this.#acting);
  }

  get client(): string | null {
    return this.#client ?? null;
  }

  /** Whether it has to say who it is: it has not yet, or what it showed was refused. */
  get isNobody(): boolean {
    return this.#grant === nobody;
  }

  /** What it acts with; the local owner acts without. */
  get grant(): Grant | undefined {
    return this.#grant;
  }

  get signal(): AbortSignal {
    return this.#signal;
  }

  /** The local owner's actor is its client's name and connection; that of others begins with what they cannot choose. */
  get author(): Author {
    const capabilityId = this.#grant?.capability.id;
    const actorId = `${capabilityId ?? this.#client ?? 'local'}/${this.id}`;
    return { principal: capabilityId ?? 'owner', actorId, grant: this.#grant };
  }

  /** From here it acts with `grant` alone; what it subscribed to and waits for before ends. */
  act(grant: Grant): void {
    this.endActing('unsubscribed');
    if (grant !== nobody) this.#onGreeted?.();
    this.#grant = grant;
    this.audited = new Set();
    this.#acting = new AbortController();
    this.#signal = signalOf(this.connection, this.#acting);
  }

  /** What it acts with is over; it does not become the owner by that. */
  endActing(reason: EndReason): void {
    this.endFeeds(reason);
    this.#acting.abort();
  }

  /** Counted by connection: what the ids of one tell is of that one alone. */
  newSubscriptionId(): string {
    this.#lastSubscription += 1;
    return `sub_${this.#lastSubscription}`;
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
    // Each goes when it has ended: until then it counts, a stalled one too.
    for (const feed of this.feeds.values()) feed.end(reason);
  }
}

/** Fires with either. As many waits listen to it as a connection may have: no leak for Node to warn of. */
function signalOf(connection: Connection, acting: AbortController): AbortSignal {
  const signal = AbortSignal.any([connection.signal, acting.signal]);
  setMaxListeners(0, signal);
  return signal;
}

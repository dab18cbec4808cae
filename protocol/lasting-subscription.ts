// A subscription that outlives its connections: it goes on from its last cursor on the next one, and hands on each event
// once, in order. What cannot be resumed begins anew with a snapshot, and is told (`onReset`).
//
// A cursor stands for what the listener is done with. Of an op in pieces, those that were handed on are known by their seq,
// and not handed on again.
import type { Client, Delivery, Started } from './client.ts';
import { throwLater } from './connection-state.ts';
import { parseCursor } from './cursor.ts';
import { RpcError } from './errors.ts';
import type { Params } from './methods.ts';
import { DisconnectedError, isPassing } from './reconnect.ts';
import { TransportClosedError } from './transport.ts';

/** What a subscription tells: that it has begun on a connection, and then what comes there. */
export type News = { type: 'started'; params: Started } | Delivery;
/** Awaited before the next: who is slow is felt by the daemon. It must not await a call of the same connection. */
export type NewsListener = (news: News) => void | Promise<void>;

/** What retention, or another store, made of a subscription: the state follows as a snapshot. */
export type Reset = { reason: string; subscription: LastingSubscription };

/**
 * `closed`: here, by `close`. `takenOver`, `unsubscribed`: the daemon's word. `refused`: the daemon's error, which waiting does
 * not mend. `failed`: the listener threw. `offline`: the connection is given up, and why.
 */
export type SubscriptionEnd = {
  reason: 'closed' | 'takenOver' | 'unsubscribed' | 'refused' | 'failed' | 'offline';
  error?: unknown;
};

export type SubscriptionHost = {
  bookmarkMs: number;
  /** It is caught up or not any more, further or more behind. */
  moved(): void;
  reset(reset: Reset): void;
  /** It has ended, and takes no more part. */
  ended(subscription: LastingSubscription): void;
  /** The connection is of no use to it. */
  drop(client: Client, error: unknown): void;
};

export class LastingSubscription {
  /** Resolves when it began for the first time; rejects where it ended before, with the error. */
  readonly started: Promise<Started>;
  /** Never rejects. */
  readonly ended: Promise<SubscriptionEnd>;
  readonly #params: Params<'events/subscribe'>;
  readonly #listener: NewsListener;
  readonly #host: SubscriptionHost;
  #client: Client | undefined;
  /** On the connection of now. */
  #id: string | undefined;
  #cursor: string | undefined;
  /** The newest event that was handed on, of the store of now. */
  #seen = 0;
  #head = 0;
  /** The state is being sent, or is owed: what was told before is worth nothing. */
  #inSnapshot = false;
  #isCaughtUp = false;
  #isOver = false;
  /** The listener at work on `started`. */
  #beginning: Promise<void> = Promise.resolve();
  #began!: (started: Started) => void;
  #end!: (end: SubscriptionEnd) => void;

  constructor(params: Params<'events/subscribe'>, listener: NewsListener, host: SubscriptionHost) {
    this.#params = params;
    this.#listener = listener;
    this.#host = host;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.started = new Promise((resolve, reject) => {
      this.#began = resolve;
      void this.ended.then(({ reason, error }) => reject(error ?? new Error(`the subscription ended: ${reason}`)));
    });
    this.started.catch(() => {}); // who does not wait for it learns by `ended`
  }

  /** All up to here was handed on; undefined before it has begun. */
  get cursor(): string | undefined {
    return this.#cursor;
  }

  /** Whether all that there was when it began on the connection of now was handed on. */
  get isCaughtUp(): boolean {
    return this.#isCaughtUp;
  }

  /** Events of the journal that have not come, as far as is known. */
  get behind(): number {
    return Math.max(0, this.#head - (this.#cursor === undefined ? 0 : seqOf(this.#cursor)));
  }

  /** Resolves when all that was acknowledged to anyone before this call was handed on. Rejects with DisconnectedError. */
  async sync(): Promise<void> {
    if (!this.#client || this.#id === undefined) throw new DisconnectedError(true);
    await this.#client.call('events/sync', { subscription: this.#id }).catch((error: unknown) => {
      throw error instanceof TransportClosedError ? new DisconnectedError(true) : error;
    });
  }

  /** Ends it, here at once. */
  close(end: SubscriptionEnd = { reason: 'closed' }): void {
    const [client, subscription] = [this.#client, this.#id];
    this.stop(end);
    if (client && subscription !== undefined) client.call('events/unsubscribe', { subscription }).catch(() => {});
  }

  /** Nothing more is handed on. */
  stop(end: SubscriptionEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#client = undefined;
    this.#end(end);
    this.#host.ended(this);
  }

  /** Begins on another connection, or goes on there. Never rejects. */
  async begin(client: Client): Promise<void> {
    if (this.#isOver) return;
    this.#client = client;
    this.#id = undefined;
    this.#isCaughtUp = false;
    try {
      await client.subscribe(
        this.#resuming(),
        (delivery) => this.#take(client, delivery),
        (started) => this.#start(client, started),
      );
    } catch (error) {
      if (this.#isOver || this.#client !== client) return;
      const isRefused = error instanceof RpcError && !isPassing(error) && error.kind !== 'Unauthorized';
      if (isRefused) this.stop({ reason: 'refused', error });
      else this.#host.drop(client, error);
    }
  }

  /** The connection is gone. */
  lost(): void {
    this.#client = undefined;
    this.#id = undefined;
    this.#isCaughtUp = false;
  }

  #resuming(): Params<'events/subscribe'> {
    const params = { bookmarkMs: this.#host.bookmarkMs, ...this.#params };
    if (this.#inSnapshot) return { ...params, from: 'now', snapshot: 'always' };
    if (this.#cursor === undefined) return params;
    return { ...params, from: this.#cursor, snapshot: params.snapshot === 'never' ? 'never' : 'onGap' };
  }

  #start(client: Client, started: Started): void {
    // Ended before it was answered: the daemon goes on with it until it is told.
    if (this.#isOver) client.call('events/unsubscribe', { subscription: started.subscription }).catch(() => {});
    if (this.#isOver || this.#client !== client) return;
    const { mode, reason, cursor, head, subscription } = started;
    this.#id = subscription;
    this.#head = seqOf(head);
    if (mode === 'snapshot') this.#await(reason === 'always' ? undefined : reason);
    else this.#cursor = cursor;
    this.#beginning = this.#tell({ type: 'started', params: started });
    this.#began(started);
    this.#host.moved();
  }

  /** The state comes, from its beginning. */
  #await(reason: string | undefined): void {
    this.#inSnapshot = true;
    this.#isCaughtUp = false;
    this.#seen = 0;
    if (reason !== undefined) this.#host.reset({ reason, subscription: this });
  }

  async #take(client: Client, delivery: Delivery): Promise<void> {
    await this.#beginning;
    if (this.#isOver || this.#client !== client) return;
    const news = this.#unseen(delivery);
    if (news) await this.#tell(news);
    if (this.#isOver) return;
    this.#follow(client, delivery);
    this.#host.moved();
  }

  /** What of it was not handed on yet. Throws where something before it is missing: then the connection is not to be trusted. */
  #unseen(delivery: Delivery): Delivery | undefined {
    const { prev } = delivery.params as { prev?: string };
    if (prev !== undefined && prev !== this.#cursor) {
      throw new Error(`${delivery.type} goes on from ${prev}, and ${this.#cursor} was told last`);
    }
    if (delivery.type !== 'events/batch') return delivery;
    const { params } = delivery;
    const events = params.events.filter(({ seq }) => seq > this.#seen);
    if (events.length === params.events.length) return delivery;
    if (events.length === 0 && params.cursor === undefined) return undefined;
    return { type: 'events/batch', params: { ...params, events } };
  }

  #follow(client: Client, delivery: Delivery): void {
    if (delivery.type === 'events/batch') {
      this.#seen = Math.max(this.#seen, delivery.params.events.at(-1)?.seq ?? 0);
      this.#head = Math.max(this.#head, this.#seen);
    }
    // Under `never` no state follows: the daemon ends it, and says why when it is asked to go on.
    if (delivery.type === 'events/reset' && this.#params.snapshot !== 'never') this.#await(delivery.params.reason);
    if (delivery.type === 'events/snapshot' && delivery.params.done) this.#inSnapshot = false;
    if (delivery.type === 'events/caughtUp') this.#isCaughtUp = true;
    if (delivery.type === 'events/ended') this.#endedBy(client, delivery.params.reason);
    // Also of deliveries that a newer daemon may add: where there is a cursor, all before it was handed on.
    const { cursor, head } = delivery.params as { cursor?: string; head?: string };
    if (cursor !== undefined) this.#cursor = cursor;
    if (head !== undefined) this.#head = Math.max(this.#head, seqOf(head));
  }

  #endedBy(client: Client, reason: string): void {
    if (reason === 'takenOver' || reason === 'unsubscribed') this.stop({ reason });
    // It tells why when it is asked again: passed by retention, or not allowed any more. A daemon that ends says so there too.
    else if (reason !== 'shuttingDown') void this.begin(client);
  }

  async #tell(news: News): Promise<void> {
    try {
      await this.#listener(news);
    } catch (error) {
      throwLater(error);
      this.close({ reason: 'failed', error });
    }
  }
}

function seqOf(cursor: string): number {
  return parseCursor(cursor)?.seq ?? 0;
}

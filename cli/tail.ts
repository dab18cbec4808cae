// Follows the journal over whatever becomes of the daemon: one that went is waited for, and the cursor resumed from. What
// cannot be resumed is told, and all that is kept is printed from its beginning, which misses least.
//
// A cursor stands for what was printed: it moves behind the write, and only at the end of an op. Of an op in pieces, those
// that were printed are known by their seq, and not printed again.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, Delivery, Subscription } from '../protocol/client.ts';
import { parseCursor } from '../protocol/cursor.ts';
import { RpcError } from '../protocol/errors.ts';
import type { Filter } from '../protocol/methods.ts';
import { Backoff } from '../protocol/reconnect.ts';
import type { Event } from '../protocol/schema.ts';
import { Acknowledger, acknowledgedSeq } from './acknowledger.ts';
import { exitCodes, failureOf } from './exit.ts';
import { OutputClosedError } from './output.ts';
import type { TailNotice } from './render/tail-notice.ts';

export type TailOptions = {
  filter?: Filter;
  /** Reads as a durable subscriber of this name, which acknowledges what was printed. */
  name?: string;
  /** Another connection, to a daemon that runs. */
  reconnect(): Promise<Client>;
  /** Resolves when they are written. */
  print(events: Event[]): Promise<void>;
  /** Never rejects. */
  tell(notice: TailNotice): Promise<void>;
  /** Ends the tail, from outside or because nobody reads what is printed. */
  stop: AbortController;
  backoff?: Backoff;
};

/** Why a tail is over: stopped, or the daemon's own word. `owesAck`: the last that was printed is not acknowledged. */
export type TailEnd = { why: 'stopped' | 'takenOver' | 'unsubscribed'; owesAck: boolean };

/** How one subscription ended: with its connection, or as the daemon said. */
type LinkEnd = 'closed' | 'shuttingDown' | 'expired' | 'revoked' | Exclude<TailEnd['why'], 'stopped'>;
type Link = { client: Client; ended: Promise<LinkEnd> };

/** A socket of this machine: a try costs next to nothing, and a person is watching. */
const forDaemon = { baseMs: 100, maxMs: 2_000 };
const gaps = ['CursorExpired', 'StoreChanged', 'CursorInFuture', 'Diverged'];

export class Tail {
  readonly #options: TailOptions;
  readonly #backoff: Backoff;
  readonly #stopped: Promise<'stopped'>;
  #cursor: string | undefined;
  /** The newest event of this store that was printed. */
  #printedSeq = 0;
  #acknowledger: Acknowledger | undefined;
  #failure: { error: unknown } | undefined;

  constructor(options: TailOptions) {
    this.#options = options;
    this.#backoff = options.backoff ?? new Backoff(forDaemon, Math.random);
    const { signal } = options.stop;
    this.#stopped = new Promise((resolve) => {
      if (signal.aborted) resolve('stopped');
      signal.addEventListener('abort', () => resolve('stopped'), { once: true });
    });
  }

  /** All up to here was printed; undefined before the tail has begun. */
  get cursor(): string | undefined {
    return this.#cursor;
  }

  /**
   * Resolves when it is over; closes the client. `from`: as events/subscribe takes it. Rejects with what waiting does not
   * mend, and with the RpcError of a `from` that cannot be resumed.
   */
  async follow(client: Client, from: string | undefined): Promise<TailEnd> {
    const { tell } = this.#options;
    let link: Link = { client, ended: new Promise(() => {}) };
    try {
      link = await this.#subscribe(client, from, 'begun');
      for (;;) {
        // The end of a link may be known already, and would win.
        const end = this.#options.stop.signal.aborted ? 'stopped' : await Promise.race([link.ended, this.#stopped]);
        if (this.#failure) throw this.#failure.error;
        if (end === 'stopped' || end === 'takenOver' || end === 'unsubscribed') {
          return { why: end, owesAck: end === 'stopped' && !((await this.#acknowledger?.finish()) ?? true) };
        }
        link.client.close();
        // One that retention has passed is told what it missed when it asks again; one whose capability was taken back, why
        // it may not ask, and where that only must be redeemed again it goes on.
        const isLost = end === 'closed' || end === 'shuttingDown';
        if (isLost) await tell({ is: 'lost', reason: end, seq: this.#behindSeq });
        link = (await this.#reconnect(isLost ? 'back' : undefined)) ?? link;
      }
    } finally {
      link.client.close();
    }
  }

  /** Tries until a daemon takes the subscription; undefined when it was stopped before. */
  async #reconnect(told: 'back' | undefined): Promise<Link | undefined> {
    const { reconnect, stop } = this.#options;
    while (!stop.signal.aborted) {
      await sleep(this.#backoff.next(), undefined, { signal: stop.signal }).catch(() => {});
      const connecting = reconnect().then(async (client) => {
        if (stop.signal.aborted) client.close();
        try {
          return await this.#subscribe(client, this.#cursor, told);
        } catch (error) {
          client.close();
          throw error;
        }
      });
      try {
        const link = await Promise.race([connecting, this.#stopped]);
        return link === 'stopped' ? undefined : link;
      } catch (error) {
        if (!mayPass(error)) throw error;
      }
    }
    return undefined;
  }

  /** `told`: what is told when nothing was missed. */
  async #subscribe(client: Client, from: string | undefined, told: 'begun' | 'back' | undefined): Promise<Link> {
    const { name, filter, tell } = this.#options;
    let begin!: () => void;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    let end!: (end: LinkEnd) => void;
    const ended = new Promise<LinkEnd>((resolve) => {
      end = resolve;
    });
    const listener = async (delivery: Delivery) => {
      await begun;
      await this.#take(delivery);
      if (delivery.type === 'events/ended') end(delivery.params.reason);
    };
    const start = (from: string | undefined) =>
      client.subscribe(
        { snapshot: 'never', ...(from && { from }), ...(name !== undefined && { name }), ...(filter && { filter }) },
        listener,
      );
    let subscription: Subscription;
    let gap: string | undefined;
    let behind = this.#behindSeq;
    try {
      subscription = await start(from);
    } catch (error) {
      const isOfUser = this.#cursor === undefined && from !== undefined;
      if (isOfUser || !(error instanceof RpcError) || !gaps.includes(error.kind ?? '')) throw error;
      gap = error.kind!;
      // Before the subscription: its deliveries, which wait for `begin`, would stand before the reply.
      if (name !== undefined) behind ??= await acknowledgedSeq(client, name);
      subscription = await start('start');
    }
    const { mode, cursor } = subscription;
    const seq = parseCursor(cursor)?.seq ?? 0;
    if (from === 'start' && seq > 0) gap = 'CursorExpired';
    // Of an op in pieces more was printed than the cursor says.
    if (gap === 'CursorExpired' && behind !== undefined && behind >= seq) gap = undefined;
    if (gap !== undefined && gap !== 'CursorExpired') this.#printedSeq = 0;
    this.#cursor = cursor;
    if (gap !== undefined) await tell({ is: 'gap', reason: gap, behind, seq, cursor });
    else if (told === 'back' || (told === 'begun' && name !== undefined)) await tell({ is: told, mode, seq, cursor });
    if (this.#acknowledger) this.#acknowledger.use(client);
    else if (name !== undefined) this.#acknowledger = new Acknowledger(name, client);
    const gone = () => end('closed');
    client.closed.then(gone, gone);
    begin();
    return { client, ended };
  }

  /** Up to here all was printed or passed, also of an op whose rest is to come. */
  get #behindSeq(): number | undefined {
    return this.#cursor === undefined ? undefined : Math.max(parseCursor(this.#cursor)?.seq ?? 0, this.#printedSeq);
  }

  /** Awaited before the next delivery: so a reader that stalls is felt by the daemon. */
  async #take(delivery: Delivery): Promise<void> {
    const { stop } = this.#options;
    try {
      // The replies of acknowledgements come behind the deliveries, so that none waits for a stalled reader at the end.
      if (delivery.type === 'events/batch') await Promise.race([this.#print(delivery.params.events), this.#stopped]);
    } catch (error) {
      if (!(error instanceof OutputClosedError)) this.#failure = { error };
      stop.abort();
    }
    if (stop.signal.aborted) return;
    this.#backoff.reset();
    // Also of deliveries that a newer daemon may add: where there is a cursor, all before it was delivered.
    const { cursor } = delivery.params as { cursor?: string };
    if (cursor === undefined) return;
    this.#cursor = cursor;
    this.#acknowledger?.printed(cursor);
  }

  async #print(events: Event[]): Promise<void> {
    await this.#options.print(events.filter(({ seq }) => seq > this.#printedSeq));
    // Never back: of an op in pieces that comes again, the first ones are before what was printed.
    this.#printedSeq = Math.max(this.#printedSeq, events.at(-1)?.seq ?? 0);
  }
}

/** Whether a daemon that is just starting, ending, or at work may take it later. */
function mayPass(error: unknown): boolean {
  if (error instanceof RpcError && error.kind === 'StoreUnavailable') return true;
  const { code } = failureOf(error, String);
  return code === exitCodes.notReachable || code === exitCodes.busy;
}

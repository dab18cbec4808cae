// A connection that lasts: it is made again when it is lost, and everything that hangs on it goes on where it was. The loop
// is `#run`: try, live, wait. States and what leads to them: connection-state.ts.
import type { Started } from './client.ts';
import { Client } from './client.ts';
import type { Clock } from './clock.ts';
import type { ConnectionState } from './connection-state.ts';
import { Listeners } from './connection-state.ts';
import type { Intents, IntentsHost } from './intents.ts';
import type { NewsListener, Reset, SubscriptionEnd, SubscriptionHost } from './lasting-subscription.ts';
import { LastingSubscription } from './lasting-subscription.ts';
import type { ViewFilter, ViewOptions } from './live-view.ts';
import { LiveView } from './live-view.ts';
import type { MethodName, Params, Result } from './methods.ts';
import type { ReconnectOptions } from './reconnect.ts';
import { askedWait, Backoff, DisconnectedError, isPassing, mayRepeat } from './reconnect.ts';
import type { Op } from './schema.ts';
import { endingInSilence } from './silence.ts';
import type { Transport } from './transport.ts';
import { TransportClosedError } from './transport.ts';

/** Makes one connection. Rejects when the signal fires, and leaves nothing open then. */
export type Dial = (signal: AbortSignal) => Promise<Transport>;

export type ConnectionOptions = {
  /** Who this is, for those who look at what is connected. */
  client: { name: string; version: string };
  /** Of a capability: said on each connection, which then may what that allows. */
  token?: string;
  reconnect: Partial<ReconnectOptions>;
  /** How often the daemon is to say something when nothing happens, in ms; silent for 3 times as long, it is left. */
  bookmarkMs: number;
  /** For one try to connect and to be answered, in ms. */
  connectTimeoutMs: number;
  clock: Clock;
};

type Greeting = Result<'initialize'>;
/** One connection that has answered. `error`: why it was left. */
type Link = { client: Client; server: Greeting; error?: unknown };
/** An op; without `opId`, it is given one. */
export type NewOp = Op extends infer Each ? (Each extends Op ? Omit<Each, 'opId'> & { opId?: string } : never) : never;

export class Connection {
  /** Resolves when it has ended for good: with the error that no further try would mend, or with undefined after `close`. */
  readonly closed: Promise<unknown>;
  readonly #dial: Dial;
  readonly #options: ConnectionOptions;
  readonly #backoff: Backoff;
  readonly #over = new AbortController();
  readonly #subscriptions = new Set<LastingSubscription>();
  readonly #onState = new Listeners<ConnectionState>();
  readonly #onReset = new Listeners<Reset>();
  readonly #host: SubscriptionHost;
  readonly #intents: Intents;
  #link: Link | undefined;
  #state: ConnectionState;
  /** Wakes those who wait for a link, or for the end of a try. */
  #waiting: (() => void)[] = [];
  #isEnded = false;

  /** `intents`: makes the outbox, over this connection. */
  constructor(dial: Dial, options: ConnectionOptions, intents: (host: IntentsHost) => Intents) {
    const { clock, bookmarkMs } = options;
    this.#dial = dial;
    this.#options = options;
    this.#backoff = new Backoff(options.reconnect, clock.random);
    this.#state = { is: 'connecting', since: clock.now(), attempt: 0 };
    this.#host = {
      bookmarkMs,
      moved: () => this.#look(),
      reset: (reset) => this.#onReset.tell(reset),
      ended: (subscription) => {
        this.#subscriptions.delete(subscription);
        this.#look();
      },
      drop: (client, error) => this.#drop(client, error),
    };
    this.#intents = intents({
      clock,
      reconnect: options.reconnect,
      up: () => this.#up(() => false),
      drop: (client, error) => this.#drop(client, error),
    });
    this.closed = this.#run().finally(() => this.#onState.clear());
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** What the daemon of now said of itself; undefined while there is none. */
  get server(): Greeting | undefined {
    return this.#link?.server;
  }

  /** Told of each change, and of `behind` as it shrinks. Returns what takes the listener back. */
  onState(listener: (state: ConnectionState) => void): () => void {
    return this.#onState.add(listener);
  }

  /**
   * Told when a subscription could not be resumed (`CursorExpired`, `StoreChanged`, `CursorInFuture`, `Diverged`) and is sent the state
   * instead; never when it was resumed. Returns what takes the listener back.
   */
  onReset(listener: (reset: Reset) => void): () => void {
    return this.#onReset.add(listener);
  }

  /**
   * Rejects with RpcError for the daemon's refusals, and with DisconnectedError when the connection goes meanwhile, or there
   * is none and none is just being made.
   */
  call<M extends MethodName>(method: M, params: Params<M>): Promise<Result<M>> {
    return this.callRaw(method, params) as Promise<Result<M>>;
  }

  /** Like `call`, for methods that this version's table does not know. */
  async callRaw(method: string, params: unknown): Promise<unknown> {
    const link = this.#link ?? (await this.#up(() => this.#state.is === 'offline'));
    if (!link) throw new DisconnectedError(true);
    try {
      return await link.client.callRaw(method, params);
    } catch (error) {
      throw error instanceof TransportClosedError ? new DisconnectedError(mayRepeat(method, params)) : error;
    }
  }

  /**
   * Follows events, over all connections to come: see LastingSubscription. Resolves when it began, however long that takes;
   * rejects where it is refused.
   */
  async subscribe(
    params: Params<'events/subscribe'>,
    listener: NewsListener,
  ): Promise<Started & { lasting: LastingSubscription }> {
    const lasting = this.#take(new LastingSubscription(params, listener, this.#host));
    return { ...(await lasting.started), lasting };
  }

  /** Sessions as they are, from when its `ready` resolves. */
  view(filter: ViewFilter = {}, options: ViewOptions = {}): LiveView {
    const view = new LiveView(filter, options, this.#host);
    this.#take(view.subscription);
    return view;
  }

  /** The ops that wait to be acknowledged. */
  get intents(): Intents {
    return this.#intents;
  }

  /** Hands an op over to `intents`: kept and sent again until it is acknowledged, whatever becomes of the connection. */
  append(op: NewOp): ReturnType<Intents['append']> {
    return this.#intents.append({ ...op, opId: op.opId ?? this.#options.clock.newId() } as Op);
  }

  /** Ends all that hangs on it. Resolves when nothing of it is left; ops that are kept in a file stay there. Idempotent. */
  async close(): Promise<void> {
    this.#over.abort();
    for (const subscription of this.#subscriptions) subscription.stop({ reason: 'closed' });
    this.#link?.client.close();
    this.#wake();
    await Promise.all([this.closed, this.#intents.close()]);
  }

  #take(subscription: LastingSubscription): LastingSubscription {
    if (this.#isEnded || this.#over.signal.aborted) {
      subscription.stop({ reason: 'offline', error: new DisconnectedError(true) });
      return subscription;
    }
    this.#subscriptions.add(subscription);
    if (this.#link) void subscription.begin(this.#link.client);
    this.#look();
    return subscription;
  }

  async #run(): Promise<unknown> {
    const { clock } = this.#options;
    let since = clock.now();
    let end: SubscriptionEnd = { reason: 'closed' };
    while (!this.#over.signal.aborted) {
      this.#become({ is: 'connecting', since, attempt: this.#backoff.attempts });
      const { error, isFinal } = await this.#try(() => {
        since = clock.now();
      });
      if (this.#over.signal.aborted) break;
      const waitMs = isFinal ? undefined : this.#backoff.next(askedWait(error));
      const nextTryAt = waitMs === undefined ? null : clock.now() + waitMs;
      this.#become({ is: 'offline', since, nextTryAt, attempt: this.#backoff.attempts, error });
      if (waitMs === undefined) {
        end = { reason: 'offline', error };
        break;
      }
      await this.#pause(waitMs);
    }
    this.#isEnded = true;
    for (const subscription of this.#subscriptions) subscription.stop(end);
    this.#wake();
    if (end.reason === 'closed') {
      this.#become({ is: 'offline', since: clock.now(), nextTryAt: null, attempt: this.#backoff.attempts });
    }
    return end.error;
  }

  /**
   * Connects, and lives on that connection as long as it lasts. Resolves with why it ended; only what a new connection is refused
   * for is final. Never rejects.
   */
  async #try(onLost: () => void): Promise<{ error: unknown; isFinal: boolean }> {
    const { clock } = this.#options;
    let link: Link;
    try {
      link = await this.#connect();
    } catch (error) {
      return { error, isFinal: !isPassing(error) };
    }
    const upAt = clock.monotonic();
    this.#link = link;
    for (const subscription of [...this.#subscriptions]) void subscription.begin(link.client);
    this.#look();
    this.#wake();
    const error: unknown = await link.client.closed.catch((error: unknown) => error);
    this.#link = undefined;
    onLost();
    for (const subscription of this.#subscriptions) subscription.lost();
    this.#backoff.lasted(clock.monotonic() - upAt);
    return { error: link.error ?? error ?? new TransportClosedError(), isFinal: false };
  }

  /** One try, with its deadline. */
  async #connect(): Promise<Link> {
    const { clock, connectTimeoutMs } = this.#options;
    const late = new AbortController();
    const over = () => late.abort(new TransportClosedError());
    if (this.#over.signal.aborted) over();
    this.#over.signal.addEventListener('abort', over);
    const message = `nobody answered as a daemon does within ${connectTimeoutMs} ms`;
    const cancel = clock.after(connectTimeoutMs, () => late.abort(new Error(message)));
    try {
      return await this.#greet(late.signal);
    } finally {
      cancel();
      this.#over.signal.removeEventListener('abort', over);
    }
  }

  async #greet(signal: AbortSignal): Promise<Link> {
    const { client: who, token, clock, bookmarkMs } = this.#options;
    const transport = await this.#dial(signal);
    const quiet = () => {
      // With a subscription there are bookmarks; asking costs nothing more where they fail to come.
      client.call('ping', {}).catch(() => {});
    };
    const client: Client = new Client(endingInSilence(transport, { clock, bookmarkMs, quiet }));
    client.closed.catch(() => {}); // told by #try; before that, the call below rejects
    const end = () => client.close();
    signal.addEventListener('abort', end);
    try {
      signal.throwIfAborted();
      return { client, server: await client.initialize(who.name, who.version, token) };
    } catch (error) {
      client.close();
      throw signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener('abort', end);
    }
  }

  #drop(client: Client, error: unknown): void {
    if (this.#link?.client !== client) return;
    this.#link.error ??= error;
    client.close();
  }

  /** The link when there is one; undefined when `giveUp` holds first, or it has ended. */
  async #up(giveUp: () => boolean): Promise<Link | undefined> {
    while (!this.#link && !this.#isEnded && !this.#over.signal.aborted && !giveUp()) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.#over.signal.aborted ? undefined : this.#link;
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#over;
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.#options.clock.after(ms, done);
      signal.addEventListener('abort', done);
    });
  }

  /** Tells what its subscriptions make of the state. */
  #look(): void {
    if (!this.#link || this.#over.signal.aborted) return;
    const all = [...this.#subscriptions];
    const is = all.every(({ isCaughtUp }) => isCaughtUp) ? 'live' : 'catchingUp';
    const behind = Math.max(0, ...all.map((subscription) => subscription.behind));
    const { state } = this;
    if (state.is === is && state.behind === behind) return;
    this.#become({ is, since: state.is === is ? state.since : this.#options.clock.now(), behind });
  }

  #become(state: ConnectionState): void {
    this.#state = state;
    this.#onState.tell(state);
    if (state.is === 'offline') this.#wake();
  }
}

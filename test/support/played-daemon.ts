// The daemon's end of a client's connections, played by hand: each request is looked at and answered by the test.
import type { ConnectOptions } from '../../protocol/connect.ts';
import { connectBy } from '../../protocol/connect.ts';
import type { Connection, Dial } from '../../protocol/connection.ts';
import type { Transport } from '../../protocol/transport.ts';
import { pair } from '../../protocol/transport.ts';
import { afterTest } from './daemon.ts';
import { within } from './deadline.ts';
import { HandClock } from './hand-clock.ts';

// biome-ignore lint/suspicious/noExplicitAny: looked into without types, as a stranger's would be
export type Asked = { id: number; method: string; params: any };

export const greeting = {
  protocolVersion: 1,
  server: { name: 'sessiond', version: '1', pid: 1 },
  storeId: 's',
  head: 's.0.a',
  connectionId: 'c1',
  actorId: 'owner',
  rights: [],
  ledgerMaxAgeMs: 1_000_000,
};

/** One connection. */
export class Played {
  readonly #transport: Transport;
  readonly #log: Asked[];
  #ids = 0;

  constructor(transport: Transport, log: Asked[]) {
    this.#transport = transport;
    this.#log = log;
  }

  get isClosed(): boolean {
    return this.#transport.isClosed;
  }

  /** The next request. */
  async next(method?: string): Promise<Asked> {
    const frame = await within(
      `a request for ${method ?? 'anything'}`,
      this.#transport.receive(),
      () => this.#log,
      5_000,
    );
    if (frame?.kind !== 'text') throw new Error(`the connection ended before a request for ${method ?? 'anything'}`);
    const asked = JSON.parse(frame.text) as Asked;
    this.#log.push(asked);
    if (method !== undefined && asked.method !== method) throw new Error(`${asked.method} came instead of ${method}`);
    return asked;
  }

  async answer(asked: Asked, result: unknown): Promise<void> {
    await this.#transport.send(JSON.stringify({ jsonrpc: '2.0', id: asked.id, result }));
  }

  async refuse(asked: Asked, kind: string, data: object = {}, code = -32000): Promise<void> {
    const error = { code, message: `refused: ${kind}`, data: { kind, ...data } };
    await this.#transport.send(JSON.stringify({ jsonrpc: '2.0', id: asked.id, error }));
  }

  /** Answers the first request of any client. */
  async greet(changes: object = {}): Promise<Asked> {
    const asked = await this.next('initialize');
    await this.answer(asked, { ...greeting, ...changes });
    return asked;
  }

  /** Answers the next subscription. Returns what was asked, and what sends its notifications. */
  async subscribed(started: { mode: string; reason?: string; cursor: string; head: string }) {
    const asked = await this.next('events/subscribe');
    const subscription = `sub_${++this.#ids}`;
    await this.answer(asked, { subscription, ...started });
    const tell = (name: string, params: object) =>
      this.#transport.send(
        JSON.stringify({ jsonrpc: '2.0', method: `events/${name}`, params: { subscription, ...params } }),
      );
    return { params: asked.params, tell };
  }

  cut(): void {
    this.#transport.close();
  }
}

export class PlayedDaemon {
  readonly clock = new HandClock();
  /** All requests on all connections. */
  readonly log: Asked[] = [];
  /** While set, nobody listens: what a try rejects with. */
  refusal: Error | undefined;
  dials = 0;
  #accepted: Played[] = [];
  #waiting: (() => void)[] = [];

  readonly dial: Dial = async () => {
    this.dials += 1;
    if (this.refusal) throw this.refusal;
    const [ours, theirs] = pair();
    this.#accepted.push(new Played(theirs, this.log));
    for (const wake of this.#waiting.splice(0)) wake();
    return ours;
  };

  connect(options: ConnectOptions = {}): Connection {
    const connection = connectBy(this.dial, { clock: this.clock, ...options });
    afterTest(() => connection.close());
    return connection;
  }

  /** The next connection. */
  async accept(): Promise<Played> {
    const wait = async () => {
      while (this.#accepted.length === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      return this.#accepted.shift()!;
    };
    return within('a connection', wait(), () => ({ dials: this.dials, waits: this.clock.asked }), 5_000);
  }

  /** The next connection, with the first request answered. */
  async greeted(changes: object = {}): Promise<Played> {
    const played = await this.accept();
    await played.greet(changes);
    return played;
  }

  get methods(): string[] {
    return this.log.map(({ method }) => method);
  }
}

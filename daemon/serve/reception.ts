// Everyone who is connected, over the socket, HTTP or a gateway, from the moment they come until they end.
import type { Socket } from 'node:net';
import type { Transport } from '../../protocol/transport.ts';
import type { Runtime } from '../engine/runtime.ts';
import type { Rpc } from './connection.ts';
import { Connection } from './connection.ts';
import { Crowd } from './crowd.ts';
import { beginsHttp, firstByte } from './first-byte.ts';
import type { HttpDeps, HttpDoor, HttpListen } from './http/door.ts';
import type { Limits } from './limits.ts';
import { Load } from './load.ts';
import type { Entry } from './peer.ts';
import { Peer } from './peer.ts';
import { changesRecord } from './rpc.ts';
import { Turn } from './turn.ts';

export type ReceptionDeps = {
  limits: Limits;
  runtime: Runtime;
  /** Fires when the daemon begins to stop: nobody is let in from then on. */
  signal: AbortSignal;
  http: Pick<HttpDeps, 'capabilities' | 'storeId' | 'head'>;
  transportOf(socket: Socket): Transport;
  /** Takes over what goes on by itself. */
  own(work: Promise<void>): void;
  /** Somebody comes who may ask anything. */
  onServe(): void;
};

const turnsToEnd = 20;

export class Reception {
  readonly peers = new Set<Peer>();
  readonly #deps: ReceptionDeps;
  readonly #turn: Turn;
  readonly #crowd: Crowd;
  readonly #load: Load;
  readonly #peerOf = new Map<Connection, Peer>();
  /** Connections that have said nothing yet. */
  readonly #silent = new Set<Socket>();
  #rpc!: Rpc;
  #http: Promise<HttpDoor> | undefined;
  #lastConnection = 0;

  constructor(deps: ReceptionDeps) {
    this.#deps = deps;
    const { limits, runtime } = deps;
    this.#turn = new Turn(() => runtime.monotonic());
    this.#crowd = new Crowd(limits, runtime);
    this.#load = new Load(limits);
  }

  /** Who answers. Before anybody is let in: the methods tell of those who are connected, and are made later than this. */
  answerWith(rpc: Rpc): void {
    this.#rpc = rpc;
  }

  /** Of a connection that is open. */
  peerOf(connection: Connection): Peer {
    return this.#peerOf.get(connection)!;
  }

  /** Takes what connected to the socket. */
  take(socket: Socket): void {
    if (this.#deps.signal.aborted) socket.destroy();
    else if (this.#crowd.admits(socket)) this.#deps.own(this.#receive(socket));
  }

  /** Listens on TCP; resolves with where. Rejects with ListenError. */
  async listen(http: HttpListen): Promise<string> {
    return (await this.#door()).listen(http);
  }

  /** Serves one connection until it ends; also for gateways and tests, over any transport. */
  async serve(transport: Transport, entry: Entry = { lasts: true }): Promise<void> {
    this.#deps.onServe();
    this.#lastConnection += 1;
    const [rpc, limits, turn, load] = [this.#rpc, this.#deps.limits, this.#turn, this.#load];
    const { lasts } = entry;
    const connection = new Connection(transport, { rpc, limits, turn, load, changes: changesRecord, lasts });
    const peer = new Peer(`c${this.#lastConnection}`, connection, entry);
    this.#peerOf.set(connection, peer);
    this.peers.add(peer);
    try {
      if (peer.isNobody) void this.#awaitGreeting(peer);
      await connection.run();
    } finally {
      peer.endFeeds('unsubscribed');
      this.peers.delete(peer);
      this.#peerOf.delete(connection);
    }
  }

  /** Tells everyone that it is over, and closes their connections. */
  async end(): Promise<void> {
    // The ends of the subscriptions and the last replies leave in this turn of the loop; then the connections close.
    for (const peer of this.peers) peer.endFeeds('shuttingDown');
    // Each is told so within a few turns of the loop; one that does not read is not waited for.
    for (let turn = 0; turn < turnsToEnd && [...this.peers].some(({ feeds }) => feeds.size > 0); turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await new Promise((resolve) => setImmediate(resolve));
    for (const peer of this.peers) peer.connection.close();
    for (const socket of this.#silent) socket.destroy();
    this.#crowd.close();
    (await this.#http)?.close();
  }

  /** Made when it is needed first: most who connect speak to the socket. */
  #door(): Promise<HttpDoor> {
    const { http, limits, runtime, signal, own } = this.#deps;
    const serve: HttpDeps['serve'] = (transport, entry) => {
      const served = this.serve(transport, entry);
      own(served);
      return served;
    };
    this.#http ??= import('./http/door.ts').then(
      ({ HttpDoor }) => new HttpDoor({ ...http, limits, runtime, signal, serve }),
    );
    return this.#http;
  }

  async #awaitGreeting(peer: Peer): Promise<void> {
    const { runtime, limits } = this.#deps;
    await runtime.sleep(limits.greetingMs, peer.connection.signal).catch(() => {});
    if (peer.isNobody) peer.connection.close();
  }

  async #receive(socket: Socket): Promise<void> {
    const { signal, transportOf } = this.#deps;
    this.#silent.add(socket);
    const byte = await firstByte(socket);
    this.#silent.delete(socket);
    if (byte === undefined || signal.aborted) return void socket.destroy();
    if (beginsHttp(byte)) {
      const door = await this.#door();
      if (signal.aborted) socket.destroy();
      else door.take(socket);
      return;
    }
    const transport = transportOf(socket);
    socket.resume();
    await this.serve(transport);
  }
}

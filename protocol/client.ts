// A client over one Transport: call, append, subscribe; typed from the method table. It knows no socket and loads no zod.

import type { JSONRPCResponse } from 'json-rpc-2.0';
import { JSONRPCClient } from 'json-rpc-2.0';
import { errorCodes, RpcError } from './errors.ts';
import type { MethodName, Params, Result } from './methods.ts';
import type { Notification, NotificationName } from './notifications.ts';
import type { Transport } from './transport.ts';
import { closedMessage, TransportClosedError } from './transport.ts';
import { protocolVersion } from './version.ts';

/** What a subscription delivers, in order. */
export type Delivery = { [N in NotificationName]: { type: N; params: Notification<N> } }[NotificationName];
/**
 * Awaited before the next frame is read: a slow listener is felt by the daemon as backpressure, not as a queue here. So it
 * must not await a call of the same client, whose reply would be behind it.
 */
export type Listener = (delivery: Delivery) => void | Promise<void>;

/** What the daemon answers to a subscription. */
export type Started = Result<'events/subscribe'>;
export type Subscription = Started & { unsubscribe(): Promise<void> };

type Incoming = { method?: unknown; params?: unknown };

export class Client {
  /**
   * Resolves when the connection ended, whoever ended it; rejects with what a listener threw, which ends it too, and with
   * RpcError where the daemon took no more connections.
   */
  readonly closed: Promise<void>;
  readonly #transport: Transport;
  readonly #rpc: JSONRPCClient;
  readonly #listeners = new Map<string, Listener>();
  /** Listeners of subscribe calls under way, by request id: bound as their reply is read, before any frame behind it. */
  readonly #starting = new Map<number, { listener: Listener; onStarted: (started: Started) => void }>();
  #lastId = 0;
  /** Why nothing is served here: the daemon said so of the connection, and of no request. */
  #refusal: RpcError | undefined;
  #close!: () => void;
  readonly #closing = new Promise<void>((resolve) => {
    this.#close = resolve;
  });

  /** Takes the transport over and reads from it until it ends. */
  constructor(transport: Transport) {
    this.#transport = transport;
    this.#rpc = new JSONRPCClient(async (request) => transport.send(JSON.stringify(request)));
    this.closed = Promise.race([this.#read(), this.#closing]);
  }

  /**
   * Says who this client is. Optional: without it the connection speaks version 1 as the local owner. `token`: of the
   * capability that it acts with from here on.
   */
  initialize(name: string, version: string, token?: string): Promise<Result<'initialize'>> {
    return this.call('initialize', {
      protocolVersion,
      client: { name, version },
      ...(token !== undefined && { token }),
    });
  }

  /** Rejects with RpcError for the daemon's refusals, with TransportClosedError when the connection ends first. */
  call<M extends MethodName>(method: M, params: Params<M>): Promise<Result<M>> {
    return this.callRaw(method, params) as Promise<Result<M>>;
  }

  /** Like `call`, for methods that this version's table does not know. */
  callRaw(method: string, params: unknown): Promise<unknown> {
    return this.#request(++this.#lastId, method, params);
  }

  /**
   * Starts a subscription. `listener` gets every delivery once, in order, the first maybe just before this resolves;
   * `onStarted` is called before the first.
   */
  async subscribe(
    params: Params<'events/subscribe'>,
    listener: Listener,
    onStarted: (started: Started) => void = () => {},
  ): Promise<Subscription> {
    const id = ++this.#lastId;
    this.#starting.set(id, { listener, onStarted });
    try {
      const started = (await this.#request(id, 'events/subscribe', params)) as Started;
      const { subscription } = started;
      const unsubscribe = async () => {
        await this.call('events/unsubscribe', { subscription });
      };
      return { ...started, unsubscribe };
    } finally {
      this.#starting.delete(id);
    }
  }

  async #request(id: number, method: string, params: unknown): Promise<unknown> {
    const response = await this.#rpc.requestAdvanced({ jsonrpc: '2.0', id, method, params });
    if (!response.error) return response.result;
    if (response.error.message !== closedMessage) throw new RpcError(response.error);
    throw this.#refusal ?? new TransportClosedError();
  }

  /** Also where a listener is at work: nothing waits for that. */
  close(): void {
    this.#transport.close();
    this.#rpc.rejectAllPendingRequests(closedMessage);
    this.#close();
  }

  async #read(): Promise<void> {
    try {
      for (let frame = await this.#transport.receive(); frame; frame = await this.#transport.receive()) {
        const message = frame.kind === 'text' ? parseMessage(frame.text) : undefined;
        if (!message) break; // a daemon that breaks its own framing cannot be followed
        if (typeof message.method === 'string') await this.#deliver(message.method, message.params);
        else this.#settle(message as JSONRPCResponse);
      }
      // Behind the last frame: what was asked before may be answered yet.
      if (this.#refusal) throw this.#refusal;
    } finally {
      // Also when a listener threw: nothing is read any more, so that no call may go on waiting.
      this.#transport.close();
      this.#rpc.rejectAllPendingRequests(closedMessage);
    }
  }

  #settle(response: JSONRPCResponse): void {
    if (response.id === null && response.error?.code === errorCodes.Overloaded) {
      this.#refusal = new RpcError(response.error);
      return;
    }
    const starting = this.#starting.get(response.id as number);
    const started = response.result as Started | undefined;
    if (starting && started?.subscription) {
      this.#listeners.set(started.subscription, starting.listener);
      starting.onStarted(started);
    }
    this.#rpc.receive(response);
  }

  async #deliver(method: string, params: unknown): Promise<void> {
    const subscription = (params as { subscription?: unknown } | undefined)?.subscription;
    if (typeof subscription !== 'string') return; // a notification of a newer protocol
    const listener = this.#listeners.get(subscription);
    if (method === 'events/ended') this.#listeners.delete(subscription);
    await listener?.({ type: method, params } as Delivery);
  }
}

function parseMessage(text: string): Incoming | undefined {
  try {
    const message = JSON.parse(text) as unknown;
    return typeof message === 'object' && message !== null ? message : undefined;
  } catch {
    return undefined;
  }
}

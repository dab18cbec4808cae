// What is called over capnweb: a stub stands for a connection that the daemon serves like any other, or, in an HTTP batch, for
// one a call, as POST /rpc is. Rights, order, bounds and errors are those of the connection.
import type { Refusal } from '../../../protocol/errors.ts';
import { RpcError, refuse, toWireError } from '../../../protocol/errors.ts';
import type { Frame } from '../../../protocol/framing.ts';
import type { Transport } from '../../../protocol/transport.ts';
import { FrameQueue, TransportClosedError } from '../../../protocol/transport.ts';
import { unfit } from './capnweb-text.ts';
import { RequestTransport } from './request-transport.ts';

/** Where the notifications of a subscription go. */
export interface Callback {
  /** Settles when the client knows that it is subscribed. */
  readonly ready: Promise<void>;
  /** `sent`: the text has left; `handled`: it has returned, or rejects where it has thrown or is gone. */
  call(method: string, params: string): { sent: Promise<void>; handled: Promise<void> };
  release(): void;
}

export interface Stub {
  /** The result as JSON text. Rejects with RpcError. */
  call(method: string, params: string, callback: Callback | undefined): Promise<string>;
  /** A result of that length is not held any more. */
  free(units: number): void;
  close(): void;
}

/** A reply as the daemon writes it, taken apart without parsing the result. */
function outcomeOf(reply: string): { id: number; result?: string; error?: RpcError } {
  const head = /^\{"jsonrpc":"2\.0","id":(\d+|null),"(result|error)":/.exec(reply);
  if (!head) throw new Error(`not a reply: ${reply.slice(0, 80)}`);
  const text = reply.slice(head[0].length, -1);
  const id = Number(head[1]);
  return head[2] === 'result' ? { id, result: text } : { id, error: new RpcError(JSON.parse(text)) };
}

function requestText(id: number, method: string, params: string): string {
  return `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)},"params":${params}}`;
}

export function refusal(refused: Refusal): RpcError {
  return new RpcError(toWireError(refused));
}

function gone(): RpcError {
  return refusal(refuse('NotFound', 'the connection is over', { what: 'connection', id: '' }));
}

function callbackFault(method: string, callback: Callback | undefined): RpcError | undefined {
  const takes = method === 'events/subscribe';
  if (takes === (callback !== undefined)) return undefined;
  return unfit(
    takes ? `${method} takes a callback behind its params: (method, params) => …` : `${method} takes no callback`,
  );
}

type Pending = { resolve(result: string): void; reject(error: RpcError): void; callback: Callback | undefined };

/** A connection of a session over WebSocket. */
export class ConnectionStub implements Stub, Transport {
  readonly #maxBytes: number;
  readonly #onClose: () => void;
  readonly #inbox = new FrameQueue();
  readonly #pending = new Map<number, Pending>();
  /** `stop`: ends the wait for the call under way. */
  readonly #callbacks = new Map<string, { callback: Callback; stop(error: Error): void }>();
  #lastId = 0;
  /** Text of results that are held for the client, and of notifications that have not left. */
  #held = 0;
  #roomFor: (() => void)[] = [];
  #closed = false;

  /** `maxBytes`: what may be held before the connection makes no more. */
  constructor(maxBytes: number, onClose: () => void) {
    this.#maxBytes = maxBytes;
    this.#onClose = onClose;
  }

  call(method: string, params: string, callback: Callback | undefined): Promise<string> {
    const fault = this.#closed ? gone() : callbackFault(method, callback);
    if (fault) {
      callback?.release();
      return Promise.reject(fault);
    }
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, callback });
      this.#inbox.push({ kind: 'text', text: requestText(id, method, params) });
    });
  }

  free(units: number): void {
    this.#held -= units;
    if (this.#held <= this.#maxBytes / 2) for (const resolve of this.#roomFor.splice(0)) resolve();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get bufferedBytes(): number {
    return this.#held;
  }

  receive(): Promise<Frame | undefined> {
    return this.#inbox.shift();
  }

  /** Takes a reply. */
  async send(text: string): Promise<void> {
    if (this.#closed) throw new TransportClosedError();
    const { id, result, error } = outcomeOf(text);
    const pending = this.#pending.get(id);
    // A request of ours that is no JSON, say: there is none.
    if (!pending) throw new Error(`a reply to nothing: ${text.slice(0, 80)}`);
    this.#pending.delete(id);
    if (result === undefined) {
      pending.callback?.release();
      pending.reject(error!);
      return;
    }
    if (pending.callback) {
      const { subscription } = JSON.parse(result) as { subscription: string };
      this.#callbacks.set(subscription, { callback: pending.callback, stop() {} });
    }
    this.#held += result.length;
    pending.resolve(result);
    await this.#room();
  }

  notify(text: string): { sent: Promise<void>; handled: Promise<void> } {
    const told = this.#tell(text);
    const sent = this.#room();
    // Whoever waits for the one may not be there yet for the other.
    for (const promise of [told, sent]) promise.catch(() => {});
    return { sent, handled: told };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#inbox.end();
    for (const { reject, callback } of this.#pending.values()) {
      callback?.release();
      reject(gone());
    }
    this.#pending.clear();
    for (const [subscription, { stop }] of this.#callbacks) {
      stop(new TransportClosedError());
      this.#end(subscription);
    }
    for (const resolve of this.#roomFor.splice(0)) resolve();
    this.#onClose();
  }

  async #tell(text: string): Promise<void> {
    const head = /^\{"jsonrpc":"2\.0","method":"([^"]+)","params":(?=\{"subscription":"([^"]*)")/.exec(text);
    const [whole = '', method = '', subscription = ''] = head ?? [];
    const told = this.#callbacks.get(subscription);
    if (!told) throw new TransportClosedError();
    try {
      await new Promise<void>((resolve, reject) => {
        told.stop = reject;
        this.#call(told.callback, method, text.slice(whole.length, -1), subscription).then(resolve, reject);
      });
    } catch {
      this.#end(subscription);
      throw new TransportClosedError();
    }
  }

  async #call(callback: Callback, method: string, params: string, subscription: string): Promise<void> {
    this.#held += params.length;
    await callback.ready;
    // A reply that was made before it leaves before it.
    await new Promise((resolve) => setImmediate(resolve));
    const { sent, handled } = callback.call(method, params);
    // Nothing comes behind the last: nobody waits until that has returned.
    const last = method === 'events/ended';
    const over = () => last && this.#end(subscription);
    handled.then(over, over);
    // While it is with the client it costs nothing here.
    await sent.finally(() => this.free(params.length));
    if (!last) await handled;
  }

  #end(subscription: string): void {
    this.#callbacks.get(subscription)?.callback.release();
    this.#callbacks.delete(subscription);
  }

  async #room(): Promise<void> {
    if (this.#held > this.#maxBytes / 2 && !this.#closed) {
      await new Promise<void>((resolve) => this.#roomFor.push(resolve));
    }
    if (this.#closed) throw new TransportClosedError();
  }
}

/** What the calls of an HTTP batch share. `ended`: the client writes nothing more; `over`: it is gone. */
export type Batch = {
  serve(transport: Transport): Promise<void>;
  ended: AbortSignal;
  over: AbortSignal;
  /** Text that may still be answered. */
  left: { units: number };
  maxUnits: number;
};

/** In an HTTP batch: each call is served as a request of its own, one behind the other. */
export class RequestStub implements Stub {
  readonly #batch: Batch;
  #last: Promise<unknown> = Promise.resolve();

  constructor(batch: Batch) {
    this.#batch = batch;
  }

  call(method: string, params: string, callback: Callback | undefined): Promise<string> {
    callback?.release();
    const result = this.#last.then(() => this.#ask(requestText(1, method, params)));
    this.#last = result.catch(() => {});
    return result;
  }

  /** All of it goes when the batch is answered. */
  free(): void {}

  close(): void {}

  async #ask(request: string): Promise<string> {
    const { serve, ended, over, left, maxUnits: limit } = this.#batch;
    if (left.units <= 0) {
      const what = 'text in the answer to one batch';
      throw refusal(refuse('LimitExceeded', `${what}: the limit is ${limit}`, { limit, what }));
    }
    const transport = new RequestTransport(Buffer.from(request));
    const end = () => transport.end();
    const close = () => transport.close();
    ended.addEventListener('abort', end);
    over.addEventListener('abort', close);
    if (ended.aborted) end();
    if (over.aborted) close();
    try {
      await serve(transport);
    } finally {
      ended.removeEventListener('abort', end);
      over.removeEventListener('abort', close);
    }
    if (transport.reply === undefined) throw gone();
    const { result, error } = outcomeOf(transport.reply);
    if (result === undefined) throw error!;
    left.units -= result.length;
    return result;
  }
}

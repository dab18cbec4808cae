// What the daemon holds for a client of capnweb: what calls gave, and its callbacks while they are called.
import type { RpcError } from '../../../protocol/errors.ts';
import type { Callback, Stub } from './capnweb-stub.ts';
import type { Path } from './capnweb-text.ts';
import { escaped, partOf } from './capnweb-text.ts';

/** What a call gave, for as long as any of the client's ids stands for it or a part of it: a stub, or JSON text. */
export class Held {
  readonly value: Promise<Stub | string>;
  readonly #drop: (value: Stub | string) => void;
  #ids = 1;
  #parsed: { value: unknown } | undefined;

  constructor(value: Promise<Stub | string>, drop: (value: Stub | string) => void) {
    this.value = value;
    this.#drop = drop;
    value.catch(() => {});
  }

  take(): this {
    this.#ids += 1;
    return this;
  }

  drop(): void {
    this.#ids -= 1;
    if (this.#ids === 0) this.value.then(this.#drop, () => {});
  }

  /** A part of its text, which is parsed once however many are asked for. */
  part(text: string, path: Path): unknown {
    this.#parsed ??= { value: JSON.parse(text) };
    return partOf(this.#parsed.value, path);
  }
}

/** Puts a message behind those before it. Resolves when it has left; rejects where it never will. */
export type Enqueue = (textOf: () => string) => Promise<void>;

/** The client's functions and RpcTargets, as they are called from here. */
export class Callbacks {
  readonly #enqueue: Enqueue;
  readonly #onFault: (error: RpcError) => void;
  readonly #calls = new Map<unknown, { resolve(): void; reject(error: Error): void }>();
  #lastCall = 0;

  /** `onFault`: there is something that cannot be told, and is not left out in silence. */
  constructor(enqueue: Enqueue, onFault: (error: RpcError) => void) {
    this.#enqueue = enqueue;
    this.#onFault = onFault;
  }

  of(id: number, ready: Promise<void>): Callback {
    // A function is called itself, an RpcTarget by its method: which it is, nothing on the wire tells.
    let path: '[]' | '["notify"]' | undefined;
    let isReleased = false;
    return {
      ready,
      call: (method, params) => {
        const args = this.#argumentsOf(method, params);
        const first = this.#call(id, path ?? '[]', args);
        if (path) return first;
        const knownBy = (by: '[]' | '["notify"]') => () => {
          path = by;
        };
        const asTarget = () => this.#call(id, '["notify"]', args).handled.then(knownBy('["notify"]'));
        return { sent: first.sent, handled: first.handled.then(knownBy('[]'), asTarget) };
      },
      release: () => {
        if (!isReleased) this.release(id);
        isReleased = true;
      },
    };
  }

  release(id: number): void {
    this.#enqueue(() => `["release",${id},1]`).catch(() => {});
  }

  /** The client tells how a call ended. What it gave is of no interest. */
  settle(word: 'resolve' | 'reject', id: unknown): void {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (word === 'resolve') call?.resolve();
    else call?.reject(new Error('the callback has failed, or is gone'));
  }

  end(): void {
    for (const { reject } of this.#calls.values()) reject(new Error('the session is over'));
    this.#calls.clear();
  }

  #argumentsOf(method: string, params: string): string {
    try {
      return `${JSON.stringify(method)},${escaped(params)}`;
    } catch (error) {
      this.#onFault(error as RpcError);
      throw error;
    }
  }

  #call(id: number, path: string, args: string): { sent: Promise<void>; handled: Promise<void> } {
    this.#lastCall += 1;
    const call = this.#lastCall;
    const settled = new Promise<void>((resolve, reject) => this.#calls.set(call, { resolve, reject }));
    const sent = this.#enqueue(() => `["push",["pipeline",${id},${path},[${args}]]]`);
    this.#enqueue(() => `["pull",${call}]`).catch(() => {});
    // Who asks in a second way does not wait for this.
    sent.catch(() => {});
    return { sent, handled: settled.finally(() => this.release(call)) };
  }
}

// The daemon's end of capnweb (PROTOCOL.md 10), over WebSocket or for an HTTP batch. The library's own end holds whatever a client
// pushes and never releases, copies a result for each mention of it, and runs map() over any list in one turn of the loop: what is
// served here is calls, also on what other calls give, parts of results, and callbacks, all of it bounded.
import { RpcError, refuse } from '../../../protocol/errors.ts';
import type { Transport } from '../../../protocol/transport.ts';
import { TransportClosedError } from '../../../protocol/transport.ts';
import type { Limits } from '../limits.ts';
import { Callbacks, Held } from './capnweb-held.ts';
import type { Callback, Stub } from './capnweb-stub.ts';
import { refusal } from './capnweb-stub.ts';
import type { Path, Reference, Taken } from './capnweb-text.ts';
import { escaped, escapedError, isPath, nameOf, taken, unfit } from './capnweb-text.ts';

/** What a session acts with: by its door, and by the tokens that it shows. */
export type Opener = {
  main: Stub;
  /** Throws RefusedError or RpcError. */
  redeem(token: string): Promise<Stub>;
  /** Ends all that it opened. */
  close(): void;
};

export type SessionOptions = {
  limits: Pick<Limits, 'maxInFlight' | 'maxInFlightUnits'>;
  /** False for an HTTP batch: what came is answered when nothing more comes. */
  lasts: boolean;
  /** Text of results that may be told, in UTF-16 units; beyond it a call is refused. */
  maxToldUnits: number;
  /** What somebody threw that is no refusal, told as what the client may know of it. */
  errorOf(error: unknown): RpcError;
};

/** The client does not speak what is served here: nothing that it says behind that can be followed. */
class Fault extends Error {}

/** `onKnown`: the client knows what it is, or does not care. */
type Export = { held: Held; path: Path; ids: number; isPulled: boolean; onKnown?: (() => void) | undefined };

export class CapnwebSession {
  readonly #transport: Transport;
  readonly #options: SessionOptions;
  readonly #opener: Opener;
  readonly #exports = new Map<number, Export>();
  /** Calls, and answers to them, under way. */
  readonly #answering = new Set<Promise<void>>();
  readonly #callbacks = new Callbacks(
    (textOf) => this.#enqueue(textOf),
    ({ message }) => this.#abort(message),
  );
  /** The last message that was put behind others. */
  #queue: Promise<void> = Promise.resolve();
  /** Text of results that were told. */
  #told = 0;
  /** Text of calls under way, in UTF-16 units. */
  #units = 0;
  #lastPushed = 0;
  #lastExport = 0;
  #isOver = false;

  constructor(transport: Transport, opener: Opener, options: SessionOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#opener = opener;
    const held = new Held(Promise.resolve(opener.main), closeStub);
    this.#exports.set(0, { held, path: [], ids: 1, isPulled: false });
  }

  /** Serves until the other end goes, or has nothing more to ask. Never rejects. */
  async run(): Promise<void> {
    try {
      for (
        let frame = await this.#transport.receive();
        frame && !this.#isOver;
        frame = await this.#transport.receive()
      ) {
        if (frame.kind !== 'text') throw new Fault('what is sent is JSON, as text');
        this.#take(frame.text);
      }
      // What a call gives may be what others behind it wait for.
      while (!this.#options.lasts && this.#answering.size > 0) await Promise.all(this.#answering);
    } catch (error) {
      const isTheirs = error instanceof Fault || error instanceof SyntaxError;
      this.#abort(isTheirs ? error.message : this.#options.errorOf(error).message);
    } finally {
      this.#end();
    }
  }

  #take(text: string): void {
    const message: unknown = JSON.parse(text);
    if (!Array.isArray(message)) throw new Fault('what is sent is a list');
    const [word, first, second] = message as unknown[];
    switch (word) {
      case 'push':
        return void this.#push(first, text.length);
      case 'pull':
        return void this.#pull(this.#exportOf(first), first as number);
      case 'release':
        return void this.#release(this.#exportOf(first), first as number, second);
      case 'resolve':
      case 'reject':
        return void this.#callbacks.settle(word, first);
      case 'abort':
        return void this.#end();
      default:
        throw new Fault(`${nameOf(word)} is not served here: calls, their results and callbacks are`);
    }
  }

  #exportOf(id: unknown): Export {
    const found = this.#exports.get(id as number);
    if (found) return found;
    throw new Fault(`nothing stands for ${nameOf(id)}`);
  }

  #push(expression: unknown, units: number): void {
    const { maxInFlight, maxInFlightUnits } = this.#options.limits;
    // Not by reading no more: what would make room again comes behind this.
    if (this.#exports.size > maxInFlight) {
      throw new Fault(
        `at most ${maxInFlight} calls at a time, and results that are not disposed of: await or dispose of some`,
      );
    }
    if (this.#units > 0 && this.#units + units > maxInFlightUnits) {
      throw new Fault(`at most ${maxInFlightUnits} units of text in calls at a time: await some before the next`);
    }
    this.#lastPushed += 1;
    const made = this.#evaluate(expression);
    this.#exports.set(this.#lastPushed, made);
    if (made.path.length > 0) return;
    this.#units += units;
    const settle = () => {
      this.#units -= units;
    };
    this.#own(made.held.value.then(settle, settle));
  }

  #evaluate(expression: unknown): Export {
    const [word, id, path = [], args] = Array.isArray(expression) ? (expression as unknown[]) : [];
    const failed = (error: RpcError): Export => {
      const held = new Held(Promise.reject(error), () => {});
      return { held, path: [], ids: 1, isPulled: false };
    };
    // Of a library: there is a message to it, so that it can be told.
    if (word === 'remap') return failed(unfit('map() is not served here: call for each'));
    if (word !== 'pipeline') throw new Fault('what is pushed is a call');
    const subject = this.#exportOf(id);
    if (!isPath(path)) return failed(unfit('the path is too long'));
    if (args === undefined) {
      const whole = [...subject.path, ...path];
      if (!isPath(whole)) return failed(unfit('the path is too long'));
      return { held: subject.held.take(), path: whole, ids: 1, isPulled: false };
    }
    if (!Array.isArray(args)) throw new Fault('arguments are a list');
    try {
      return this.#call(subject, path, args.map(taken));
    } catch (error) {
      if (error instanceof RpcError) return failed(error);
      throw error;
    }
  }

  #call(subject: Export, path: Path, args: Taken[]): Export {
    const callbacks = args.flatMap(({ callbacks }) => callbacks);
    const [method] = path;
    const isCall = subject.path.length === 0 && path.length === 1 && typeof method === 'string';
    const [params, behind, ...more] = args;
    const extra = [params, ...more].flatMap((argument) => argument?.callbacks ?? []).length > 0 || callbacks.length > 1;
    if (!isCall || extra || more.length > 0 || (behind && behind.value !== null && behind.value !== undefined)) {
      for (const id of callbacks) this.#callbacks.release(id);
      throw unfit(
        isCall
          ? 'a method takes params, and a subscription a callback behind them'
          : 'what a method gave has no methods',
      );
    }
    const references = args.flatMap(({ references }) => references.map((reference) => this.#resolver(reference)));
    let onKnown: (() => void) | undefined;
    const known = new Promise<void>((resolve) => {
      onKnown = resolve;
    });
    const callback = callbacks.length === 0 ? undefined : this.#callbacks.of(callbacks[0]!, known);
    const value = this.#run(subject.held.take(), method, params, callback, references);
    let owner: Stub | undefined;
    const result = value.then(({ stub, result }) => {
      owner = stub;
      return result;
    });
    const held = new Held(result, (value) =>
      typeof value === 'string' ? owner?.free(value.length) : closeStub(value),
    );
    return { held, path: [], ids: 1, isPulled: false, onKnown };
  }

  async #run(
    on: Held,
    method: string,
    params: Taken | undefined,
    callback: Callback | undefined,
    references: (() => Promise<void>)[],
  ): Promise<{ stub: Stub; result: Stub | string }> {
    try {
      const stub = await on.value;
      if (typeof stub === 'string') throw unfit('what a method gave has no methods');
      // No wait where there is nothing to wait for: calls begin in the order they came.
      if (references.length > 0) await Promise.all(references.map((resolve) => resolve()));
      const given = params?.value ?? {};
      if (method !== 'redeem') return { stub, result: await stub.call(method, JSON.stringify(given), callback) };
      callback?.release();
      if (typeof given !== 'string') throw unfit('redeem takes a token');
      const redeemed = await this.#opener.redeem(given);
      if (!this.#isOver) return { stub, result: redeemed };
      redeemed.close();
      throw refusal(refuse('NotFound', 'the connection is over', { what: 'connection', id: '' }));
    } catch (error) {
      callback?.release();
      throw this.#options.errorOf(error);
    } finally {
      on.drop();
    }
  }

  /** What puts a part of another result in its place: text, a number or the like. */
  #resolver({ id, path, set }: Reference): () => Promise<void> {
    const subject = this.#exportOf(id);
    const held = subject.held.take();
    return async () => {
      try {
        const value = await held.value;
        if (typeof value !== 'string') throw unfit('a stub cannot be passed on');
        const part = held.part(value, [...subject.path, ...path]);
        if (typeof part === 'object' && part !== null) throw unfit('of results only text and numbers can be passed on');
        set(part);
      } finally {
        held.drop();
      }
    };
  }

  #pull(pulled: Export, id: number): void {
    if (pulled.isPulled) return;
    pulled.isPulled = true;
    const { held, path } = pulled;
    held.take();
    const failed = (error: unknown) => `["reject",${id},${escapedError(this.#options.errorOf(error))}]`;
    const textOf = (value: Stub | string) => {
      try {
        return `["resolve",${id},${this.#answerOf(held, value, path)}]`;
      } catch (error) {
        return failed(error);
      }
    };
    const answer = held.value.then(
      (value) => this.#enqueue(() => textOf(value)),
      (error: unknown) => this.#enqueue(() => failed(error)),
    );
    const known = () => {
      pulled.onKnown?.();
      held.drop();
    };
    // A reader that is gone needs none of it: run() ends with it.
    this.#own(answer.then(known, known));
  }

  /** A result, or a part of it, as it is told: made when its turn has come, so that what waits holds no text. */
  #answerOf(held: Held, value: Stub | string, path: Path): string {
    if (typeof value !== 'string') {
      if (path.length > 0) throw unfit('a stub has methods alone');
      this.#lastExport -= 1;
      this.#exports.set(this.#lastExport, { held: held.take(), path: [], ids: 1, isPulled: false });
      return `["export",${this.#lastExport}]`;
    }
    const { maxToldUnits: limit } = this.#options;
    if (this.#told > limit) {
      const what = 'text in the answer to one batch';
      throw refusal(refuse('LimitExceeded', `${what}: the limit is ${limit}`, { limit, what }));
    }
    const text = path.length === 0 ? value : JSON.stringify(held.part(value, path));
    this.#told += text?.length ?? 0;
    return text === undefined ? '["undefined"]' : escaped(text);
  }

  #release(released: Export, id: number, count: unknown): void {
    if (!Number.isInteger(count) || (count as number) < 1) throw new Fault('what is released is counted from 1');
    released.ids -= count as number;
    if (released.ids > 0) return;
    this.#exports.delete(id);
    released.onKnown?.();
    released.held.drop();
  }

  #own(work: Promise<void>): void {
    const answering = work.finally(() => this.#answering.delete(answering));
    this.#answering.add(answering);
  }

  #enqueue(textOf: () => string): Promise<void> {
    const sent = this.#queue.then(() => {
      if (this.#isOver) throw new TransportClosedError();
      return this.#transport.send(textOf());
    });
    this.#queue = sent.catch(() => {});
    return sent;
  }

  /** Tells why it ends, before all that waits: that is told no more. */
  #abort(message: string): void {
    if (!this.#isOver) this.#transport.send(`["abort",["error","Error",${JSON.stringify(message)}]]`).catch(() => {});
    this.#end();
  }

  /** Everything that was held for the client goes (P18). */
  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const { held, onKnown } of this.#exports.values()) {
      onKnown?.();
      held.drop();
    }
    this.#exports.clear();
    this.#callbacks.end();
    this.#opener.close();
    // What was sent leaves first.
    if (this.#options.lasts) setImmediate(() => this.#transport.close());
  }
}

function closeStub(value: Stub | string): void {
  if (typeof value !== 'string') value.close();
}

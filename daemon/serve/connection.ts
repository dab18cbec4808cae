// One Transport <-> json-rpc-2.0: parse, order, reply, notify with backpressure. The library is given only well-formed single
// requests: it leaves malformed ones unanswered, and a batch of one comes back from it as a bare object (measured with 1.8.1).
import type { JSONRPCServer } from 'json-rpc-2.0';
import type { WireError } from '../../protocol/errors.ts';
import { RefusedError, refuse, toWireError } from '../../protocol/errors.ts';
import type { Frame } from '../../protocol/framing.ts';
import type { Transport } from '../../protocol/transport.ts';
import type { Limits } from './limits.ts';
import type { Load } from './load.ts';
import {
  errorText,
  gone,
  idOf,
  invalidRequest,
  isRequest,
  joined,
  mayHoldUnfitText,
  mayNestTooDeep,
  methodOf,
  parseError,
  RawJson,
  responseText,
  tooMany,
  unfit,
} from './message.ts';
import type { Turn } from './turn.ts';

/** One call, as its handler sees it. */
export type Call = {
  readonly connection: Connection;
  /**
   * Runs when the reply was handed to the transport (in a batch: the batch's reply), so nothing it sends overtakes it.
   * `isRefused`: the reply is an error, whatever the handler gave.
   */
  afterReply(run: (isRefused: boolean) => void): void;
  /** Lets events pass although the batch that this call is part of is not answered yet. */
  releaseEvents(): void;
  /** Runs what waits for something to happen, and so may last. Throws LimitExceeded where too many of the connection wait. */
  wait<T>(run: () => Promise<T>): Promise<T>;
  /**
   * Runs a read when its turn has come (turn.ts) and the replies made before it have left room. Throws LimitExceeded where
   * the reads of its batch before it have filled the reply.
   */
  read<T>(run: () => T | Promise<T>): Promise<T>;
  /** Runs a piece of a read that is made in several. */
  inTurn<T>(run: () => T): Promise<Awaited<T>>;
};

export type Rpc = JSONRPCServer<Call>;

export type ConnectionOptions = {
  rpc: Rpc;
  limits: Limits;
  /** Of all connections. */
  turn: Turn;
  load: Load;
  /** Whether a method changes the record: its events must come behind its reply. */
  changes(method: string): boolean;
  /** False: it ends when its first frame is answered. */
  lasts: boolean;
};

const notificationsInOneTurn = 8;

/** Why a request is not even tried; undefined: it is. */
type Judge = (message: unknown) => WireError | undefined;

/** In the place of a reply: there was no room for it when its turn had come. */
const noRoom = Symbol('no room');

export class Connection {
  /** Fires when the connection ended: every wait on its behalf ends with it (P18). */
  readonly signal: AbortSignal;
  readonly #abort = new AbortController();
  readonly #transport: Transport;
  readonly #options: ConnectionOptions;
  /** Frames that are not answered yet, and their text. */
  #inFlight = 0;
  #inFlightUnits = 0;
  /** Those of them that hold a call which waits for something to happen, and all such calls. */
  #waitingFrames = 0;
  #waits = 0;
  #slotFree: (() => void) | undefined;
  /** The last send: settles when the reader can take more. */
  #sent: Promise<void> = Promise.resolve();
  #notified = 0;
  /** Text of replies that are made and not sent yet, those of batches apart. */
  #unsentUnits = 0;
  /** Batches with mutations that are not answered yet; events wait for them. */
  #holds = 0;
  #released: (() => void)[] = [];

  constructor(transport: Transport, options: ConnectionOptions) {
    this.#transport = transport;
    this.#options = options;
    this.signal = this.#abort.signal;
  }

  /** The other end reads nothing any more, though what it asked may still be under way. */
  get isGone(): boolean {
    return this.signal.aborted || this.#transport.isClosed;
  }

  get bufferedBytes(): number {
    return this.#transport.bufferedBytes;
  }

  /** Serves until the other end goes or `close` is called. */
  async run(): Promise<void> {
    const { maxInFlight, maxInFlightUnits, maxBufferedBytes } = this.#options.limits;
    for (let frame = await this.#transport.receive(); frame; frame = await this.#transport.receive()) {
      if (!this.#take(frame)) break;
      if (!this.#options.lasts) {
        // Nothing comes behind it but that the client is gone, or has ended its own sending: then its waits end.
        let hasEnded = false;
        void this.#transport.receive().then(() => {
          if (this.#transport.isClosed) this.close();
          hasEnded = true;
          this.#slotFree?.();
        });
        while ((hasEnded ? this.#busy : this.#inFlight) > 0 && !this.signal.aborted) await this.#nextSlot();
        break;
      }
      if (this.#transport.bufferedBytes > maxBufferedBytes) await this.#sent.catch(() => {});
      while ((this.#busy >= maxInFlight || this.#inFlightUnits > maxInFlightUnits) && !this.signal.aborted) {
        await this.#nextSlot();
      }
    }
    // A peer that half-closes after its last request (`printf … | socat`) still gets what it asked for.
    if (!this.signal.aborted && this.#inFlight > 0) await this.#drained();
    this.close();
  }

  /** Ends the connection; what was sent is still delivered where that is possible. */
  close(): void {
    if (this.signal.aborted) return;
    this.#abort.abort();
    this.#transport.close();
    this.#slotFree?.();
    for (const release of this.#released.splice(0)) release();
  }

  /**
   * Sends a notification whose params are JSON text, made only once there is room for it, or nothing when there are
   * none. Resolves when the reader can take more.
   */
  async notify(method: string, params: () => string | undefined): Promise<void> {
    // A reader in memory takes all within one turn of the loop: the others get theirs in between (P8).
    this.#notified += 1;
    if (this.#notified % notificationsInOneTurn === 0) await new Promise((resolve) => setImmediate(resolve));
    // The subscriptions of a connection share its bound: each would else add a batch of its own to a stalled reader's (P7).
    const room = this.#options.limits.maxBufferedBytes / 2;
    while (!this.signal.aborted) {
      if (this.#holds > 0) await new Promise<void>((resolve) => this.#released.push(resolve));
      else if (this.#transport.bufferedBytes > room) await this.#sentBefore();
      else break;
    }
    // No await between the look at the room and this line: all that waited for it would pass at once.
    const text = params();
    if (text === undefined) return;
    const message = `{"jsonrpc":"2.0","method":"${method}","params":{${text}}}`;
    const told = this.#transport.notify?.(message);
    this.#sent = told?.sent ?? this.#transport.send(message);
    await this.#sent;
    await told?.handled;
  }

  /** Behind the last send, and in a turn of the loop of its own: a transport that is wrong about that stops nobody else. */
  async #sentBefore(): Promise<void> {
    await this.#sent.catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Frames under way, but for those that wait for something to happen: these end with the peer. */
  get #busy(): number {
    return this.#inFlight - this.#waitingFrames;
  }

  async #drained(): Promise<void> {
    while (this.#busy > 0 && !this.signal.aborted) await this.#nextSlot();
  }

  #nextSlot(): Promise<void> {
    return new Promise((resolve) => {
      this.#slotFree = resolve;
    });
  }

  /** False when the stream cannot be followed any further. */
  #take(frame: Frame): boolean {
    switch (frame.kind) {
      case 'text':
        this.#receive(frame.text);
        return true;
      case 'malformed':
        this.#reply(errorText(null, parseError));
        return true;
      case 'badHeader':
        this.#reply(errorText(null, parseError));
        return false;
      case 'noRoom': {
        const message = 'too many large frames of others are on their way: connect again a little later';
        this.#reply(errorText(null, toWireError(refuse('Overloaded', message, { retryAfterMs: 1_000 }))));
        return false;
      }
      case 'tooLarge': {
        const limit = this.#options.limits.maxFrameBytes;
        const refusal = refuse('FrameTooLarge', `a frame may have ${limit} bytes: send smaller ones`, { limit });
        this.#reply(errorText(null, toWireError(refusal)));
        return false;
      }
    }
  }

  #receive(text: string): void {
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      this.#reply(errorText(null, parseError));
      return;
    }
    const { load } = this.#options;
    const refusal = load.begin(text.length, this.#inFlight);
    this.#inFlight += 1;
    this.#inFlightUnits += text.length;
    const isSuspect = mayHoldUnfitText(text) || mayNestTooDeep(text);
    const judge = (found: unknown) => (refusal ? toWireError(refusal) : isSuspect ? unfit(found) : undefined);
    const answer = Array.isArray(message) ? this.#answerBatch(message, judge) : this.#answerOne(message, judge);
    void answer.finally(() => {
      load.end(text.length);
      this.#inFlight -= 1;
      this.#inFlightUnits -= text.length;
      this.#slotFree?.();
    });
  }

  async #answerOne(message: unknown, judge: Judge): Promise<void> {
    const call = this.#newCall(true);
    const text = await this.#answer(message, judge, call);
    if (text !== undefined) this.#reply(text);
    call.replied();
  }

  async #answerBatch(messages: unknown[], judge: Judge): Promise<void> {
    const { maxRpcBatch } = this.#options.limits;
    if (messages.length === 0) return this.#reply(errorText(null, invalidRequest));
    if (messages.length > maxRpcBatch) {
      const data = { limit: maxRpcBatch, what: 'entries of a batch' };
      const refusal = refuse('LimitExceeded', `a batch may have ${maxRpcBatch} entries: send several`, data);
      return this.#reply(errorText(null, toWireError(refusal)));
    }
    const holds = messages.some((message) => this.#options.changes(methodOf(message)));
    const call = this.#newCall(false);
    if (holds) call.holdEvents();
    const texts = await Promise.all(messages.map((message) => this.#answer(message, judge, call)));
    const replies = texts.filter((text) => text !== undefined);
    if (replies.length > 0) this.#reply(joined(replies, this.#options.limits.maxBatchReplyUnits));
    call.replied();
  }

  /** The reply to one request as JSON text; undefined for a notification. Handlers start here, in order of arrival. */
  async #answer(message: unknown, judge: Judge, call: Call): Promise<string | undefined> {
    if (!isRequest(message)) return errorText(idOf(message), invalidRequest);
    const fault = judge(message);
    if (fault) return message.id === undefined ? undefined : errorText(message.id, fault);
    const after: ((isRefused: boolean) => void)[] = [];
    const own = { ...call, afterReply: (run: (isRefused: boolean) => void) => void after.push(run) };
    const response = await this.#options.rpc.receive(message, own);
    for (const run of after) call.afterReply(() => run(response?.error !== undefined));
    return response ? responseText(response) : undefined;
  }

  #reply(text: string): void {
    this.#sent = this.#transport.send(text);
    // A reader that is gone needs no reply; run() ends with it.
    this.#sent.catch(() => {});
  }

  #newCall(alone: boolean) {
    const { turn, limits } = this.#options;
    const { maxInFlight, maxReplyUnits, maxBufferedBytes } = limits;
    const after: ((isRefused: boolean) => void)[] = [];
    let holding = false;
    let waits = 0;
    let units = 0;
    const releaseEvents = () => {
      if (!holding) return;
      holding = false;
      this.#holds -= 1;
      if (this.#holds === 0) for (const release of this.#released.splice(0)) release();
    };
    const checkRoom = () => {
      if (units > maxReplyUnits) throw tooMany(maxReplyUnits, 'text in the reply to one batch');
    };
    const counted = <T>(result: T): T => {
      if (!(result instanceof RawJson)) return result;
      // Others of its batch may have filled the reply while it was on its way.
      checkRoom();
      units += result.text.length;
      if (alone) this.#unsentUnits += result.text.length;
      return result;
    };
    // Of a batch none may wait for another: what is too much is refused. What is unsent here is sent in this turn.
    const isFull = () =>
      alone && this.#unsentUnits + this.#transport.bufferedBytes > maxBufferedBytes && !this.signal.aborted;
    const inTurn = <T>(run: () => T) =>
      turn.run(this, () => {
        // Nobody waits for it any more, and others do for theirs.
        if (this.signal.aborted) throw new RefusedError(gone);
        checkRoom();
        return run();
      });
    return {
      connection: this as Connection,
      afterReply: (run: (isRefused: boolean) => void) => void after.push(run),
      holdEvents: () => {
        holding = true;
        this.#holds += 1;
      },
      releaseEvents,
      wait: async <T>(run: () => Promise<T>): Promise<T> => {
        if (this.#waits >= maxInFlight) throw tooMany(maxInFlight, 'waiting calls of a connection');
        this.#waits += 1;
        waits += 1;
        if (waits === 1) this.#waitingFrames += 1;
        this.#slotFree?.();
        try {
          return await run();
        } finally {
          this.#waits -= 1;
          waits -= 1;
          if (waits === 0) this.#waitingFrames -= 1;
        }
      },
      inTurn,
      read: async <T>(run: () => T | Promise<T>): Promise<T> => {
        for (;;) {
          while (isFull()) await this.#sentBefore();
          // Looked at again when it runs: all that were put off would pass at once.
          const result = await inTurn(() => {
            if (isFull()) return noRoom;
            const made = run();
            return made instanceof Promise ? made.then(counted) : counted(made);
          });
          if (result !== noRoom) return result as T;
        }
      },
      replied: () => {
        if (alone) this.#unsentUnits -= units;
        releaseEvents();
        for (const run of after) run(false);
      },
    };
  }
}

// One Transport <-> json-rpc-2.0: parse, order, reply, notify with backpressure. Refusals become wire errors here and
// nowhere else. The library is given only well-formed single requests: it leaves malformed ones unanswered, and a batch
// of one comes back from it as a bare object (measured with 1.8.1).
import type { JSONRPCRequest, JSONRPCResponse, JSONRPCServer } from 'json-rpc-2.0';
import type { WireError } from '../../protocol/errors.ts';
import { jsonRpcCodes, RefusedError, refuse, toWireError } from '../../protocol/errors.ts';
import type { Frame } from '../../protocol/framing.ts';
import type { Transport } from '../../protocol/transport.ts';
import { maxDepth, unfitText } from '../../protocol/unfit-text.ts';
import type { Limits } from './limits.ts';

/** A result that is JSON text already: stored text is passed on, never parsed and written anew. */
export class RawJson {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** One call, as its handler sees it. */
export type Call = {
  readonly connection: Connection;
  /** Runs when the reply was handed to the transport (in a batch: the batch's reply), so nothing it sends overtakes it. */
  afterReply(run: () => void): void;
  /** Lets events pass although the batch that this call is part of is not answered yet. */
  releaseEvents(): void;
  /** Runs what waits for something to happen, and so may last. Throws LimitExceeded where too many of the connection wait. */
  wait<T>(run: () => Promise<T>): Promise<T>;
  /** Runs a read. Throws LimitExceeded where the reads of its batch before it have filled the reply. */
  read<T>(run: () => T): T;
  /** The same for a read that was put off with others: it waits until the replies made before it have left room. */
  readInTurn<T>(run: () => T | Promise<T>): Promise<T>;
};

export type Rpc = JSONRPCServer<Call>;

export type ConnectionOptions = {
  rpc: Rpc;
  limits: Limits;
  /** Whether a method changes the record: its events must come behind its reply. */
  changes(method: string): boolean;
  /** False: it ends when its first frame is answered. */
  lasts: boolean;
};

const notificationsInOneTurn = 8;

type Id = string | number | null;

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
        // Nothing comes behind it but that the client is gone.
        void this.#transport.receive().then(() => this.close());
        while (this.#inFlight > 0 && !this.signal.aborted) await this.#nextSlot();
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
      else if (this.#transport.bufferedBytes > room) await this.#sent.catch(() => {});
      else break;
    }
    // No await between the look at the room and this line: all that waited for it would pass at once.
    const text = params();
    if (text === undefined) return;
    this.#sent = this.#transport.send(`{"jsonrpc":"2.0","method":"${method}","params":{${text}}}`);
    await this.#sent;
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
    const suspect = mayHoldUnfitText(text) || mayNestTooDeep(text);
    this.#inFlight += 1;
    this.#inFlightUnits += text.length;
    const answer = Array.isArray(message) ? this.#answerBatch(message, suspect) : this.#answerOne(message, suspect);
    void answer.finally(() => {
      this.#inFlight -= 1;
      this.#inFlightUnits -= text.length;
      this.#slotFree?.();
    });
  }

  async #answerOne(message: unknown, suspect: boolean): Promise<void> {
    const call = this.#newCall(true);
    const text = await this.#answer(message, suspect, call);
    if (text !== undefined) this.#reply(text);
    call.replied();
  }

  async #answerBatch(messages: unknown[], suspect: boolean): Promise<void> {
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
    const texts = await Promise.all(messages.map((message) => this.#answer(message, suspect, call)));
    const replies = texts.filter((text) => text !== undefined);
    if (replies.length > 0) this.#reply(joined(replies, this.#options.limits.maxBatchReplyUnits));
    call.replied();
  }

  /** The reply to one request as JSON text; undefined for a notification. Handlers start here, in order of arrival. */
  async #answer(message: unknown, suspect: boolean, call: Call): Promise<string | undefined> {
    if (!isRequest(message)) return errorText(idOf(message), invalidRequest);
    const fault = suspect ? unfitText(message) : undefined;
    if (fault !== undefined) {
      const error = { code: jsonRpcCodes.invalidParams, message: fault };
      return message.id === undefined ? undefined : errorText(message.id, error);
    }
    const response = await this.#options.rpc.receive(message, call);
    return response ? responseText(response) : undefined;
  }

  #reply(text: string): void {
    this.#sent = this.#transport.send(text);
    // A reader that is gone needs no reply; run() ends with it.
    this.#sent.catch(() => {});
  }

  #newCall(alone: boolean) {
    const { maxInFlight, maxReplyUnits, maxBufferedBytes } = this.#options.limits;
    const after: (() => void)[] = [];
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
    const read = <T>(run: () => T): T => {
      checkRoom();
      const result = run();
      return result instanceof Promise ? (result.then(counted) as T) : counted(result);
    };
    return {
      connection: this as Connection,
      afterReply: (run: () => void) => void after.push(run),
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
      read,
      readInTurn: async <T>(run: () => T | Promise<T>): Promise<T> => {
        // Of a batch none may wait for another: what is too much is refused. What is unsent here is sent in this turn.
        const full = () => this.#unsentUnits + this.#transport.bufferedBytes > maxBufferedBytes;
        while (alone && full() && !this.signal.aborted) await this.#sent.catch(() => {});
        // No await between the comparison and this line: all that were put off would pass it at once.
        return read(run);
      },
      replied: () => {
        if (alone) this.#unsentUnits -= units;
        releaseEvents();
        for (const run of after) run();
      },
    };
  }
}

/** The replies of a batch as one text; where it would be longer than `limit`, that instead: the client asked for too much. */
function joined(replies: string[], limit: number): string {
  if (replies.reduce((sum, text) => sum + text.length + 1, 2) <= limit) return `[${replies.join(',')}]`;
  const refusal = tooMany(limit, 'text in the reply to one batch').refusal;
  return errorText(null, toWireError(refusal));
}

const parseError: WireError = { code: jsonRpcCodes.parseError, message: 'Parse error' };
const invalidRequest: WireError = { code: jsonRpcCodes.invalidRequest, message: 'Invalid Request' };

function tooMany(limit: number, what: string): RefusedError {
  return new RefusedError(refuse('LimitExceeded', `${what}: the limit is ${limit}`, { limit, what }));
}

/** What a thrown value is on the wire. Unknown errors keep their message to the log: it may tell a path or a secret. */
export function wireErrorOf(error: unknown, onIncident: (error: unknown) => string): WireError {
  if (error instanceof RefusedError) return toWireError(error.refusal);
  const incident = onIncident(error);
  const message = `Internal error: see the log for incident ${incident}`;
  return { code: jsonRpcCodes.internalError, message, data: { incident } };
}

function isRequest(message: unknown): message is JSONRPCRequest {
  if (typeof message !== 'object' || message === null || Array.isArray(message)) return false;
  const { jsonrpc, method, params, id } = message as Record<string, unknown>;
  // null for none: some LSP clients send it.
  const fitsParams = params === undefined || typeof params === 'object';
  return jsonrpc === '2.0' && typeof method === 'string' && fitsParams && (id === undefined || isId(id));
}

function isId(id: unknown): id is Id {
  return id === null || typeof id === 'string' || typeof id === 'number';
}

function idOf(message: unknown): Id {
  const id = typeof message === 'object' && message !== null ? (message as { id?: unknown }).id : null;
  return isId(id) ? id : null;
}

function methodOf(message: unknown): string {
  const method = typeof message === 'object' && message !== null ? (message as { method?: unknown }).method : '';
  return typeof method === 'string' ? method : '';
}

function errorText(id: Id, error: WireError): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error });
}

function responseText(response: JSONRPCResponse): string {
  const { id, error, result } = response;
  if (error) return errorText(id, error);
  const text = result instanceof RawJson ? result.text : JSON.stringify(result ?? null);
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${text}}`;
}

/**
 * A cheap look at the raw text: only escapes can hide a lone surrogate from the UTF-8 decoder or spell a member name, and
 * only long numbers can be infinite.
 */
function mayHoldUnfitText(text: string): boolean {
  return /\\u(?:[dD][89a-fA-F]|00[5-7])|__proto__|\d[eE]\+?\d{3}|\d{309}/.test(text);
}

/** A cheap look at the raw text: brackets in strings count too, so that it errs on the careful side. */
function mayNestTooDeep(text: string): boolean {
  if (text.length < 2 * maxDepth) return false;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === 0x7b || unit === 0x5b) depth += 1;
    else if (unit === 0x7d || unit === 0x5d) depth -= 1;
    if (depth > maxDepth) return true;
  }
  return false;
}

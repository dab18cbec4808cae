// What a capnweb session acts with: over WebSocket a connection for its door and one for each token that it shows, in an HTTP
// batch a connection for each call. It ends when none of them is open.
import { RpcError, refuse } from '../../../protocol/errors.ts';
import type { Frame } from '../../../protocol/framing.ts';
import type { Transport } from '../../../protocol/transport.ts';
import { TransportClosedError } from '../../../protocol/transport.ts';
import { nobody } from '../../engine/grant.ts';
import type { Runtime } from '../../engine/runtime.ts';
import type { Limits } from '../limits.ts';
import { wireErrorOf } from '../message.ts';
import type { Entry } from '../peer.ts';
import type { Opener, SessionOptions } from './capnweb.ts';
import { CapnwebSession } from './capnweb.ts';
import type { Stub } from './capnweb-stub.ts';
import { ConnectionStub, RequestStub, refusal } from './capnweb-stub.ts';

/** Tokens that a session over WebSocket acts with at a time: each is a connection. */
const maxRedeemed = 16;

export type CapnwebDeps = {
  serve(transport: Transport, entry: Entry): Promise<void>;
  limits: Limits;
  runtime: Runtime;
};

/** Who shows a token. Throws Unauthorized. */
export type Redeem = (token: string) => Promise<Entry>;

/** Serves a session over WebSocket until it ends. */
export async function serveSession(
  deps: CapnwebDeps,
  transport: Transport,
  entry: Entry,
  redeem: Redeem,
): Promise<void> {
  const { serve, limits, runtime } = deps;
  const open = new Set<Stub>();
  let opening = 0;
  const endIfOver = () => {
    // What was sent leaves first: why it ends, say.
    if (open.size + opening === 0) setImmediate(() => transport.close());
  };
  const openStub = (entry: Entry): Stub => {
    const stub: Stub & Transport = new ConnectionStub(limits.maxBufferedBytes, () => {
      open.delete(stub);
      endIfOver();
    });
    open.add(stub);
    // A failure of it is the daemon's to tell.
    const served = serve(stub, entry).catch(() => {});
    void served.then(() => stub.close());
    return stub;
  };
  const main = openStub(entry);
  const opener: Opener = {
    main,
    redeem: async (token) => {
      const data = { limit: maxRedeemed, what: 'tokens that a session acts with' };
      if (open.size + opening > maxRedeemed) throw refusal(refuse('LimitExceeded', 'dispose of some stubs', data));
      opening += 1;
      try {
        const redeemed = await redeem(token);
        entry.onGreeted?.();
        return openStub(redeemed);
      } catch (error) {
        // Who came in as nobody says who they are at once, or goes.
        if (entry.grant === nobody) main.close();
        throw error;
      } finally {
        opening -= 1;
        endIfOver();
      }
    },
    close: () => {
      for (const stub of [...open]) stub.close();
    },
  };
  await new CapnwebSession(
    transport,
    opener,
    optionsOf(limits, runtime, { lasts: true, maxToldUnits: Number.POSITIVE_INFINITY }),
  ).run();
}

/** Answers an HTTP batch: what `batch` has to send. */
export async function answerBatch(
  deps: CapnwebDeps,
  batch: BatchTransport,
  entry: Entry,
  redeem: Redeem,
): Promise<string> {
  const { serve, limits, runtime } = deps;
  const { ended, over } = batch;
  const { maxReplyUnits: maxUnits } = limits;
  const left = { units: maxUnits };
  const stubOf = (entry: Entry): Stub =>
    new RequestStub({
      serve: (transport) => serve(transport, { ...entry, lasts: false }),
      ended,
      over,
      left,
      maxUnits,
    });
  const opener: Opener = { main: stubOf(entry), redeem: async (token) => stubOf(await redeem(token)), close() {} };
  await new CapnwebSession(batch, opener, optionsOf(limits, runtime, { lasts: false, maxToldUnits: maxUnits })).run();
  return batch.reply;
}

function optionsOf(
  limits: Limits,
  runtime: Runtime,
  given: Pick<SessionOptions, 'lasts' | 'maxToldUnits'>,
): SessionOptions {
  const onIncident = (error: unknown) => {
    const incident = runtime.newId('inc');
    runtime.log.error({ err: error, incident }, 'an unexpected error');
    return incident;
  };
  const errorOf = (error: unknown) =>
    error instanceof RpcError ? error : new RpcError(wireErrorOf(error, onIncident));
  return { limits, ...given, errorOf };
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const newline = 0x0a;

/** The body of a request as the messages that come, one a line; what is sent, as that of its answer. */
export class BatchTransport implements Transport {
  readonly #body: Uint8Array;
  #at = 0;
  readonly #ended = new AbortController();
  readonly #over = new AbortController();
  readonly #sent: string[] = [];

  constructor(body: Uint8Array) {
    this.#body = body;
  }

  /** Fires when the client writes nothing more, which tells nothing of whether it reads. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Fires when the client is gone. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  get reply(): string {
    return this.#sent.join('\n');
  }

  get isClosed(): boolean {
    return this.over.aborted;
  }

  /** Node holds the answer; it is bounded as the reply to a batch is. */
  get bufferedBytes(): number {
    return 0;
  }

  async send(text: string): Promise<void> {
    if (this.isClosed) throw new TransportClosedError();
    this.#sent.push(text);
  }

  async receive(): Promise<Frame | undefined> {
    if (this.#at >= this.#body.length) return undefined;
    const found = this.#body.indexOf(newline, this.#at);
    const end = found < 0 ? this.#body.length : found;
    const line = this.#body.subarray(this.#at, end);
    this.#at = end + 1;
    try {
      return { kind: 'text', text: utf8.decode(line) };
    } catch {
      return { kind: 'malformed' };
    }
  }

  end(): void {
    this.#ended.abort();
  }

  close(): void {
    this.#over.abort();
  }
}

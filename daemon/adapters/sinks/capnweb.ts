// Another sessiond over POST /capnweb (PROTOCOL.md 10): the token redeemed and the method called on what that gives, in one
// request. Where that door is not there, or does not let in, it is asked over POST /rpc.
import type { Asked, Asker, Host } from './asker.ts';
import { post } from './asker.ts';
import { HostSink } from './host.ts';
import { HttpAsker } from './http.ts';

/** A sink that is a sessiond, asked over POST /capnweb, else over POST /rpc. */
export function capnwebSink(host: Host): HostSink {
  return new HostSink(new CapnwebAsker(host, new HttpAsker(host)), host);
}

type Remote = { redeem(token: string): Record<string, (params: unknown) => PromiseLike<unknown>> };

/** The door is not there; not every host lets in by it. */
const statusesOfNoDoor = [401, 404, 405, 410, 426];

export class CapnwebAsker implements Asker {
  readonly #host: Host;
  readonly #fallback: Asker;

  constructor(host: Host, fallback: Asker) {
    this.#host = host;
    this.#fallback = fallback;
  }

  async ask(method: string, params: string, signal: AbortSignal, waitMs = 0): Promise<Asked> {
    const asked = await this.#ask(method, params, signal, waitMs);
    const isOtherwise =
      asked === undefined ||
      (asked.kind === 'refused' && statusesOfNoDoor.includes(asked.status ?? 0)) ||
      (asked.kind === 'error' && asked.error.data?.kind === 'Unauthorized');
    return isOtherwise ? this.#fallback.ask(method, params, signal, waitMs) : asked;
  }

  /** Undefined where capnweb cannot carry the params: it takes values that nest 256 levels deep. */
  async #ask(method: string, params: string, signal: AbortSignal, waitMs: number): Promise<Asked | undefined> {
    // When it is needed: few have such a sink.
    const { RpcSession } = await import('capnweb');
    const batch = new BatchTransport();
    const remote = new RpcSession(batch).getRemoteMain() as unknown as Remote;
    let answer: Promise<Asked>;
    try {
      // What is called and what is awaited is sent in this turn.
      answer = Promise.resolve(remote.redeem(this.#host.token)[method]!(JSON.parse(params)).then(resultOf, errorOf));
    } catch {
      batch.take('');
      return undefined;
    }
    const asked = await post(this.#host, '/capnweb', batch.sent.join('\n'), signal, waitMs, async (text) => {
      batch.take(text);
      return (await answer) ?? { kind: 'unanswered', reason: `what ${this.#host.url} answered is no capnweb` };
    });
    // Nothing more comes for who still waits.
    batch.take('');
    return asked;
  }
}

function resultOf(result: unknown): Asked {
  return { kind: 'result', result };
}

/** An error of the host's has its code; one of the library's, that nothing came or something else did, has none. */
function errorOf(error: unknown): Asked {
  const { code, message, data } = error as { code?: unknown; message: string; data?: Record<string, unknown> };
  if (typeof code !== 'number') return { kind: 'unanswered', reason: `the answer is no capnweb: ${message}` };
  return { kind: 'error', error: { code, message, ...(data && { data }) } };
}

/** What the library sends, kept for one request; what comes, of the answer to that. */
class BatchTransport {
  /** Values, and not text: what a host must not send is not handed to the library. */
  readonly encodingLevel = 'jsonCompatible';
  readonly sent: string[] = [];
  #inbox: unknown[] = [];
  #wake: (() => void) | undefined;
  #hasEnded = false;

  send(message: unknown): void {
    if (!this.#hasEnded) this.sent.push(JSON.stringify(message));
  }

  async receive(): Promise<unknown> {
    while (this.#inbox.length === 0 && !this.#hasEnded) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#inbox.length === 0) throw new Error('it ended before its result');
    return this.#inbox.shift();
  }

  /**
   * Takes the answer, once. Of it only what settles a call goes on: a host's own calls would have the library copy, map and
   * await what the host pleases.
   */
  take(text: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    for (const line of text.split('\n')) {
      const message = messageOf(line);
      if (Array.isArray(message) && ['resolve', 'reject', 'abort'].includes(message[0] as string))
        this.#inbox.push(message);
    }
    this.#wake?.();
  }
}

function messageOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

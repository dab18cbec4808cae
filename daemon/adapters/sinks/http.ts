// Another sessiond over POST /rpc (PROTOCOL.md 10).
import type { Asked, Asker, Host } from './asker.ts';
import { isWireError, post } from './asker.ts';
import { HostSink } from './host.ts';

/** A sink that is a sessiond, asked over POST /rpc. */
export function httpSink(host: Host): HostSink {
  return new HostSink(new HttpAsker(host), host);
}

export class HttpAsker implements Asker {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  ask(method: string, params: string, signal: AbortSignal, waitMs = 0): Promise<Asked> {
    const body = `{"jsonrpc":"2.0","id":1,"method":${JSON.stringify(method)},"params":${params}}`;
    return post(this.#host, '/rpc', body, signal, waitMs, (text) => this.#read(text));
  }

  #read(text: string): Asked {
    let reply: { result?: unknown; error?: unknown } | null | undefined;
    try {
      reply = JSON.parse(text);
    } catch {}
    const { result, error } = reply ?? {};
    if (isWireError(error)) return { kind: 'error', error };
    if (result !== undefined) return { kind: 'result', result };
    return { kind: 'unanswered', reason: `what ${this.#host.url} answered is no JSON-RPC: is it a sessiond?` };
  }
}

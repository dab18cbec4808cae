// A daemon that listens for HTTP, and the two ends of it that tests need: requests as anybody's library makes them, and bytes
// as nobody's does.
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { defaultRetention } from '../../daemon/config.ts';
import type { RetentionRule } from '../../daemon/core/retention.ts';
import type { HttpListen } from '../../daemon/serve/http/door.ts';
import type { Limits } from '../../daemon/serve/limits.ts';
import { afterTest, daemonInProcess, testHome } from './daemon.ts';
import { within } from './deadline.ts';
import type { Anything } from './wire.ts';
import { wireInMemory } from './wire.ts';

export const loopback: HttpListen = {
  host: '127.0.0.1',
  port: 0,
  hosts: ['localhost', '127.0.0.1', '[::1]'],
  behindProxy: false,
};

export type Answer = { status: number; headers: IncomingMessage['headers']; text: string; json: Anything };
export type Asking = { method?: string; path: string; headers?: Record<string, string>; body?: string | Buffer };

/** `socket`: asks over the Unix socket; `tcp`: over TCP. `owner`: a wire of the owner's. */
export async function httpDaemon({
  limits = {},
  http = loopback,
  retention = defaultRetention,
}: {
  limits?: Partial<Limits>;
  http?: HttpListen;
  retention?: RetentionRule;
} = {}) {
  const home = testHome();
  const { daemon } = daemonInProcess(home, { limits, http, retention });
  await daemon.start();
  const owner = wireInMemory(daemon);
  const port = Number(new URL(daemon.url!).port);
  const ok = async (method: string, params: object = {}): Promise<Anything> => {
    const { result, error } = await owner.call(method, params);
    if (error) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result;
  };
  const grant = async (given: object = { rights: ['read', 'append'], sessions: '*' }): Promise<string> =>
    (await ok('capability/grant', { label: 'x', ...given })).token;
  const socket = (asking: Asking) => ask({ socketPath: home.paths.socket }, asking);
  const tcp = (asking: Asking) => ask({ host: '127.0.0.1', port }, asking);
  return { home, daemon, owner, ok, grant, port, socket, tcp };
}

type Where = { socketPath: string } | { host: string; port: number };

/** Sends one request; resolves with the whole answer. */
export async function ask(where: Where, { method, path, headers = {}, body }: Asking): Promise<Answer> {
  const incoming = await open(where, { path, headers, ...(method && { method }), ...(body !== undefined && { body }) });
  let text = '';
  incoming.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await within(`the answer to ${path}`, once(incoming, 'end'));
  const isJson = text !== '' && incoming.headers['content-type']?.includes('json');
  return { status: incoming.statusCode!, headers: incoming.headers, text, json: isJson && JSON.parse(text) };
}

/** Sends one request; resolves when its answer begins. */
export async function open(where: Where, { method, path, headers = {}, body }: Asking): Promise<IncomingMessage> {
  const sent = request({
    ...where,
    path,
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers,
    agent: false,
  });
  afterTest(() => sent.destroy());
  sent.end(body);
  const [incoming] = (await within(`the answer to ${path} to begin`, once(sent, 'response'))) as [IncomingMessage];
  return incoming;
}

/** Sends bytes over TCP as they are; resolves with all that came until the daemon closed. */
export async function bytes(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  afterTest(() => socket.destroy());
  socket.write(text);
  return untilClosed(socket);
}

export async function untilClosed(socket: Socket): Promise<string> {
  let came = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    came += chunk;
  });
  socket.on('error', () => {});
  await within('the daemon to close', new Promise((resolve) => socket.once('close', resolve)), () => came);
  return came;
}

export type StreamEvent = { id: string | undefined; event: string; data: Anything };

/** What an EventSource would hand out of a stream, and the comments beside it. */
export class EventStream {
  readonly events: StreamEvent[] = [];
  comments = 0;
  isClosed = false;
  readonly incoming: IncomingMessage;
  #rest = '';
  #waiting: (() => void)[] = [];

  constructor(incoming: IncomingMessage) {
    this.incoming = incoming;
    incoming.setEncoding('utf8').on('data', (chunk: string) => this.#take(chunk));
    incoming.on('close', () => {
      this.isClosed = true;
      this.#wake();
    });
    incoming.on('error', () => {});
  }

  of(name: string): StreamEvent[] {
    return this.events.filter(({ event }) => event === name);
  }

  get seqs(): number[] {
    return this.of('batch').flatMap(({ data }) => data.events.map(({ seq }: { seq: number }) => seq));
  }

  get lastId(): string | undefined {
    return this.events.findLast(({ id }) => id !== undefined)?.id;
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    const wait = async () => {
      while (!condition()) {
        if (this.isClosed) throw new Error(`the stream ended before ${what}: ${JSON.stringify(this.events.slice(-3))}`);
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    };
    await within(what, wait(), () => this.events.slice(-3));
  }

  async closed(): Promise<void> {
    const wait = async () => {
      while (!this.isClosed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    };
    await within('the stream to end', wait(), () => this.events.slice(-3));
  }

  #take(chunk: string): void {
    const blocks = (this.#rest + chunk).split('\n\n');
    this.#rest = blocks.pop()!;
    for (const block of blocks) {
      const fields = new Map<string, string>();
      for (const line of block.split('\n')) {
        const at = line.indexOf(':');
        if (at === 0) this.comments += 1;
        else fields.set(line.slice(0, at), line.slice(at + 1).trimStart());
      }
      const data = fields.get('data');
      if (data !== undefined)
        this.events.push({ id: fields.get('id'), event: fields.get('event')!, data: JSON.parse(data) });
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

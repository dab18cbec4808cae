// HTTP's way in (PROTOCOL.md 10): on the Unix socket for connections that begin like it, and on TCP where the config says so.
// Behind it is what is behind the socket: each request, stream and WebSocket is a transport that the daemon serves.
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import { createServer } from 'node:http';
import type { ServerOptions as TlsServerOptions } from 'node:https';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { WebSocketServer } from 'ws';
import { RefusedError } from '../../../protocol/errors.ts';
import { nobody } from '../../engine/grant.ts';
import { ListenError } from '../listen.ts';
import type { AppDeps } from './app.ts';
import { createApp } from './app.ts';
import { serveSession } from './capnweb-serve.ts';
import type { Door, EntranceDeps } from './entrance.ts';
import { Entrance } from './entrance.ts';
import { refusalOf } from './guard.ts';
import { Incoming } from './incoming.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { WebSocketTransport } from './web-socket-transport.ts';

/** Where TCP is listened on. `hosts`: the names it is reached by. `tls`: PEM texts. `behindProxy`: TLS ends there. */
export type HttpListen = {
  host: string;
  port: number;
  hosts: readonly string[];
  tls?: { cert: string; key: string } | undefined;
  behindProxy: boolean;
};

export type HttpDeps = AppDeps & EntranceDeps;

export class HttpDoor {
  readonly #deps: HttpDeps;
  readonly #sockets: Server;
  readonly #webSockets: WebSocketServer;
  #tcp: Server | undefined;

  constructor(deps: HttpDeps) {
    this.#deps = deps;
    const { maxFrameBytes: maxPayload } = deps.limits;
    this.#webSockets = new WebSocketServer({ noServer: true, maxPayload, perMessageDeflate: false });
    const listener = this.#listener(new Entrance(deps, 'socket'), undefined);
    this.#sockets = createServer({ IncomingMessage: Incoming }, listener);
    // What was asked before the other end stopped writing is answered: `printf … | socat`.
    Object.assign(this.#sockets, { httpAllowHalfOpen: true });
    this.#takeUpgrades(this.#sockets, new Entrance(deps, 'socket'), undefined);
  }

  /** Serves a connection to the Unix socket that began like HTTP; nothing of it was taken. */
  take(socket: Socket): void {
    this.#sockets.emit('connection', socket);
    socket.resume();
  }

  /** Listens on TCP. Resolves with where; rejects with ListenError. */
  async listen({ host, port, hosts, tls, behindProxy }: HttpListen): Promise<string> {
    const { limits } = this.#deps;
    const door: Door = tls || behindProxy ? 'tls' : 'tcp';
    const entrance = new Entrance(this.#deps, door);
    const options = {
      IncomingMessage: Incoming,
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: limits.headerMs,
      requestTimeout: limits.requestMs,
      connectionsCheckingInterval: Math.min(limits.headerMs, 1_000),
    };
    const listener = this.#listener(entrance, hosts);
    const server: Server = tls ? tlsServer({ ...options, ...tls }, listener) : createServer(options, listener);
    server.maxConnections = limits.maxTcpConnections;
    this.#takeUpgrades(server, entrance, hosts);
    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error) => reject(new ListenError(`cannot listen on ${host}:${port}: ${error.message}`));
      server.once('error', failed);
      server.listen(port, host.replace(/^\[|\]$/g, ''), () => {
        server.off('error', failed);
        resolve();
      });
    });
    this.#tcp = server;
    return `${tls ? 'https' : 'http'}://${host}:${(server.address() as AddressInfo).port}`;
  }

  /** Takes no more. What is open ends with its connections. */
  close(): void {
    this.#tcp?.close();
    this.#tcp?.closeIdleConnections();
    this.#webSockets.close();
  }

  #listener(entrance: Entrance, hosts: readonly string[] | undefined): RequestListener {
    const app = createApp(this.#deps, entrance);
    const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
    return oneAtATime((incoming, outgoing) => {
      const refused = hosts && refusalOf(incoming, hosts);
      if (!refused) return void listener(incoming, outgoing);
      outgoing.writeHead(refused.status, { 'content-type': 'application/json', connection: 'close' });
      outgoing.end(`${JSON.stringify({ error: refused.message })}\n`);
    });
  }

  #takeUpgrades(server: Server, entrance: Entrance, hosts: readonly string[] | undefined): void {
    server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => socket.destroy());
      this.#upgrade(incoming, socket, head, entrance, hosts).catch((error: unknown) => {
        if (!(error instanceof RefusedError)) this.#deps.runtime.log.error({ err: error }, 'a WebSocket failed');
        end(socket, error instanceof RefusedError ? 401 : 500);
      });
    });
  }

  async #upgrade(
    incoming: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    entrance: Entrance,
    hosts: readonly string[] | undefined,
  ): Promise<void> {
    const refused = hosts && refusalOf(incoming, hosts);
    if (refused) return end(socket, refused.status);
    const path = (incoming.url ?? '').replace(/^https?:\/\/[^/?#]*/i, '').replace(/\?.*$/, '');
    if (path !== '/ws' && path !== '/capnweb') return end(socket, 404);
    const { who: _, ...came } = await entrance.enter(incoming, path);
    const onGreeted = came.grant === nobody ? boundGreeting(socket, this.#deps.limits.maxGreetingBytes) : undefined;
    const entry = { ...came, onGreeted };
    this.#webSockets.handleUpgrade(incoming, socket, head, (webSocket) => {
      const transport = new WebSocketTransport(webSocket, this.#deps.runtime);
      const over = new AbortController();
      const { signal } = over;
      void this.#ask(transport, signal);
      const served =
        path === '/ws'
          ? this.#deps.serve(transport, entry)
          : serveSession(this.#deps, transport, entry, (token) => entrance.redeem(incoming, token));
      void served.finally(() => over.abort());
    });
  }

  async #ask(transport: WebSocketTransport, signal: AbortSignal): Promise<void> {
    const { runtime, limits } = this.#deps;
    while (!signal.aborted) {
      await runtime.sleep(limits.commentMs, signal).catch(() => {});
      transport.ping(limits.maxPings);
    }
  }
}

/** Throws ListenError for what is no certificate, or no key to it. */
function tlsServer(options: TlsServerOptions, listener: RequestListener): Server {
  try {
    return createTlsServer(options, listener);
  } catch (error) {
    throw new ListenError(`[http] cert and key: ${(error as Error).message}`);
  }
}

/** Ends a connection that sends more than a greeting before what this returns is called. */
function boundGreeting(socket: Duplex, maxBytes: number): () => void {
  let bytes = 0;
  const count = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxBytes) socket.destroy();
  };
  socket.on('data', count);
  return () => void socket.off('data', count);
}

const reasons: Record<number, string> = { 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found' };

function end(socket: Duplex, status: number): void {
  const reason = reasons[status] ?? 'Internal Server Error';
  // Not only this side: whoever does not close theirs would keep it.
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${reason}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}

// What is served over HTTP (PROTOCOL.md 10): doors to the same connections, with no rules of their own but for who comes in.
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context } from 'hono';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { RefusedError, refuse, toWireError } from '../../../protocol/errors.ts';
import type { Transport } from '../../../protocol/transport.ts';
import type { Runtime } from '../../engine/runtime.ts';
import type { Limits } from '../limits.ts';
import type { Entry } from '../peer.ts';
import type { Entrance } from './entrance.ts';
import { refusalOf } from './guard.ts';
import { RequestTransport } from './request-transport.ts';
import { SseTransport } from './sse-transport.ts';
import { statusOf } from './status.ts';
import { subscribeOf } from './stream-query.ts';

export type AppDeps = {
  serve(transport: Transport, entry: Entry): Promise<void>;
  head(): string;
  limits: Limits;
  runtime: Runtime;
  signal: AbortSignal;
};

type Env = { Bindings: HttpBindings };

/** `entrance`: who may come in by this door. `hosts`: the names it is reached by; undefined: any, it is a Unix socket. */
export function createApp(deps: AppDeps, entrance: Entrance, hosts: readonly string[] | undefined): Hono<Env> {
  const { serve, head, limits, runtime, signal } = deps;
  const app = new Hono<Env>();
  app.use(async (c, next) => {
    c.header('x-content-type-options', 'nosniff');
    const refused = hosts && refusalOf(c.env.incoming, hosts);
    if (refused) return c.json({ error: refused.message }, refused.status);
    await next();
  });
  app.onError((error, c) => {
    if (error instanceof RefusedError) return refusedAs(c, error);
    throw error;
  });

  app.get('/health', async (c) => {
    await entrance.enter(c.env.incoming, '/health');
    return c.json({ ok: true, head: head() });
  });

  app.post(
    '/rpc',
    bodyLimit({ maxSize: limits.maxFrameBytes, onError: (c) => tooLarge(c, limits.maxFrameBytes) }),
    async (c) => {
      const entry = await entrance.enter(c.env.incoming, '/rpc');
      const transport = new RequestTransport(new Uint8Array(await c.req.arrayBuffer()));
      c.env.outgoing.on('close', () => transport.close());
      await serve(transport, { ...entry, lasts: false });
      const { reply } = transport;
      return reply === undefined ? c.body(null, 204) : c.body(reply, 200, { 'content-type': 'application/json' });
    },
  );

  app.get('/events', async (c) => {
    const entry = await entrance.enter(c.env.incoming, '/events');
    const query = new URL(c.req.url).searchParams;
    const transport = new SseTransport(c.env.outgoing, subscribeOf(query, c.req.header('last-event-id')), runtime);
    const over = new AbortController();
    void commentEvery(limits.commentMs, transport, runtime, AbortSignal.any([signal, over.signal]));
    await serve(transport, entry).finally(() => over.abort());
    return RESPONSE_ALREADY_SENT;
  });

  app.post('/login', async (c) => {
    const cookies = await entrance.login(c.env.incoming);
    for (const cookie of cookies) c.header('set-cookie', cookie, { append: true });
    return c.body(null, 204);
  });

  const allowed: Record<string, string> = {
    '/health': 'GET',
    '/events': 'GET',
    '/ws': 'GET',
    '/rpc': 'POST',
    '/login': 'POST',
  };
  app.all('*', (c) => {
    const method = allowed[c.req.path];
    if (method === undefined) return c.json({ error: `there is no ${c.req.path}` }, 404);
    if (c.req.path === '/ws') return c.json({ error: '/ws is for WebSocket' }, 426, { upgrade: 'websocket' });
    return c.json({ error: `${c.req.path} is for ${method}` }, 405, { allow: method });
  });
  return app;
}

function refusedAs(c: Context, { refusal }: RefusedError): Response {
  const error = toWireError(refusal);
  const status = statusOf(error);
  if (status === 401) c.header('www-authenticate', 'Bearer');
  return c.json({ error }, status as 400);
}

function tooLarge(c: Context, limit: number): Response {
  const error = toWireError(refuse('FrameTooLarge', `a request may have ${limit} bytes: send smaller ones`, { limit }));
  return c.json({ jsonrpc: '2.0', id: null, error }, 413);
}

async function commentEvery(ms: number, to: SseTransport, runtime: Runtime, signal: AbortSignal) {
  while (!signal.aborted) {
    await runtime.sleep(ms, signal).catch(() => {});
    to.comment();
  }
}

// What is served over HTTP (PROTOCOL.md 10): doors to the same connections, with no rules of their own but for who comes in.
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context } from 'hono';
import { Hono } from 'hono';
import type { Refusal } from '../../../protocol/errors.ts';
import { RefusedError, toWireError } from '../../../protocol/errors.ts';
import type { Transport } from '../../../protocol/transport.ts';
import { nobody } from '../../engine/grant.ts';
import type { Runtime } from '../../engine/runtime.ts';
import type { Limits } from '../limits.ts';
import type { Entry } from '../peer.ts';
import { Bodies } from './bodies.ts';
import { answerBatch, BatchTransport } from './capnweb-serve.ts';
import type { Entrance } from './entrance.ts';
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

/** `entrance`: who may come in by this door. */
export function createApp(deps: AppDeps, entrance: Entrance): Hono<Env> {
  const { serve, head, limits, runtime, signal } = deps;
  const app = new Hono<Env>();
  app.use(async (c, next) => {
    c.header('x-content-type-options', 'nosniff');
    await next();
  });
  app.onError((error, c) => {
    if (error instanceof RefusedError) return refusedAs(c, error.refusal);
    // A client that went in the midst of its request hears of nothing.
    if (c.req.raw.signal.aborted) return c.body(null, 400);
    const incident = runtime.newId('inc');
    runtime.log.error({ err: error, incident }, 'an unexpected error');
    return c.json({ error: `see the log for incident ${incident}` }, 500);
  });

  const bodies = new Bodies(limits, runtime);
  app.get('/health', async (c) => {
    await entrance.enter(c.env.incoming, '/health');
    return c.json({ ok: true, head: head() });
  });

  app.post('/rpc', async (c) => {
    const entry = await entrance.enter(c.env.incoming, '/rpc');
    if (c.req.header('content-encoding')) return c.json({ error: 'send it without a Content-Encoding' }, 415);
    const transport = new RequestTransport(await bodies.read(c.env.incoming, entry.who));
    follow(c.env, transport);
    await serve(transport, { ...entry, lasts: false });
    const { reply } = transport;
    if (reply === undefined) return c.body(null, 204);
    bodies.answer(c.env.outgoing, reply, entry.who);
    return c.body(reply, 200, { 'content-type': 'application/json' });
  });

  app.post('/capnweb', async (c) => {
    const { incoming, outgoing } = c.env;
    const entry = await entrance.enter(incoming, '/capnweb');
    if (c.req.header('content-encoding')) return c.json({ error: 'send it without a Content-Encoding' }, 415);
    // Of somebody who says only in it who they are, no more is read than on a connection.
    const max = entry.grant === nobody ? limits.maxGreetingBytes : limits.maxFrameBytes;
    const batch = new BatchTransport(await bodies.read(incoming, entry.who, max));
    follow(c.env, batch);
    const reply = await answerBatch(deps, batch, entry, (token) => entrance.redeem(incoming, token));
    bodies.answer(outgoing, reply, entry.who);
    return c.body(reply, 200, { 'content-type': 'text/plain; charset=utf-8' });
  });

  app.get('/events', async (c) => {
    // Hono answers it by what GET does, and this would never end.
    if (c.env.incoming.method === 'HEAD') return notFor(c, '/events', 'GET');
    const entry = await entrance.enter(c.env.incoming, '/events');
    const query = new URL(c.req.url).searchParams;
    const transport = new SseTransport(c.env.outgoing, subscribeOf(query, c.req.header('last-event-id')), runtime);
    follow(c.env, transport);
    const over = new AbortController();
    void commentEvery(limits, transport, runtime, AbortSignal.any([signal, over.signal]));
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
    '/capnweb': 'POST',
    '/login': 'POST',
  };
  app.all('*', (c) => {
    const method = allowed[c.req.path];
    if (method === undefined) return c.json({ error: `there is no ${c.req.path}` }, 404);
    if (c.req.path === '/ws') return c.json({ error: '/ws is for WebSocket' }, 426, { upgrade: 'websocket' });
    return notFor(c, c.req.path, method);
  });
  return app;
}

/**
 * Closes the transport when the client is gone, and ends it when the client has stopped writing, which tells nothing of whether
 * it still reads. Either may have happened while it was looked at who it is: of that no event comes any more.
 */
function follow(
  { incoming: { socket }, outgoing }: HttpBindings,
  transport: RequestTransport | SseTransport | BatchTransport,
): void {
  const end = () => transport.end();
  socket.once('end', end);
  outgoing.once('close', () => {
    socket.off('end', end);
    transport.close();
  });
  if (outgoing.destroyed) transport.close();
  else if (socket.readableEnded) transport.end();
}

function notFor(c: Context, path: string, method: string): Response {
  return c.json({ error: `${path} is for ${method}` }, 405, { allow: method });
}

function refusedAs(c: Context, refusal: Refusal): Response {
  const error = toWireError(refusal);
  const status = statusOf(error);
  // What is left of the body is not read.
  if (status === 413) c.header('connection', 'close');
  if (status === 401) c.header('www-authenticate', 'Bearer');
  if (refusal.refused === 'Overloaded') c.header('retry-after', String(Math.ceil(refusal.data.retryAfterMs / 1_000)));
  return c.json({ jsonrpc: '2.0', id: null, error }, status as 400);
}

async function commentEvery(
  { commentMs: ms, maxStalls }: Limits,
  to: SseTransport,
  runtime: Runtime,
  signal: AbortSignal,
) {
  while (!signal.aborted) {
    await runtime.sleep(ms, signal).catch(() => {});
    to.comment(maxStalls);
  }
}

// What runs in a page: it follows the record by the browser's own EventSource or WebSocket, folds what comes by the one
// reducer, and tells the test all of it, in order (follower.ts injects it as `client`).
import type { SnapshotItem } from '../../protocol/methods.ts';
import type { Event } from '../../protocol/schema.ts';
import type { View } from '../../protocol/view.ts';
import { addSnapshotItem, emptyView, reduce } from '../../protocol/view.ts';
import type { Listed } from '../support/history-run/history.ts';
import { listedOf } from '../support/history-run/listed.ts';
import type { Anything } from '../support/wire.ts';

/** `name`: of the notification, or `subscribed`, `lost`, `closed`, `refused`. `id`: an EventSource's lastEventId behind it. */
export type Told = { name: string; params: Anything; id?: string };

declare global {
  var tell: (told: Told) => void;
}

const notifications = ['batch', 'snapshot', 'caughtUp', 'bookmark', 'reset', 'ended'];
/** How long it waits before it connects its WebSocket again, as any client does. */
const retryMs = 200;

let view: View = emptyView();
/** The snapshot under way: the old view stands until it is done. */
let coming: View = emptyView();

/** The session as the page has it; undefined where it has none. */
export function held(sessionId: string): Listed | undefined {
  const session = view.get(sessionId);
  return session && listedOf(session);
}

/** Follows by EventSource, which resumes by itself. */
export function followEvents(url: string): void {
  const source = new EventSource(url);
  for (const name of ['subscribed', ...notifications]) {
    source.addEventListener(name, (event) => {
      const { data, lastEventId } = event as MessageEvent;
      take({ name, params: JSON.parse(data), id: lastEventId });
    });
  }
  source.addEventListener('error', () => {
    globalThis.tell({ name: source.readyState === EventSource.CLOSED ? 'closed' : 'lost', params: {} });
  });
}

/** Follows by WebSocket: subscribes anew from its last cursor whenever the connection ended. */
export function followSocket({ url, token, subscribe }: { url: string; token?: string; subscribe: object }): void {
  let params: object = subscribe;
  const connect = () => {
    const socket = new WebSocket(url);
    const call = (id: number, method: string, given: object) =>
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params: given }));
    socket.addEventListener('open', () => {
      if (token) call(1, 'initialize', { protocolVersion: 1, client: { name: 'page', version: '0' }, token });
      call(2, 'events/subscribe', params);
    });
    socket.addEventListener('message', ({ data }) => {
      const { id, method, params: given, result, error } = JSON.parse(data) as Anything;
      if (error) globalThis.tell({ name: 'refused', params: error });
      else if (method) take({ name: method.replace('events/', ''), params: given });
      else if (id === 2) take({ name: 'subscribed', params: result });
      if (given?.cursor) params = { ...subscribe, from: given.cursor };
    });
    socket.addEventListener('close', () => {
      globalThis.tell({ name: 'lost', params: {} });
      setTimeout(connect, retryMs);
    });
  };
  connect();
}

function take(told: Told): void {
  const { name, params } = told;
  if (name === 'subscribed' || name === 'reset') coming = emptyView();
  if (name === 'snapshot') {
    coming = (params.items as SnapshotItem[]).reduce(addSnapshotItem, coming);
    if (params.done) view = coming;
  }
  if (name === 'batch') view = (params.events as Event[]).reduce(reduce, view);
  globalThis.tell(told);
}

/**
 * What a page gets of a daemon at `origin`, by all the ways that there are: the status, `opaque` where it may not see it,
 * `failed` where the browser tells no more than that.
 */
export async function attempts({ origin, token }: { origin: string; token: string }): Promise<Record<string, string>> {
  const over = new AbortController();
  const tried = async (path: string, options: RequestInit = {}) => {
    try {
      const response = await fetch(`${origin}${path}`, { credentials: 'include', signal: over.signal, ...options });
      return response.type === 'opaque' ? `opaque${await response.text()}` : `status ${response.status}`;
    } catch (error) {
      return error instanceof TypeError ? 'failed' : String(error);
    }
  };
  const call = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'session/list', params: {} });
  const post = { method: 'POST', body: call };
  const found = {
    health: await tried('/health'),
    healthUnseen: await tried('/health', { mode: 'no-cors' }),
    rpc: await tried('/rpc', { ...post, headers: { 'content-type': 'application/json' } }),
    rpcSimple: await tried('/rpc', { ...post, headers: { 'content-type': 'text/plain' } }),
    rpcUnseen: await tried('/rpc', { ...post, mode: 'no-cors' }),
    login: await tried('/login', { method: 'POST', headers: { authorization: `Bearer ${token}` } }),
    events: await tried('/events'),
    eventsUnseen: await tried('/events', { mode: 'no-cors' }),
    eventSource: await opened(new EventSource(`${origin}/events`, { withCredentials: true })),
    webSocket: await opened(new WebSocket(`${origin.replace('http', 'ws')}/ws`)),
  };
  over.abort();
  return found;
}

function opened(stream: EventSource | WebSocket): Promise<string> {
  return new Promise<string>((resolve) => {
    stream.addEventListener('open', () => resolve('open'));
    stream.addEventListener('error', () => resolve('failed'));
  }).finally(() => stream.close());
}

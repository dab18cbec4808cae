// events/subscribe, unsubscribe and sync: cursors over the journal, given to a connection. Where one starts is judged here;
// nothing is ever clamped or skipped in silence.

import type { Cursor } from '../../protocol/cursor.ts';
import { formatCursor } from '../../protocol/cursor.ts';
import { isRefusal, RefusedError, refuse } from '../../protocol/errors.ts';
import { TransportClosedError } from '../../protocol/transport.ts';
import type { FeedDeps, FeedSink } from '../engine/feed.ts';
import { Feed } from '../engine/feed.ts';
import type { EventFilter } from '../engine/reads.ts';
import type { Retention } from '../engine/retention.ts';
import type { Holder, Subscribers } from '../engine/subscribers.ts';
import type { Caller } from './caller.ts';
import type { Limits } from './limits.ts';
import type { Handlers } from './rpc.ts';

type SubscribeHandlers = Pick<Handlers, 'events/subscribe' | 'events/unsubscribe' | 'events/sync'>;

export type SubscribeDeps = {
  feeds: FeedDeps;
  retention: Pick<Retention, 'floor'>;
  subscribers: Subscribers;
  limits: Limits;
};

/** How a subscription starts. `reason`: why it is sent the state. */
type Start = { mode: 'live' | 'resumed' | 'snapshot'; reason?: string; cursor: Cursor };

const defaultBookmarkMs = 15_000;

export function subscribeHandlers({ feeds, retention, subscribers, limits }: SubscribeDeps): SubscribeHandlers {
  const { journal, runtime } = feeds;

  /** Where a subscription begins that asks for `from`. Throws RefusedError for what is no cursor, and under `never`. */
  const startAt = (from: string, snapshot: 'onGap' | 'always' | 'never'): Start => {
    const start: Start =
      from === 'now'
        ? { mode: 'live', cursor: journal.head }
        : from === 'start'
          ? { mode: 'resumed', cursor: journal.cursorAt(retention.floor) }
          : resume(from, snapshot);
    if (snapshot !== 'always') return start;
    return { mode: 'snapshot', reason: start.reason ?? 'always', cursor: journal.head };
  };

  const resume = (from: string, snapshot: 'onGap' | 'always' | 'never'): Start => {
    const cursor = journal.check(from, retention.floor);
    if (!isRefusal(cursor)) return { mode: 'resumed', cursor };
    if (snapshot === 'never' || cursor.refused === 'InvalidParams') throw new RefusedError(cursor);
    return { mode: 'snapshot', reason: cursor.refused, cursor: journal.head };
  };

  const run = (peer: Caller, subscription: string, feed: Feed, onEnd: () => void) => {
    feed
      .run()
      .catch((error: unknown) => {
        if (error instanceof TransportClosedError) return;
        // A bug, or a disk that took no snapshot: its reader must not wait for events that will not come.
        runtime.log.error({ err: error, connection: peer.id }, 'a subscription failed');
        peer.connection.close();
      })
      .finally(() => {
        peer.feeds.delete(subscription);
        onEnd();
      });
  };

  /** Takes the name for a feed; resolves when it is kept. Returns what gives the name back. */
  const take = async (peer: Caller, name: string, feed: Feed, { mode, cursor }: Start): Promise<() => void> => {
    const { principal } = peer.author;
    const holder: Holder = { connectionId: peer.id, end: (reason) => feed.end(reason) };
    // Who was not sent all of the state before it was gone must not be resumed from behind it: it begins anew.
    await subscribers.hold(principal, name, holder, mode === 'snapshot' ? journal.beginning : cursor);
    return () => subscribers.release(principal, name, holder);
  };

  const feedOf = (peer: Caller, id: string): Feed => {
    const feed = peer.feeds.get(id);
    if (feed) return feed;
    throw noSubscription(id);
  };

  return {
    'events/subscribe': (params, peer, call) => {
      // Read behind mutations, it may come when its connection is gone: then it must take no name from anybody.
      if (peer.connection.isGone || peer.signal.aborted) {
        throw new RefusedError(
          refuse('NotFound', 'the connection is gone, or acts with something else', {
            what: 'connection',
            id: peer.id,
          }),
        );
      }
      if (peer.feeds.size >= limits.maxSubscriptions) {
        const data = { limit: limits.maxSubscriptions, what: 'subscriptions of a connection' };
        throw new RefusedError(refuse('LimitExceeded', 'too many subscriptions: end one or connect again', data));
      }
      const { grant } = peer;
      const { name, snapshot = 'onGap', maxBatch = limits.maxBatch } = params;
      const filter: EventFilter = { ...params.filter, deltas: params.deltas, within: peer.sessions };
      const key = JSON.stringify([filter, maxBatch]);
      let filterUnits = key.length;
      for (const feed of peer.feeds.values()) filterUnits += feed.filterUnits;
      if (filterUnits > limits.maxFilterUnits) {
        const data = { limit: limits.maxFilterUnits, what: 'text in the filters of a connection' };
        throw new RefusedError(
          refuse('LimitExceeded', 'too long filters: end a subscription or use shorter ones', data),
        );
      }
      const kept = name === undefined ? undefined : subscribers.cursorOf(peer.author.principal, name);
      const start = startAt(params.from ?? kept ?? 'now', snapshot);
      const subscription = peer.peer.newSubscriptionId();
      const sink: FeedSink = {
        send: (method, text) =>
          peer.connection.notify(method, () => {
            const params = text();
            return params === undefined ? undefined : `"subscription":"${subscription}",${params}`;
          }),
      };
      const feed = new Feed(feeds, sink, {
        from: start.cursor,
        query: { filter, maxBatch, maxBatchBytes: limits.maxBatchBytes, key },
        startsWithSnapshot: start.mode === 'snapshot',
        mendsGaps: snapshot !== 'never',
        bookmarkMs: params.bookmarkMs ?? defaultBookmarkMs,
        isRevoked: () => grant?.invalid() !== undefined,
      });
      // Before any wait: it counts from here, and ends with the connection.
      peer.feeds.set(subscription, feed);
      const begin = (onEnd: () => void) => {
        call.afterReply((isRefused) => {
          if (!isRefused) return run(peer, subscription, feed, onEnd);
          // Its reader was never told of it.
          peer.feeds.delete(subscription);
          onEnd();
        });
        const { mode, reason, cursor } = start;
        const head = formatCursor(journal.head);
        return { subscription, mode, ...(reason && { reason }), cursor: formatCursor(cursor), head };
      };
      if (name === undefined) return begin(() => {});
      return take(peer, name, feed, start).then(begin, (error: unknown) => {
        peer.feeds.delete(subscription);
        throw error;
      });
    },

    'events/unsubscribe': ({ subscription }, peer) => {
      feedOf(peer, subscription).end('unsubscribed');
      return {};
    },

    'events/sync': async ({ subscription }, peer, call) => {
      const feed = feedOf(peer, subscription);
      // One whose id was guessed, in the batch that subscribes: it begins behind the batch's reply, which would wait for it.
      if (!feed.isRunning) throw noSubscription(subscription);
      // In a batch behind a mutation: the events must pass before the batch's own reply, or both would wait for ever.
      call.releaseEvents();
      const cursor = await call.wait(() => feed.sync());
      if (cursor === undefined) throw noSubscription(subscription);
      return { cursor: formatCursor(cursor) };
    },
  };
}

function noSubscription(id: string): RefusedError {
  const message = `there is no subscription ${id} on this connection`;
  return new RefusedError(refuse('NotFound', message, { what: 'subscription', id }));
}

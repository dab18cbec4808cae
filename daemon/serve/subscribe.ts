// events/subscribe, unsubscribe, sync and read: cursors over the journal, given to a connection.

import type { Cursor } from '../../protocol/cursor.ts';
import { formatCursor } from '../../protocol/cursor.ts';
import { isRefusal, RefusedError, refuse } from '../../protocol/errors.ts';
import { TransportClosedError } from '../../protocol/transport.ts';
import type { Bell } from '../engine/bell.ts';
import type { FeedSink } from '../engine/feed.ts';
import { Feed } from '../engine/feed.ts';
import type { EventFilter, Reads } from '../engine/reads.ts';
import type { Retention } from '../engine/retention.ts';
import type { Runtime } from '../engine/runtime.ts';
import { RawJson } from './connection.ts';
import type { Limits } from './limits.ts';
import type { Peer } from './peer.ts';
import type { Handlers } from './rpc.ts';
import { ringOrTimeout } from './wait.ts';

type SubscribeHandlers = Pick<Handlers, 'events/subscribe' | 'events/unsubscribe' | 'events/sync' | 'events/read'>;

export type SubscribeDeps = Pick<Reads, 'journal'> & {
  retention: Pick<Retention, 'floor'>;
  bell: Bell;
  runtime: Runtime;
  limits: Limits;
};

export function subscribeHandlers({ journal, retention, bell, runtime, limits }: SubscribeDeps): SubscribeHandlers {
  let lastId = 0;

  const resume = (text: string): Cursor => {
    const cursor = journal.check(text, retention.floor);
    if (isRefusal(cursor)) throw new RefusedError(cursor);
    return cursor;
  };

  const start = (peer: Peer, subscription: string, feed: Feed) => {
    feed
      .run()
      .catch((error: unknown) => {
        if (error instanceof TransportClosedError) return;
        // A feed that throws is a bug: its reader must not wait for events that will not come.
        runtime.log.error({ err: error, connection: peer.id }, 'a subscription failed');
        peer.connection.close();
      })
      .finally(() => peer.feeds.delete(subscription));
  };

  const feedOf = (peer: Peer, id: string): Feed => {
    const feed = peer.feeds.get(id);
    if (feed) return feed;
    const message = `there is no subscription ${id} on this connection`;
    throw new RefusedError(refuse('NotFound', message, { what: 'subscription', id }));
  };

  return {
    'events/subscribe': (params, peer, call) => {
      if (peer.feeds.size >= limits.maxSubscriptions) {
        const data = { limit: limits.maxSubscriptions, what: 'subscriptions of a connection' };
        throw new RefusedError(refuse('LimitExceeded', 'too many subscriptions: end one or connect again', data));
      }
      const from = params.from ?? 'now';
      const cursor =
        from === 'now' ? journal.head : from === 'start' ? journal.cursorAt(retention.floor) : resume(from);
      const subscription = `sub_${++lastId}`;
      const filter: EventFilter = { ...params.filter, deltas: params.deltas };
      const sink: FeedSink = {
        send: (method, text) =>
          peer.connection.notify(method, () => {
            const params = text();
            return params === undefined ? undefined : `"subscription":"${subscription}",${params}`;
          }),
      };
      const feed = new Feed(journal, bell, sink, {
        from: cursor,
        filter,
        maxBatch: params.maxBatch ?? limits.maxBatch,
        maxBatchBytes: limits.maxBatchBytes,
      });
      peer.feeds.set(subscription, feed);
      call.afterReply(() => start(peer, subscription, feed));
      return {
        subscription,
        mode: from === 'now' ? 'live' : 'resumed',
        cursor: formatCursor(cursor),
        head: formatCursor(journal.head),
      };
    },

    'events/unsubscribe': ({ subscription }, peer) => {
      feedOf(peer, subscription).end('unsubscribed');
      return {};
    },

    'events/sync': async ({ subscription }, peer, call) => {
      const feed = feedOf(peer, subscription);
      // In a batch behind a mutation: the events must pass before the batch's own reply, or both would wait for ever.
      call.releaseEvents();
      return { cursor: formatCursor(await call.wait(() => feed.sync())) };
    },

    'events/read': ({ after, filter = {}, limit = 100, waitMs = 0 }, peer, call) => {
      let from = resume(after);
      const { signal } = peer.connection;
      const until = runtime.monotonic() + waitMs;
      /** The answer, or undefined when there is reason and time to look again; `from` has moved on then. */
      const read = (): RawJson | undefined => {
        const { events, through } = journal.readAfter(from, filter, limit, limits.maxBatchBytes);
        const more = through.seq < journal.head.seq;
        from = through;
        if (events.length === 0 && !signal.aborted && (more || runtime.monotonic() < until)) return undefined;
        const texts = events.map((event) => event.text).join(',');
        return new RawJson(`{"events":[${texts}],"cursor":"${formatCursor(through)}","more":${more}}`);
      };
      const nextRing = (wake: () => void) => bell.onRing(wake);
      const readOn = async () => {
        for (;;) {
          if (from.seq < journal.head.seq) await new Promise((resolve) => setImmediate(resolve));
          else await call.wait(() => ringOrTimeout(nextRing, runtime, until - runtime.monotonic(), signal));
          // Retention may have passed the place while this waited: judged again, never clamped.
          from = resume(formatCursor(from));
          const answer = read();
          if (answer) return answer;
        }
      };
      return read() ?? readOn();
    },
  };
}

// events/ack, subscriber/list and subscriber/remove: what named subscribers have acknowledged.
import { formatCursor } from '../../protocol/cursor.ts';
import { isRefusal, RefusedError } from '../../protocol/errors.ts';
import type { Reads } from '../engine/reads.ts';
import type { Retention } from '../engine/retention.ts';
import type { Subscribers } from '../engine/subscribers.ts';
import type { Pages } from './page.ts';
import type { Handlers } from './rpc.ts';

type SubscriberHandlers = Pick<Handlers, 'events/ack' | 'subscriber/list' | 'subscriber/remove'>;

export type SubscriberDeps = Pick<Reads, 'journal'> & {
  retention: Pick<Retention, 'floor'>;
  subscribers: Subscribers;
  pages: Pages;
};

export function subscriberHandlers({ journal, retention, subscribers, pages }: SubscriberDeps): SubscriberHandlers {
  return {
    'events/ack': async ({ name, cursor: text }, peer) => {
      const cursor = journal.check(text, retention.floor);
      if (isRefusal(cursor)) throw new RefusedError(cursor);
      return { cursor: await subscribers.acknowledge(peer.author.principal, name, peer.id, cursor) };
    },

    'subscriber/list': ({ limit = 100, pageToken }, peer) => {
      const place = pages.placeOf(peer, pageToken, 'text');
      const after = place === undefined ? undefined : (JSON.parse(place) as string);
      const all = subscribers.list(peer.author.principal, after);
      const items = all.slice(0, limit).map(({ name, cursor, seq, connectionId, createdAt, usedAt }) => {
        return { name, cursor, lag: Math.max(0, journal.head.seq - seq), connectionId, createdAt, usedAt };
      });
      const next = items.length < all.length ? JSON.stringify(items.at(-1)!.name) : undefined;
      return { items, ...pages.next(peer, next), cursor: formatCursor(journal.head) };
    },

    'subscriber/remove': async ({ name }, peer) => {
      await subscribers.remove(peer.author.principal, name);
      return {};
    },
  };
}

// sink/*, outbox/* and share/*: what goes out to others, and what became of it.
import { formatCursor } from '../../protocol/cursor.ts';
import { RefusedError } from '../../protocol/errors.ts';
import type { Dispatch } from '../engine/dispatch.ts';
import type { Reads } from '../engine/reads.ts';
import type { SharePreview } from '../engine/share-preview.ts';
import type { Shares } from '../engine/shares.ts';
import { gone } from './message.ts';
import type { Pages } from './page.ts';
import type { Handlers } from './rpc.ts';

export type OutboxDeps = Reads & { dispatch: Dispatch; shares: Shares; preview: SharePreview; pages: Pages };

type OutboxHandlers = Pick<
  Handlers,
  Extract<keyof Handlers, `sink/${string}` | `outbox/${string}` | `share/${string}`>
>;

export function outboxHandlers({ journal, dispatch, shares, preview, pages }: OutboxDeps): OutboxHandlers {
  const head = () => formatCursor(journal.head);
  return {
    'sink/add': async (params) => ({ sink: await dispatch.add(params) }),
    'sink/list': () => ({ items: dispatch.list(), cursor: head() }),
    'sink/remove': async ({ name }) => {
      shares.checkFree(name);
      await dispatch.remove(name);
      return {};
    },
    'sink/pause': async ({ name }) => ({ sink: await dispatch.pause(name) }),
    'sink/resume': async ({ name, token }) => {
      // That of a share is for its session alone, and known to nobody but its host.
      if (token !== undefined) shares.checkFree(name);
      return { sink: await dispatch.resume(name, token) };
    },
    'outbox/list': ({ sink, state, limit = 100, pageToken }, peer) => {
      const place = pages.placeOf(peer, pageToken, 'index');
      const found = dispatch.batches(sink, state, limit + 1, place === undefined ? 0 : Number(place));
      const shown = found.slice(0, limit);
      const next = found.length > limit ? String(shown.at(-1)!.key) : undefined;
      return pages.result(peer, { items: shown.map(({ batch }) => JSON.stringify(batch)), next }, head());
    },
    'outbox/retry': async ({ batchId }) => ({ batch: await dispatch.retry(batchId) }),
    'outbox/discard': async ({ batchId }) => {
      await dispatch.discard(batchId);
      return {};
    },
    'share/create': (params, peer) => shares.create(peer.author, params),
    'share/list': ({ limit = 100, pageToken }, peer) => {
      const place = pages.placeOf(peer, pageToken, 'text');
      const after = place === undefined ? undefined : (JSON.parse(place) as string);
      const all = shares.list(peer.sessions);
      const from = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1;
      const shown = all.slice(from, from + limit);
      const next = from + shown.length < all.length ? JSON.stringify(shown.at(-1)!.id) : undefined;
      return pages.result(peer, { items: shown.map((share) => JSON.stringify(share)), next }, head());
    },
    'share/revoke': async ({ shareId }, peer) => ({
      share: await shares.revoke(peer.author, shareId, peer.sessions),
    }),
    // Done as who asked for it, whatever the connection acts with meanwhile; ended with the connection, which is no fault.
    'share/preview': ({ sessionId }, { connection: { signal } }) =>
      preview.of(sessionId, signal).catch((error: unknown) => {
        throw signal.aborted ? new RefusedError(gone) : error;
      }),
  };
}

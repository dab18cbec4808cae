// capability/*: handing out, redeeming, taking back, and looking at what was done with it.
import { formatCursor } from '../../protocol/cursor.ts';
import type { Capabilities } from '../engine/capabilities.ts';
import type { Grant } from '../engine/grant.ts';
import type { Reads } from '../engine/reads.ts';
import { nextToken, placeOf } from './page.ts';
import type { Peer } from './peer.ts';
import type { Handlers } from './rpc.ts';

type CapabilityHandlers = Pick<Handlers, Extract<keyof Handlers, `capability/${string}`>>;

export type CapabilityDeps = Reads & { capabilities: Capabilities };

export function capabilityHandlers({ journal, lists, capabilities }: CapabilityDeps): CapabilityHandlers {
  const head = () => formatCursor(journal.head);
  return {
    'capability/grant': (params, peer) => capabilities.grant(peer.author, params),
    'capability/attenuate': ({ token, ...params }, peer) => capabilities.attenuate(peer.author, token, params),
    'capability/redeem': async ({ token }, peer) => {
      const { capability } = await redeem(capabilities, peer, token);
      const { sessions } = capability;
      return { capability, head: head(), sessions: lists.sessionVersions(sessions === '*' ? undefined : sessions) };
    },
    'capability/revoke': async ({ capabilityId, mode }, peer) => {
      const capability = await capabilities.revoke(peer.author, capabilityId, mode);
      // The ends of what it had subscribed to leave in this turn of the loop, before this reply.
      await new Promise((resolve) => setImmediate(resolve));
      return { capability };
    },
    'capability/list': ({ limit = 100, pageToken }, peer) => {
      const place = placeOf(pageToken, 'text');
      const after = place === undefined ? undefined : (JSON.parse(place) as string);
      const all = capabilities.list(peer.grant);
      const from = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1;
      const items = all.slice(from, from + limit);
      const next = from + limit < all.length ? JSON.stringify(items.at(-1)!.id) : undefined;
      return { items, ...nextToken(next), cursor: head() };
    },
    'capability/audit': ({ capabilityId, limit = 100, pageToken }, peer) => {
      const before = placeOf(pageToken, 'index');
      const { items, next } = capabilities.readAudit(
        peer.grant,
        capabilityId,
        limit,
        before === undefined ? undefined : Number(before),
      );
      return { items, ...nextToken(next === undefined ? undefined : String(next)), cursor: head() };
    },
  };
}

/** From here the connection acts with what the token stands for. Throws Unauthorized; then it acts with what it had. */
export async function redeem(capabilities: Capabilities, peer: Peer, token: string): Promise<Grant> {
  const grant = capabilities.redeem(token);
  // Before any wait: what the connection sent behind this must not be done as who it was.
  peer.redeem(grant);
  await capabilities.begin(peer.author, grant);
  return grant;
}

// capability/*: handing out, redeeming, taking back, and looking at what was done with it.
import { formatCursor } from '../../protocol/cursor.ts';
import { RefusedError } from '../../protocol/errors.ts';
import type { Capabilities } from '../engine/capabilities.ts';
import type { Grant } from '../engine/grant.ts';
import type { Reads } from '../engine/reads.ts';
import { Caller } from './caller.ts';
import { RawJson } from './connection.ts';
import { pageResult, placeOf } from './page.ts';
import type { Peer } from './peer.ts';
import type { Handlers } from './rpc.ts';

/** Of all sessions redeem tells the newest; a list has the rest. */
const maxSessions = 1_000;
const maxPageBytes = 256 * 1024;

type CapabilityHandlers = Pick<Handlers, Extract<keyof Handlers, `capability/${string}`>>;

export type CapabilityDeps = Reads & { capabilities: Capabilities };

export function capabilityHandlers({ journal, lists, capabilities }: CapabilityDeps): CapabilityHandlers {
  const head = () => formatCursor(journal.head);
  return {
    'capability/grant': (params, peer) => capabilities.grant(peer.author, params),
    'capability/attenuate': ({ token, ...params }, peer) => capabilities.attenuate(peer.author, token, params),
    'capability/redeem': async ({ token }, peer) => {
      const { capability } = await redeem(capabilities, peer.peer, token);
      const { sessions } = capability;
      const seen = lists.sessionVersions(sessions === '*' ? undefined : sessions, maxSessions);
      return new RawJson(JSON.stringify({ capability, head: head(), sessions: seen }));
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
      const texts: string[] = [];
      let bytes = 0;
      for (const capability of all.slice(from, from + limit)) {
        const text = JSON.stringify(capability);
        bytes += Buffer.byteLength(text);
        if (texts.length > 0 && bytes > maxPageBytes) break;
        texts.push(text);
      }
      const last = from + texts.length;
      const next = last < all.length ? JSON.stringify(all[last - 1]!.id) : undefined;
      return pageResult({ items: texts, next }, head());
    },
    'capability/audit': ({ capabilityId, limit = 100, pageToken }, peer) => {
      const before = placeOf(pageToken, 'index');
      const { items, next } = capabilities.readAudit(
        peer.grant,
        capabilityId,
        limit,
        before === undefined ? undefined : Number(before),
      );
      const page = {
        items: items.map((entry) => JSON.stringify(entry)),
        next: next === undefined ? undefined : String(next),
      };
      return pageResult(page, head());
    },
  };
}

/** From here the connection acts with what the token stands for. Throws Unauthorized; then it acts with what it had. */
export async function redeem(capabilities: Capabilities, peer: Peer, token: string): Promise<Grant> {
  let grant: Grant;
  try {
    grant = capabilities.redeem(token);
  } catch (error) {
    if (error instanceof RefusedError) {
      await capabilities.refused(new Caller(peer).author, 'capability/redeem', token, error.refusal);
    }
    throw error;
  }
  // Before any wait: what the connection sent behind this must not be done as who it was.
  peer.redeem(grant);
  await capabilities.begin(new Caller(peer).author, grant);
  return grant;
}

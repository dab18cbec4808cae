// capability/*: handing out, redeeming, taking back, and looking at what was done with it.

import type { Capability } from '../../protocol/capability.ts';
import { formatCursor } from '../../protocol/cursor.ts';
import { RefusedError } from '../../protocol/errors.ts';
import type { Capabilities } from '../engine/capabilities.ts';
import type { Grant } from '../engine/grant.ts';
import { nobody } from '../engine/grant.ts';
import type { Reads } from '../engine/reads.ts';
import type { Replicas } from '../engine/replicas.ts';
import { Caller } from './caller.ts';
import type { Call } from './connection.ts';
import { RawJson } from './message.ts';
import type { Pages } from './page.ts';
import type { Peer } from './peer.ts';
import type { Handlers } from './rpc.ts';

/** Of its sessions redeem tells the newest, so many or so much text; a list has the rest. */
const maxSessions = 1_000;
const maxPageBytes = 256 * 1024;

type CapabilityHandlers = Pick<Handlers, Extract<keyof Handlers, `capability/${string}`>>;

export type CapabilityDeps = Reads & {
  capabilities: Capabilities;
  replicas: Pick<Replicas, 'cursorOf'>;
  pages: Pages;
};

export function capabilityHandlers(deps: CapabilityDeps): CapabilityHandlers {
  const { journal, lists, capabilities, replicas, pages } = deps;
  const head = () => formatCursor(journal.head);

  /** The newest of its sessions, in the order of their creation; each a read of its own, since records may be large. */
  const versionsOf = async ({ sessions }: Capability, call: Call): Promise<string> => {
    const texts: string[] = [];
    let bytes = 0;
    for (const key of await call.inTurn(() =>
      lists.newestSessions(sessions === '*' ? undefined : sessions, maxSessions),
    )) {
      const version = await call.inTurn(() => lists.sessionVersion(key));
      // Deleted since.
      if (version === undefined) continue;
      const text = JSON.stringify(version);
      bytes += Buffer.byteLength(text);
      if (bytes > maxPageBytes) break;
      texts.push(text);
    }
    return texts.reverse().join(',');
  };

  return {
    'capability/grant': (params, peer) => capabilities.grant(peer.author, params),
    'capability/attenuate': ({ token, ...params }, peer) => capabilities.attenuate(peer.author, token, params),
    'capability/redeem': async ({ token }, peer, call) => {
      const grant = await redeem(capabilities, peer.peer, token);
      const { capability } = grant;
      return call.read(async () => {
        // Before the sessions: what changes while these are read comes behind it.
        const from = head();
        const sessions = await versionsOf(capability, call);
        const ended = grant.invalid();
        if (ended) throw new RefusedError(ended);
        const held = replicas.cursorOf(capability.id);
        const cursor = held === undefined ? '' : `,"cursor":"${held}"`;
        const told = `"capability":${JSON.stringify(capability)},"head":"${from}","sessions":[${sessions}]`;
        return new RawJson(`{${told}${cursor}}`);
      });
    },
    'capability/revoke': async ({ capabilityId, mode }, peer) => {
      const capability = await capabilities.revoke(peer.author, capabilityId, mode);
      // The ends of what it had subscribed to leave in this turn of the loop, before this reply.
      await new Promise((resolve) => setImmediate(resolve));
      return { capability };
    },
    'capability/list': ({ limit = 100, pageToken }, peer) => {
      const place = pages.placeOf(peer, pageToken, 'text');
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
      return pages.result(peer, { items: texts, next }, head());
    },
    'capability/audit': ({ capabilityId, limit = 100, pageToken }, peer) => {
      const before = pages.placeOf(peer, pageToken, 'index');
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
      return pages.result(peer, page, head());
    },
  };
}

/**
 * From here the connection acts with what the token stands for. Throws Unauthorized; then it acts with nothing. Either is so
 * before any wait: what the connection sent behind this must not be done as who it was.
 */
export async function redeem(capabilities: Capabilities, peer: Peer, token: string): Promise<Grant> {
  let grant: Grant;
  try {
    grant = capabilities.redeem(token);
  } catch (error) {
    const { author } = new Caller(peer);
    peer.act(nobody);
    if (error instanceof RefusedError) {
      await capabilities.refused(author, 'capability/redeem', token, error.refusal);
    }
    throw error;
  }
  peer.act(grant);
  await capabilities.begin(new Caller(peer).author, grant);
  return grant;
}

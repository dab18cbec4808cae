// Who comes in by HTTP: on the Unix socket its owner, and who shows a token is what that stands for; over TCP nobody without a
// token, or the cookie that was given for one (PROTOCOL.md 10).
import type { IncomingMessage } from 'node:http';
import { parse, serialize } from 'hono/utils/cookie';
import { RefusedError } from '../../../protocol/errors.ts';
import type { Capabilities } from '../../engine/capabilities.ts';
import type { Grant } from '../../engine/grant.ts';
import { nobody, unauthorized } from '../../engine/grant.ts';
import type { Runtime } from '../../engine/runtime.ts';
import type { Entry } from '../peer.ts';

export type EntranceDeps = {
  capabilities: Pick<Capabilities, 'redeem' | 'redeemCookie' | 'cookieOf' | 'begin' | 'refused' | 'rootOf'>;
  runtime: Pick<Runtime, 'now'>;
  /** Cookies of one host are one pot, whatever the port: each store's has a name of its own. */
  storeId: string;
};

/** `who`: by whom what a request makes the daemon hold is counted, with all that was made out of the same. */
export type HttpEntry = Entry & { who: string };

/** `socket`: the Unix socket, to which only its owner can connect. `tcp`, `tls`: whoever reaches the port. */
export type Door = 'socket' | 'tcp' | 'tls';

/** Where the cookie is good for: what a browser asks without a header of its own. */
const cookiePaths = ['/events', '/ws'];
/** Where who one is can be said in what is sent. */
const greetedPaths = ['/ws', '/capnweb'];
/** How often it is noted that a capability is in use by requests that are a connection each, ms. */
const noteMs = 60_000;

type Request = Pick<IncomingMessage, 'headers'> & { method?: string | undefined };

export class Entrance {
  readonly #deps: EntranceDeps;
  readonly #door: Door;
  readonly #cookie: string;
  /** Methods whose reading is in the audit since then, by what is acted with. */
  readonly #audited = new Map<string, Set<string>>();
  #auditedSince = 0;

  constructor(deps: EntranceDeps, door: Door) {
    this.#deps = deps;
    this.#door = door;
    this.#cookie = `sessiond-${deps.storeId}`;
  }

  /** Who a request to `path` is from. Throws Unauthorized, but where that can be said in the first message. */
  async enter({ headers, method }: Request, path: string): Promise<HttpEntry> {
    const { capabilities, runtime } = this.#deps;
    const entry = { lasts: true, client: productOf(headers['user-agent']), who: 'owner' };
    const grant = await this.#grantOf(headers, path);
    if (!grant) {
      if (this.#door === 'socket') return entry;
      if (greetedPaths.includes(path)) return { ...entry, grant: nobody, who: 'nobody' };
      throw noToken();
    }
    const { id, lastUsedAt } = grant.capability;
    const author = { principal: id, actorId: `${id}/http`, grant };
    if ((lastUsedAt ?? 0) < runtime.now() - noteMs) await capabilities.begin(author, grant);
    const audited = method === 'POST' ? this.#auditedOf(grant) : undefined;
    return { ...entry, grant, who: capabilities.rootOf(id), audited };
  }

  /** Who shows a token in what they send with a request to /capnweb. Throws Unauthorized. */
  redeem({ headers, method }: Request, token: string): Promise<HttpEntry> {
    return this.enter({ headers: { ...headers, authorization: `Bearer ${token}` }, method }, '/capnweb');
  }

  /** A request is a connection: what is in the audit once for each of these would be there each time. */
  #auditedOf({ capability: { id }, epoch }: Grant): Set<string> {
    const now = this.#deps.runtime.now();
    if (Math.abs(now - this.#auditedSince) >= noteMs) {
      this.#audited.clear();
      this.#auditedSince = now;
    }
    const key = `${id} ${epoch}`;
    const audited = this.#audited.get(key) ?? new Set<string>();
    this.#audited.set(key, audited);
    return audited;
  }

  /** The cookies for who shows a token. Throws Unauthorized. */
  async login({ headers }: Request): Promise<string[]> {
    const token = tokenOf(headers);
    if (token === undefined) throw noToken();
    await this.enter({ headers }, '/login');
    const value = await this.#deps.capabilities.cookieOf(token);
    const how = { httpOnly: true, sameSite: 'Strict', secure: this.#door === 'tls' } as const;
    return cookiePaths.map((path) => serialize(this.#cookie, value, { ...how, path }));
  }

  async #grantOf(headers: IncomingMessage['headers'], path: string): Promise<Grant | undefined> {
    const { capabilities } = this.#deps;
    const token = tokenOf(headers);
    if (token !== undefined) {
      try {
        return capabilities.redeem(token);
      } catch (error) {
        if (error instanceof RefusedError) {
          const by = { principal: 'http', actorId: 'http' };
          await capabilities.refused(by, 'capability/redeem', token, error.refusal);
        }
        throw error;
      }
    }
    const cookie = parse(headers.cookie ?? '', this.#cookie)[this.#cookie];
    return cookie !== undefined && cookiePaths.includes(path) ? capabilities.redeemCookie(cookie) : undefined;
  }
}

function noToken(): RefusedError {
  const message =
    'no token was shown: send Authorization: Bearer and the token (a cookie is for /events and /ws alone)';
  return new RefusedError(unauthorized('unknown', message));
}

/** Throws Unauthorized where somebody tries to come in by other means: they are not to be taken for the owner. */
function tokenOf({ authorization }: IncomingMessage['headers']): string | undefined {
  if (authorization === undefined) return undefined;
  const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  if (token === undefined) throw noToken();
  return token;
}

/** `curl` of `curl/7.88.1`. */
function productOf(userAgent: string | undefined): string {
  return /^[A-Za-z0-9._-]{1,64}/.exec(userAgent ?? '')?.[0] ?? 'http';
}

// Capabilities (PROTOCOL.md 6): who holds how much. All of them are in memory as they are on disk; what is revoked is so from
// the moment on that the revocation has its place among the writes, for everything behind it.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Capability } from '../../protocol/capability.ts';
import type { Refusal } from '../../protocol/errors.ts';
import { isRefusal, RefusedError, refuse } from '../../protocol/errors.ts';
import type { Asked, InvalidReason, Scope } from '../core/capability.ts';
import { holds, invalidReason, narrow } from '../core/capability.ts';
import type { AuditEntry, AuditRows } from '../store/audit-rows.ts';
import type { CapabilityRow, CapabilityRows } from '../store/capability-rows.ts';
import type { Grant } from './grant.ts';
import { unauthorized } from './grant.ts';
import type { Author } from './op-applier.ts';
import type { Runtime } from './runtime.ts';
import type { Writer } from './writer.ts';

/** How long it is kept who did what, ms, and how many entries of one capability: whoever fills it pushes out only their own. */
export type AuditRule = { maxAgeMs: number; maxEntries: number };

export type CapabilitiesDeps = {
  rows: CapabilityRows;
  audit: AuditRows;
  auditRule: AuditRule;
  /** Told of those that are over, or must be redeemed again, when that has happened. */
  onEnded(ids: ReadonlySet<string>): void;
  writer: Pick<Writer, 'write'>;
  runtime: Pick<Runtime, 'now' | 'newId'>;
};

export type Made = { capability: Capability; token: string };

/** That are kept, also of those that are over: each is in memory. */
const maxCapabilities = 10_000;
/** How often one may be made out of another, one behind the other. */
const maxDepth = 16;

/** The hash of nothing that was given. */
const none = Buffer.alloc(32);

/** What nobody gave: all of it. */
const owner: Scope = { rights: ['read', 'append', 'answer', 'share', 'admin'], sessions: '*', expiresAt: null };

export class Capabilities {
  readonly #deps: CapabilitiesDeps;
  readonly #held = new Map<string, CapabilityRow>();
  /** Until when (ms since the epoch) it was told whose time was over. */
  #toldUntil: number;

  constructor(deps: CapabilitiesDeps) {
    this.#deps = deps;
    this.#toldUntil = deps.runtime.now();
    for (const row of deps.rows.all()) this.#held.set(row.capability.id, row);
  }

  /** What the token stands for now. Throws Unauthorized. Nothing of the token is in the message. */
  redeem(token: string): Grant {
    const held = this.#find(token);
    if (!held) throw new RefusedError(unauthorized('unknown'));
    return this.#grantOf(held, held.capability.epoch);
  }

  /**
   * What stands for a token in a browser: made of its secret, which cannot be had back from it, and good until the capability
   * is over or must be redeemed again. Throws Unauthorized.
   */
  async cookieOf(token: string): Promise<string> {
    const { capability, epoch } = this.redeem(token);
    const { id } = capability;
    const secret = createHmac('sha256', token).update(`cookie ${epoch}`).digest('base64url');
    const cookie = hashOf(`${epoch}.${secret}`);
    const held = this.#held.get(id)!;
    if (!held.cookie?.equals(cookie)) await this.#deps.writer.write(() => this.#deps.rows.setCookie(id, cookie));
    held.cookie = cookie;
    return `${id}.${epoch}.${secret}`;
  }

  /** What the cookie stands for now. Throws Unauthorized. */
  redeemCookie(text: string): Grant {
    const [id = '', epoch = '', secret = '', ...rest] = text.split('.');
    const held = this.#held.get(id);
    const isIt = timingSafeEqual(hashOf(`${epoch}.${secret}`), held?.cookie ?? none);
    if (!held || !isIt || rest.length > 0) throw new RefusedError(unauthorized('unknown'));
    return this.#grantOf(held, Number(epoch));
  }

  /** Notes what was refused to who showed a token; of one that is none there is nothing to note it of. */
  async refused(by: Author, method: string, token: string, { refused }: Refusal): Promise<void> {
    const held = this.#find(token);
    if (held) await this.#deps.writer.write(() => this.#note(by, method, held.capability.id, refused));
  }

  /** Notes that it is acted with from now on, and by whom. */
  async begin(by: Author, { capability: { id } }: Grant): Promise<void> {
    const { rows, writer, runtime } = this.#deps;
    await writer.write(() => {
      const { capability } = this.#held.get(id)!;
      capability.lastUsedAt = runtime.now();
      rows.update(capability);
      this.#note(by, 'capability/redeem', id);
    });
  }

  /** Keeps what was asked for with the author's capability, and how it ended. Resolves when that is on disk. */
  async audit({ actorId, grant }: Author, entry: Pick<AuditEntry, 'method' | 'sessionId' | 'outcome'>): Promise<void> {
    if (!grant) return;
    const { audit, writer, runtime } = this.#deps;
    const { id: capabilityId } = grant.capability;
    await writer.write(() => audit.add({ at: runtime.now(), capabilityId, actorId, ...entry }));
  }

  /** What is kept of those that the caller may know of, the newest first. Throws NotFound. */
  readAudit(by: Grant | undefined, id: string | undefined, limit: number, before: number | undefined) {
    if (id !== undefined) this.#known(by, id);
    const ids = id === undefined ? by && this.list(by).map((each) => each.id) : [id];
    return this.#deps.audit.read(ids, limit, before);
  }

  /** Hands out a part of what the caller holds; the owner, and who may administer all sessions, anything. */
  grant(by: Author, { label, ...asked }: Asked & { label: string }): Promise<Made> {
    const held = by.grant?.capability;
    const isFree = !held || (held.sessions === '*' && holds(held, 'admin'));
    const scope = isFree ? { ...owner, expiresAt: held?.expiresAt ?? null } : held;
    return this.#make(by, 'capability/grant', scope, held?.id ?? null, label, asked);
  }

  /** Makes one that allows less out of another. Throws Unauthorized. */
  async attenuate(by: Author, token: string, { label, ...asked }: Asked & { label: string }): Promise<Made> {
    try {
      const { capability } = this.redeem(token);
      return await this.#make(by, 'capability/attenuate', capability, capability.id, label, asked);
    } catch (error) {
      if (error instanceof RefusedError) await this.refused(by, 'capability/attenuate', token, error.refusal);
      throw error;
    }
  }

  /**
   * Ends a capability and all that was made out of it, or has them redeemed again. Resolves, with it as it is then, when that
   * is on disk and everybody was told. Throws NotFound for what the caller has not made.
   */
  async revoke(by: Author, id: string, mode: 'revoke' | 'bumpEpoch'): Promise<Capability> {
    const { rows, writer, runtime } = this.#deps;
    const target = this.#known(by.grant, id);
    const ended = new Set<string>();
    /** Those that they had: a transaction that is rolled back runs again. */
    const epochs = new Map<string, number>();
    await writer.write(() => {
      checkStill(by);
      // Not before: what is made out of them meanwhile is among the descendants too.
      const now = runtime.now();
      for (const { capability } of this.#held.values()) {
        if (!this.#isOrComesFrom(capability.id, id)) continue;
        ended.add(capability.id);
        const epoch = epochs.get(capability.id) ?? capability.epoch;
        epochs.set(capability.id, epoch);
        if (mode === 'bumpEpoch') capability.epoch = epoch + 1;
        else capability.revokedAt ??= now;
        rows.update(capability);
      }
      this.#note(by, 'capability/revoke', id);
    });
    this.#deps.onEnded(ended);
    return target.capability;
  }

  /** Tells of those whose time has come by `now` (ms since the epoch). A tick of the sweep. */
  expire(now: number): void {
    const since = this.#toldUntil;
    this.#toldUntil = now;
    const all = [...this.#held.values()].map(({ capability }) => capability);
    const ended = all.filter(({ expiresAt }) => expiresAt !== null && expiresAt > since && expiresAt <= now);
    if (ended.length > 0) this.#deps.onEnded(new Set(ended.map(({ id }) => id)));
  }

  /** Forgets what is too old or too much, in transactions of `count` rows each: audits, and capabilities that are over for as long. */
  async prune(count: number): Promise<void> {
    const { audit, rows, writer, runtime, auditRule } = this.#deps;
    const { maxAgeMs, maxEntries } = auditRule;
    const before = runtime.now() - maxAgeMs;
    for (const { capability } of [...this.#held.values()]) {
      const { id, revokedAt, expiresAt } = capability;
      await nextTurn();
      const last = audit.beyond(id, maxEntries);
      while (last !== undefined && (await writer.write(() => audit.dropThrough(id, last, count))) === count);
      // What was made out of it was over no later.
      if (Math.min(revokedAt ?? Number.POSITIVE_INFINITY, expiresAt ?? Number.POSITIVE_INFINITY) >= before) continue;
      await writer.write(() => rows.drop(id));
      this.#held.delete(id);
    }
    while (audit.hasBefore(before)) await writer.write(() => audit.prune(before, count));
  }

  /** Whether what acts as `principal` was taken back: it never acts again. */
  isRevoked(principal: string): boolean {
    const held = this.#held.get(principal);
    return held !== undefined && held.capability.revokedAt !== null;
  }

  /** Whether the caller may know of a capability: it is theirs, or made out of theirs. The owner knows of all. */
  isBelow(by: Grant | undefined, id: string): boolean {
    return by === undefined || this.#isOrComesFrom(id, by.capability.id);
  }

  /** Those that the caller may know of, the oldest first. */
  list(by: Grant | undefined): Capability[] {
    return [...this.#held.values()]
      .map(({ capability }) => capability)
      .filter(({ id }) => this.isBelow(by, id))
      .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  }

  #grantOf({ capability }: CapabilityRow, epoch: number): Grant {
    const grant: Grant = {
      capability,
      epoch,
      invalid: () => {
        const reason = invalidReason(capability, epoch, this.#deps.runtime.now());
        return reason && unauthorized(reason);
      },
    };
    const refusal = grant.invalid();
    if (refusal) throw new RefusedError(refusal);
    return grant;
  }

  #find(token: string): CapabilityRow | undefined {
    const [id = '', secret = '', ...rest] = token.split('.');
    const held = this.#held.get(id);
    // Compared also where there is none of that id, so that the time tells nothing.
    const isIt = timingSafeEqual(hashOf(secret), held?.hash ?? none);
    return isIt && rest.length === 0 ? held : undefined;
  }

  #known(by: Grant | undefined, id: string): CapabilityRow {
    const held = this.#held.get(id);
    if (held && this.isBelow(by, id)) return held;
    throw new RefusedError(refuse('NotFound', `there is no capability ${id}`, { what: 'capability', id }));
  }

  /** Inside a transaction. What happens to a capability is in its own audit, whoever did it. */
  #note({ actorId }: Author, method: string, capabilityId: string, outcome = 'ok'): void {
    const { audit, runtime } = this.#deps;
    audit.add({ at: runtime.now(), capabilityId, actorId, method, sessionId: null, outcome });
  }

  async #make(
    by: Author,
    method: string,
    parent: Scope,
    parentId: string | null,
    label: string,
    asked: Asked,
  ): Promise<Made> {
    const { rows, writer, runtime } = this.#deps;
    const scope = narrow(parent, asked);
    if (isRefusal(scope)) throw new RefusedError(scope);
    if (parentId !== null && this.#depth(parentId) >= maxDepth) {
      const data = { limit: maxDepth, what: 'capabilities made out of one another' };
      throw new RefusedError(
        refuse('LimitExceeded', 'it was made out of others too often: ask for one from further up', data),
      );
    }
    const secret = randomBytes(32).toString('base64url');
    const now = runtime.now();
    const life = { epoch: 1, revokedAt: null, createdAt: now, lastUsedAt: null };
    const capability: Capability = { id: runtime.newId('cap'), parentId, label, ...scope, ...life };
    const row = { capability, hash: hashOf(secret), cookie: null };
    const write = writer.write(() => {
      // Attenuating asks for nothing but the token.
      if (method === 'capability/grant') checkStill(by);
      // Not before: all that came in one turn of the loop would pass.
      if (this.#held.size >= maxCapabilities) {
        const message = 'there are too many capabilities: they go when they are over for long';
        throw new RefusedError(refuse('LimitExceeded', message, { limit: maxCapabilities, what: 'capabilities' }));
      }
      // Its parent may have been revoked since it was looked at.
      const reason = parentId === null ? undefined : this.#reasonOf(parentId);
      if (reason) throw new RefusedError(unauthorized(reason));
      rows.add(row);
      this.#note(by, method, capability.id);
      this.#held.set(capability.id, row);
    });
    await write.catch((error: unknown) => {
      this.#held.delete(capability.id);
      throw error;
    });
    return { capability, token: `${capability.id}.${secret}` };
  }

  #reasonOf(id: string): InvalidReason | undefined {
    const { capability } = this.#held.get(id)!;
    return invalidReason(capability, capability.epoch, this.#deps.runtime.now());
  }

  #depth(id: string): number {
    let depth = 0;
    for (let at: string | null | undefined = id; at; at = this.#held.get(at)?.capability.parentId) depth += 1;
    return depth;
  }

  #isOrComesFrom(id: string, ancestor: string): boolean {
    for (let at: string | null | undefined = id; at; at = this.#held.get(at)?.capability.parentId) {
      if (at === ancestor) return true;
    }
    return false;
  }
}

/** Who asked may have lost what they asked with since: what stands before this among the writes is done. */
function checkStill({ grant }: Author): void {
  const refusal = grant?.invalid();
  if (refusal) throw new RefusedError(refusal);
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

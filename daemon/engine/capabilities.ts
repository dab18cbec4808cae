// Capabilities (PROTOCOL.md 6): who holds how much. All of them are in memory as they are on disk; what is revoked is so from
// the moment on that the revocation has its place among the writes, for everything behind it.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Capability } from '../../protocol/capability.ts';
import type { Refusal } from '../../protocol/errors.ts';
import { isRefusal, RefusedError, refuse } from '../../protocol/errors.ts';
import type { Asked, InvalidReason, Scope } from '../core/capability.ts';
import { holds, invalidReason, narrow } from '../core/capability.ts';
import type { AuditEntry, AuditRows } from '../store/audit-rows.ts';
import type { CapabilityRow, CapabilityRows } from '../store/capability-rows.ts';
import { scopeText } from '../store/capability-rows.ts';
import type { AuditRule } from './capability-audit.ts';
import { CapabilityAudit } from './capability-audit.ts';
import type { CapabilityLimits } from './capability-tree.ts';
import { CapabilityTree, defaultCapabilityLimits } from './capability-tree.ts';
import type { Grant } from './grant.ts';
import { unauthorized } from './grant.ts';
import type { Author } from './op-applier.ts';
import type { Runtime } from './runtime.ts';
import type { OnRollback, Writer } from './writer.ts';

export type CapabilitiesDeps = {
  rows: CapabilityRows;
  audit: AuditRows;
  auditRule: AuditRule;
  /** Told of those that are over, or must be redeemed again, when that has happened. */
  onEnded(ids: ReadonlySet<string>): void;
  writer: Pick<Writer, 'write'>;
  runtime: Pick<Runtime, 'now' | 'monotonic' | 'newId'>;
  limits?: Partial<CapabilityLimits>;
};

export type Made = { capability: Capability; token: string };

/** How often one may be made out of another, one behind the other. */
const maxDepth = 16;
/** The hash of nothing that was given. */
const none = Buffer.alloc(32);

/** What nobody gave: all of it. */
const owner: Scope = { rights: ['read', 'append', 'answer', 'share', 'admin'], sessions: '*', expiresAt: null };

export class Capabilities {
  readonly #deps: CapabilitiesDeps;
  readonly #tree: CapabilityTree;
  readonly #audit: CapabilityAudit;
  /** Until when (ms since the epoch) it was told whose time was over. */
  #toldUntil: number;

  constructor(deps: CapabilitiesDeps) {
    this.#deps = deps;
    const { audit, auditRule, writer, runtime } = deps;
    this.#audit = new CapabilityAudit({ rows: audit, rule: auditRule, writer, runtime });
    this.#tree = new CapabilityTree({ ...defaultCapabilityLimits, ...deps.limits });
    this.#toldUntil = runtime.now();
    for (const row of deps.rows.all()) this.#tree.add(row);
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
    const held = this.#tree.find(id)!;
    if (!held.cookie?.equals(cookie)) await this.#deps.writer.write(() => this.#deps.rows.setCookie(id, cookie));
    held.cookie = cookie;
    return `${id}.${epoch}.${secret}`;
  }

  /** What the cookie stands for now. Throws Unauthorized. */
  redeemCookie(text: string): Grant {
    const [id = '', epoch = '', secret = '', ...rest] = text.split('.');
    const held = this.#tree.find(id);
    const isIt = timingSafeEqual(hashOf(`${epoch}.${secret}`), held?.cookie ?? none);
    if (!held || !isIt || rest.length > 0) throw new RefusedError(unauthorized('unknown'));
    return this.#grantOf(held, Number(epoch));
  }

  /** What is held by a capability that is known here, for what acts on behalf of others. Throws Unauthorized. */
  actWith(id: string): Grant {
    const held = this.#tree.find(id);
    if (!held) throw new RefusedError(unauthorized('unknown'));
    return this.#grantOf(held, held.capability.epoch);
  }

  isKnown(id: string): boolean {
    return this.#tree.find(id) !== undefined;
  }

  /** Notes what was refused to who showed a token; of one that is none there is nothing to note it of. */
  async refused(by: Author, method: string, token: string, { refused }: Refusal): Promise<void> {
    const held = this.#find(token);
    if (held) await this.#audit.refused(by, method, held.capability.id, refused);
  }

  /** Notes that it is acted with from now on, and by whom. */
  async begin(by: Author, { capability: { id } }: Grant): Promise<void> {
    const { rows, writer, runtime } = this.#deps;
    await writer.write((onRollback) => {
      const capability = this.#tree.find(id)?.capability;
      // It was over, and is forgotten since.
      if (!capability) throw new RefusedError(unauthorized('unknown'));
      const { lastUsedAt } = capability;
      onRollback(() => Object.assign(capability, { lastUsedAt }));
      capability.lastUsedAt = runtime.now();
      rows.update(capability);
      this.#audit.note(by, 'capability/redeem', id);
    });
  }

  /** Keeps what was asked for with the author's capability, and how it ended. Resolves when that is on disk. */
  audit(by: Author, entry: Pick<AuditEntry, 'method' | 'sessionId' | 'outcome'>): Promise<void> {
    return this.#audit.add(by, entry);
  }

  /** What is kept of those that the caller may know of, the newest first. Throws NotFound. */
  readAudit(by: Grant | undefined, id: string | undefined, limit: number, before: number | undefined) {
    if (id !== undefined) this.#known(by, id);
    const ids =
      id === undefined ? by && this.#tree.under(by.capability.id).map(({ capability }) => capability.id) : [id];
    return this.#audit.read(ids, limit, before);
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
    const { capability: target } = this.#known(by.grant, id);
    // What was revoked stays as it is, with all that came of it.
    const living = () => this.#tree.under(id, ({ capability }) => capability.revokedAt === null);
    const work = (onRollback: OnRollback) => {
      checkStill(by);
      this.#known(by.grant, id);
      // Not before: what is made out of them meanwhile is among the descendants too.
      const changed = living().map(({ capability }) => capability);
      const now = runtime.now();
      for (const capability of changed) {
        const { epoch } = capability;
        onRollback(() => Object.assign(capability, { epoch, revokedAt: null }));
        if (mode === 'bumpEpoch') capability.epoch += 1;
        else capability.revokedAt = now;
        rows.update(capability);
      }
      this.#audit.note(by, 'capability/revoke', id);
      return new Set(changed.map((each) => each.id));
    };
    this.#deps.onEnded(await writer.write(work, () => 1 + living().length));
    return target;
  }

  /** Tells of those whose time has come by `now` (ms since the epoch). A tick of the sweep. */
  expire(now: number): void {
    const since = this.#toldUntil;
    this.#toldUntil = now;
    const all = [...this.#tree.all()].map(({ capability }) => capability);
    const ended = all.filter(({ expiresAt }) => expiresAt !== null && expiresAt > since && expiresAt <= now);
    if (ended.length > 0) this.#deps.onEnded(new Set(ended.map(({ id }) => id)));
  }

  /**
   * Forgets what is too old or too much, in transactions of `count` rows each: audits, and capabilities that are over for as
   * long. Ends when the signal fires.
   */
  async prune(count: number, signal: AbortSignal): Promise<void> {
    const { writer, runtime, auditRule } = this.#deps;
    const over = this.#tree.overBefore(runtime.now() - auditRule.maxAgeMs, this.#endOf);
    while (over.length > 0) {
      const some = over.splice(0, count);
      await writer.write(
        (onRollback) => {
          for (const row of some) if (!this.#tree.hasChildren(row.capability.id)) this.#forget(row, onRollback);
        },
        () => count,
      );
    }
    const ids = [...this.#tree.all()].map(({ capability }) => capability.id);
    await this.#audit.prune(ids, count, signal);
  }

  /** Whether what acts as `principal` never acts again: it was taken back, or is forgotten since. */
  isGone(principal: string): boolean {
    const held = this.#tree.find(principal);
    return held ? held.capability.revokedAt !== null : principal.startsWith('cap_');
  }

  /** Whether a capability is another, or came of it. */
  isUnder(id: string, ancestor: string): boolean {
    return this.#tree.isUnder(id, ancestor);
  }

  /** Whether nobody can act with a capability now: it was taken back, its time is over, or it is forgotten since. */
  isOver(id: string): boolean {
    return this.#reasonOf(id) !== undefined;
  }

  /** Of what acts as `principal`, what the owner gave of which it came; itself where that is not known. */
  rootOf(principal: string): string {
    return this.#tree.rootOf(principal);
  }

  /** Those that the caller may know of, the oldest first: theirs, and what came of it. The owner knows of all. */
  list(by: Grant | undefined): Capability[] {
    return [...(by ? this.#tree.under(by.capability.id) : this.#tree.all())]
      .map(({ capability }) => capability)
      .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  }

  #grantOf({ capability }: CapabilityRow, epoch: number): Grant {
    const grant: Grant = {
      capability,
      epoch,
      invalid: () => {
        const reason = invalidReason(capability, epoch, this.#deps.runtime.now());
        if (reason) return unauthorized(reason);
        // It was over, and whatever the clock says since, it is forgotten.
        return this.#tree.find(capability.id) ? undefined : unauthorized('unknown');
      },
    };
    const refusal = grant.invalid();
    if (refusal) throw new RefusedError(refusal);
    return grant;
  }

  #find(token: string): CapabilityRow | undefined {
    const [id = '', secret = '', ...rest] = token.split('.');
    const held = this.#tree.find(id);
    // Compared also where there is none of that id, so that the time tells nothing.
    const isIt = timingSafeEqual(hashOf(secret), held?.hash ?? none);
    return isIt && rest.length === 0 ? held : undefined;
  }

  #known(by: Grant | undefined, id: string): CapabilityRow {
    const held = this.#tree.find(id);
    if (held && (by === undefined || this.#tree.isUnder(id, by.capability.id))) return held;
    throw new RefusedError(refuse('NotFound', `there is no capability ${id}`, { what: 'capability', id }));
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
    if (parentId !== null && this.#tree.depthOf(parentId) >= maxDepth) {
      const data = { limit: maxDepth, what: 'capabilities made out of one another' };
      throw new RefusedError(
        refuse('LimitExceeded', 'it was made out of others too often: ask for one from further up', data),
      );
    }
    const secret = randomBytes(32).toString('base64url');
    const now = runtime.now();
    const life = { epoch: 1, revokedAt: null, createdAt: now, lastUsedAt: null };
    const capability: Capability = { id: runtime.newId('cap'), parentId, label, ...scope, ...life };
    const row = { capability, hash: hashOf(secret), cookie: null, scopeUnits: scopeText(capability).length };
    await writer.write((onRollback) => {
      // Attenuating asks for nothing but the token.
      if (method === 'capability/grant') checkStill(by);
      // Its parent may have been revoked since it was looked at.
      const reason = parentId === null ? undefined : this.#reasonOf(parentId);
      if (reason) throw new RefusedError(unauthorized(reason));
      // Not before: all that came in one turn of the loop would pass.
      this.#tree.makeRoom(row, now, this.#endOf, (over) => this.#forget(over, onRollback));
      onRollback(() => this.#tree.delete(row));
      this.#tree.add(row);
      rows.add(row);
      this.#audit.note(by, method, capability.id);
    });
    return { capability, token: `${capability.id}.${secret}` };
  }

  /** Inside a transaction. */
  #forget(row: CapabilityRow, onRollback: OnRollback): void {
    const { id } = row.capability;
    if (this.#tree.find(id) !== row) return;
    onRollback(() => this.#tree.add(row));
    this.#tree.delete(row);
    this.#deps.rows.drop(id);
  }

  /** Since when one is over and who acts with it was told of it, ms; Infinity where it is not so. */
  readonly #endOf = ({ revokedAt, expiresAt }: Capability): number => {
    const isOver = expiresAt !== null && expiresAt <= this.#toldUntil;
    return Math.min(revokedAt ?? Number.POSITIVE_INFINITY, isOver ? expiresAt : Number.POSITIVE_INFINITY);
  };

  #reasonOf(id: string): InvalidReason | 'unknown' | undefined {
    const held = this.#tree.find(id);
    if (!held) return 'unknown';
    return invalidReason(held.capability, held.capability.epoch, this.#deps.runtime.now());
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

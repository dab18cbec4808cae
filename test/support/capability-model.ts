// What capabilities allow, told once more and otherwise (PROTOCOL.md 6): the oracle of the fuzz. It knows the tree and the
// rules, and nothing of the daemon's code.
import type { MethodName } from '../../protocol/methods.ts';

export type ModelScope = {
  rights: string[];
  sessions: '*' | string[];
  ops?: string[] | undefined;
  expiresAt: number | null;
};

type Held = ModelScope & { parent: string | null; epoch: number; isRevoked: boolean };

/** A connection: what it redeemed last, and of which epoch that was; undefined: the owner. */
export type Holding = { id: string; epoch: number } | undefined;

export type Verdict = 'allowed' | 'Forbidden' | 'NotFound' | 'revoked' | 'expired' | 'staleEpoch';

const appending: MethodName[] = [
  ...(['session/create', 'session/update', 'session/delete', 'turn/start', 'turn/heartbeat', 'turn/finish'] as const),
  ...(['message/put', 'message/remove', 'part/put', 'part/delta', 'part/remove', 'blocker/ask'] as const),
  ...(['artifact/put', 'artifact/remove'] as const),
];
const answering: MethodName[] = ['blocker/answer', 'blocker/reject'];
const making: MethodName[] = ['session/create', 'session/fork', 'session/import'];
const open: MethodName[] = ['initialize', 'ping', 'rpc.discover', 'capability/redeem', 'capability/attenuate'];
const sharing: MethodName[] = ['capability/grant', 'capability/revoke', 'capability/list', 'capability/audit'];
const administering: MethodName[] = [
  'source/add',
  'source/remove',
  'source/rescan',
  'store/backup',
  'store/check',
  'store/compact',
  'daemon/shutdown',
];

export class CapabilityModel {
  readonly #held = new Map<string, Held>();
  now: number;

  constructor(now: number) {
    this.now = now;
  }

  get ids(): string[] {
    return [...this.#held.keys()];
  }

  scopeOf(id: string): ModelScope {
    return this.#held.get(id)!;
  }

  epochOf(id: string): number {
    return this.#held.get(id)!.epoch;
  }

  add(id: string, parent: string | null, scope: ModelScope): void {
    this.#held.set(id, { ...scope, parent, epoch: 1, isRevoked: false });
  }

  revoke(id: string, mode: 'revoke' | 'bumpEpoch'): void {
    for (const [each, held] of this.#held) {
      if (!this.isBelow(each, id)) continue;
      if (mode === 'revoke') held.isRevoked = true;
      else held.epoch += 1;
    }
  }

  isBelow(id: string, ancestor: string): boolean {
    const { parent } = this.#held.get(id)!;
    return id === ancestor || (parent !== null && this.isBelow(parent, ancestor));
  }

  /** Why it is not valid, for who redeemed it at `epoch`. */
  invalid(id: string, epoch = this.epochOf(id)): Exclude<Verdict, 'allowed' | 'Forbidden' | 'NotFound'> | undefined {
    const held = this.#held.get(id)!;
    if (held.isRevoked) return 'revoked';
    if (held.expiresAt !== null && held.expiresAt <= this.now) return 'expired';
    return held.epoch === epoch ? undefined : 'staleEpoch';
  }

  sees(holding: Holding, sessionId: string): boolean {
    const sessions = holding ? this.#held.get(holding.id)!.sessions : '*';
    return sessions === '*' || sessions.includes(sessionId);
  }

  /** Of a call that would succeed for the owner. `sessionId`: that it is about. */
  judge(holding: Holding, method: MethodName, sessionId: string | undefined): Verdict {
    if (!holding || open.includes(method)) return 'allowed';
    const held = this.#held.get(holding.id)!;
    const invalid = this.invalid(holding.id, holding.epoch);
    if (invalid) return invalid;
    if (sessionId !== undefined && !this.sees(holding, sessionId)) return 'NotFound';
    const has = (right: string) => held.rights.includes(right);
    const isAll = held.sessions === '*';
    if (making.includes(method) && !isAll) return 'Forbidden';
    if ((method === 'session/fork' || method === 'session/import') && held.ops) return 'Forbidden';
    const isOfOps = (type: string) =>
      !held.ops ||
      held.ops.some((each) => each === type || (each.endsWith('/*') && type.startsWith(each.slice(0, -1))));
    if (appending.includes(method)) return has('append') && isOfOps(method) ? 'allowed' : 'Forbidden';
    if (answering.includes(method)) return has('answer') && isOfOps(method) ? 'allowed' : 'Forbidden';
    if (method === 'ops/append' || making.includes(method)) return has('append') ? 'allowed' : 'Forbidden';
    if (sharing.includes(method)) return has('share') || has('admin') ? 'allowed' : 'Forbidden';
    if (administering.includes(method)) return has('admin') && isAll ? 'allowed' : 'Forbidden';
    return has('read') ? 'allowed' : 'Forbidden';
  }

  /** Whether `asked` is within what the caller may hand out: the owner, and who administers all, anything. */
  mayGrant(holding: Holding, asked: ModelScope): boolean {
    if (!holding) return true;
    const held = this.#held.get(holding.id)!;
    if (held.rights.includes('admin') && held.sessions === '*') return this.#isSooner(held, asked);
    return this.isWithin(holding.id, asked);
  }

  isWithin(id: string, asked: ModelScope): boolean {
    const held = this.#held.get(id)!;
    const { sessions } = held;
    const isRight = (right: string) =>
      held.rights.includes(right) || (right === 'share' && held.rights.includes('admin'));
    const isPattern = (pattern: string) =>
      !held.ops ||
      held.ops.some((each) => each === pattern || (each.endsWith('/*') && pattern.startsWith(each.slice(0, -1))));
    return (
      asked.rights.every(isRight) &&
      (sessions === '*' || (asked.sessions !== '*' && asked.sessions.every((each) => sessions.includes(each)))) &&
      (asked.ops ? asked.ops.every(isPattern) : held.ops === undefined) &&
      this.#isSooner(held, asked)
    );
  }

  #isSooner(held: ModelScope, asked: ModelScope): boolean {
    return held.expiresAt === null || (asked.expiresAt !== null && asked.expiresAt <= held.expiresAt);
  }
}

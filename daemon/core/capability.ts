// What a capability allows (PROTOCOL.md 6), and that one made out of another allows only ever less. Pure: the state of a row
// at a time, and scopes.
import type { Capability, Right } from '../../protocol/capability.ts';
import type { Refusal } from '../../protocol/errors.ts';
import { refuse } from '../../protocol/errors.ts';

/** How much somebody may do: what, in which sessions, by which ops, until when (ms since the epoch; null: for ever). */
export type Scope = Pick<Capability, 'rights' | 'sessions' | 'ops' | 'expiresAt'>;

/** What is asked for; what is left out is as in the scope that it is made out of. */
export type Asked = { [K in keyof Scope]?: Scope[K] | undefined };

export type InvalidReason = 'revoked' | 'expired' | 'staleEpoch';

/** Whether `right` is held. Who may administer may share. */
export function holds(scope: Scope, right: Right): boolean {
  return scope.rights.includes(right) || (right === 'share' && scope.rights.includes('admin'));
}

export function sees({ sessions }: Pick<Scope, 'sessions'>, sessionId: string): boolean {
  return sessions === '*' || sessions.includes(sessionId);
}

/** Whether an op of `type` may be appended, rights apart. */
export function allowsOp({ ops }: Pick<Scope, 'ops'>, type: string): boolean {
  return ops === undefined || ops.some((pattern) => covers(pattern, type));
}

/** Whether every type that `pattern` stands for is one that `outer` stands for. */
function covers(outer: string, pattern: string): boolean {
  return outer === pattern || (outer.endsWith('/*') && pattern.startsWith(outer.slice(0, -1)));
}

/**
 * A scope out of `parent`: what is asked for, and for what is not, what the parent has. Refuses what the parent has not:
 * never more, and nobody gets less than they believe to have asked for. A session that the parent does not see is NotFound.
 */
export function narrow(parent: Scope, asked: Asked): Scope | Refusal {
  const { rights = parent.rights, sessions = parent.sessions, ops = parent.ops } = asked;
  const right = rights.find((each) => !holds(parent, each));
  if (right !== undefined) return tooMuch(right, `the right ${right} is not yours to give`);
  if (sessions === '*' && parent.sessions !== '*') return tooMuch('share', 'all sessions are not yours to give');
  const hidden = sessions === '*' ? undefined : sessions.find((id) => !sees(parent, id));
  if (hidden !== undefined) {
    return refuse('NotFound', `there is no session ${hidden}`, { what: 'session', id: hidden });
  }
  const op = ops?.find((pattern) => !allowsOp(parent, pattern));
  if (op !== undefined) return tooMuch('append', `ops of type ${op} are not yours to give`);
  const expiresAt = asked.expiresAt === undefined ? parent.expiresAt : asked.expiresAt;
  if (parent.expiresAt !== null && (expiresAt === null || expiresAt > parent.expiresAt)) {
    return tooMuch('share', 'it would hold for longer than what it is made out of: give an earlier expiresAt');
  }
  return {
    rights: [...new Set(rights)],
    sessions: unique(sessions),
    ...(ops && { ops: [...new Set(ops)] }),
    expiresAt,
  };
}

/** Why a capability cannot be acted with at `now` by who redeemed it at `epoch`; undefined when it can. */
export function invalidReason(
  { revokedAt, expiresAt, epoch: current }: Pick<Capability, 'revokedAt' | 'expiresAt' | 'epoch'>,
  epoch: number,
  now: number,
): InvalidReason | undefined {
  if (revokedAt !== null) return 'revoked';
  if (expiresAt !== null && expiresAt <= now) return 'expired';
  return epoch === current ? undefined : 'staleEpoch';
}

function unique(sessions: Scope['sessions']): Scope['sessions'] {
  return sessions === '*' ? sessions : [...new Set(sessions)];
}

function tooMuch(right: Right, message: string): Refusal {
  return refuse('Forbidden', message, { right });
}

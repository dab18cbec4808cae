// What a guest may send to the home of a session (PROTOCOL.md 7): judged at the host by what they hold there; what the op means
// is for its home to decide. Pure.
import type { Capability } from '../../protocol/capability.ts';
import type { Refusal } from '../../protocol/errors.ts';
import { refuse, refuseParams } from '../../protocol/errors.ts';
import { methods } from '../../protocol/methods.ts';
import type { Op, OpType } from '../../protocol/schema.ts';
import { allowsOp, holds, sees } from './capability.ts';
import { sessionIdOf } from './decide.ts';
import { recordsOf } from './hidden-records.ts';
import type { Records } from './records.ts';

/** They make and end sessions, which is the home's; a lease is renewed by who is there. */
const homeAlone: ReadonlySet<OpType> = new Set(['session/create', 'session/delete', 'turn/heartbeat']);

/** The session that the op is for, or why it is not kept. `capability`: undefined for the owner. */
export function judgeGuestOp(
  op: Op,
  records: Records,
  isReplica: (sessionId: string) => boolean,
  capability: Readonly<Capability> | undefined,
): { sessionId: string } | Refusal {
  const { right } = methods[op.type];
  if (homeAlone.has(op.type)) {
    return refuse('Forbidden', `${op.type} is for the home of a session alone`, { right });
  }
  const shown = capability ? recordsOf(records, (id) => sees(capability, id)) : records;
  const sessionId = sessionIdOf(shown, op);
  if (sessionId === undefined || !shown.findSession(sessionId)) return notFound(op, sessionId);
  if (capability && !(holds(capability, right) && allowsOp(capability, op.type))) {
    return refuse('Forbidden', `the capability does not allow ${op.type} in ${sessionId}`, { right, sessionId });
  }
  if (!isReplica(sessionId)) {
    return refuseParams(`the home of session ${sessionId} is here: send it with ops/append`, { member: 'sessionId' });
  }
  return { sessionId };
}

function notFound({ params }: Op, sessionId: string | undefined): Refusal {
  const [what, id] = sessionId === undefined && 'turnId' in params ? ['turn', params.turnId] : ['session', sessionId];
  return refuse('NotFound', `there is no ${what} ${id}`, { what: what!, id: id ?? '' });
}

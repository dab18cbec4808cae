// The op types of the protocol, and the right that each needs: a copy, so that no zod is loaded; a test holds it to the method
// table.
import type { Right } from '../protocol/capability.ts';
import type { OpType } from '../protocol/schema.ts';

export const rightOfOp: Record<OpType, Right> = {
  'session/create': 'append',
  'session/update': 'append',
  'session/delete': 'append',
  'turn/start': 'append',
  'turn/heartbeat': 'append',
  'turn/finish': 'append',
  'message/put': 'append',
  'message/remove': 'append',
  'part/put': 'append',
  'part/delta': 'append',
  'part/remove': 'append',
  'blocker/ask': 'append',
  'blocker/answer': 'answer',
  'blocker/reject': 'answer',
  'artifact/put': 'append',
  'artifact/remove': 'append',
};

export const opTypes = Object.keys(rightOfOp) as OpType[];

/** `part/*` and its like. */
export const opFamilies = [...new Set(opTypes.map((type) => type.replace(/[^/]*$/, '*')))];

/** Whether one of these types and families needs one of these rights. */
export function needsOneOf(ops: string[], rights: Right[]): boolean {
  const isMeant = (type: string) =>
    ops.some((op) => op === type || (op.endsWith('/*') && type.startsWith(op.slice(0, -1))));
  return opTypes.some((type) => isMeant(type) && rights.includes(rightOfOp[type]));
}

// The life of a turn as a table (PROTOCOL.md 3), and what may be added to it.
import { isOpenTurn } from '../../protocol/derive.ts';
import type { Refusal } from '../../protocol/errors.ts';
import { refuse } from '../../protocol/errors.ts';
import type { Message, Part, Turn } from '../../protocol/schema.ts';
import type { Records } from './records.ts';

export type TurnState = Turn['state'];

/** Where each state may go. A state that goes nowhere is an end. */
export const turnTransitions: Record<TurnState, readonly TurnState[]> = {
  created: ['streaming', 'completed', 'failed', 'aborted'],
  streaming: ['completed', 'failed', 'aborted'],
  completed: [],
  failed: [],
  aborted: [],
};

/** The turn, or the refusal of one that is not there. */
export function turnOf(records: Records, id: string): Turn | Refusal {
  return records.findTurn(id) ?? refuse('NotFound', `there is no turn ${id}`, { what: 'turn', id });
}

/** Refuses a move that the table does not have. */
export function moveTo(turn: Turn, to: TurnState): Refusal | undefined {
  if (turnTransitions[turn.state].includes(to)) return undefined;
  const message = `turn ${turn.id} is ${turn.state}: it cannot become ${to}`;
  return refuse('InvalidTransition', message, { from: turn.state, to });
}

/** Refuses what would be added to a turn that has ended. */
export function addTo(turn: Turn): Refusal | undefined {
  if (isOpenTurn(turn)) return undefined;
  const message = `turn ${turn.id} has ended (${turn.state}): nothing can be added to it; start a new one`;
  return refuse('InvalidTransition', message, { from: turn.state, to: 'streaming' });
}

/** The turn that a message belongs to, if any. */
export function turnOfMessage(records: Records, message: Pick<Message, 'turnId'>): Turn | undefined {
  return message.turnId === null ? undefined : records.findTurn(message.turnId);
}

/** Whether a tool's part says that it is still at work, which nothing in an ended turn is. */
export function isAtWork(part: Pick<Part, 'type'>): boolean {
  return part.type === 'tool' && ['pending', 'running'].includes((part as Part & { type: 'tool' }).state);
}

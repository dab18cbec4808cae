// Which sessions are replicas: read-only here but for what their home sends (PROTOCOL.md 7). Held in memory, as it is on disk,
// since every op asks.
import type { Refusal } from '../../protocol/errors.ts';
import { refuse } from '../../protocol/errors.ts';
import { methods } from '../../protocol/methods.ts';
import type { Op, OpType } from '../../protocol/schema.ts';
import { sessionIdOf } from '../core/decide.ts';
import type { Records } from '../core/records.ts';
import type { ReplicaRows } from '../store/replica-rows.ts';
import type { Author } from './op-applier.ts';
import type { OnRollback } from './writer.ts';

export class ReplicaSet {
  readonly #rows: ReplicaRows;
  readonly #ids: Set<string>;

  constructor(rows: ReplicaRows) {
    this.#rows = rows;
    this.#ids = new Set(rows.sessions());
  }

  has(sessionId: string): boolean {
    return this.#ids.has(sessionId);
  }

  /** Inside the transaction that brings it. */
  add(sessionId: string, onRollback: OnRollback): void {
    if (this.#ids.has(sessionId)) return;
    this.#ids.add(sessionId);
    onRollback(() => this.#ids.delete(sessionId));
  }

  /** Why an op is not applied here. What names no session that is there is refused by the op's own rules. */
  refuses({ principal }: Author, op: Pick<Op, 'type' | 'params'>, records: Records): Refusal | undefined {
    if (this.#ids.size === 0 || op.type === 'session/create') return undefined;
    // Who owns the store may throw away what is in it.
    if (op.type === 'session/delete' && principal === 'owner') return undefined;
    const sessionId = sessionIdOf(records, op);
    if (sessionId === undefined || !this.#ids.has(sessionId) || !records.findSession(sessionId)) return undefined;
    return isReplica(sessionId, op.type);
  }

  /** Inside a transaction: the session was deleted here, and nothing of its home brings it back. */
  discard(sessionId: string): void {
    if (this.#ids.has(sessionId)) this.#rows.discard(sessionId);
  }
}

export function isReplica(sessionId: string, type: OpType): Refusal {
  const message = `session ${sessionId} is a replica: its home is another store; send it with guest/append`;
  return refuse('Forbidden', message, { right: methods[type].right, sessionId });
}

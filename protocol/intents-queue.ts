// The ops that wait, in their order, and what is known of them without the daemon: which is the same, and which depends on which.
import { OpIdTakenError } from './intents-back.ts';
import type { Intent } from './intents-store.ts';
import type { Op } from './schema.ts';

export type Waiting<A> = Intent & {
  bytes: number;
  /** By the store: before that it is not sent. */
  isKept: boolean;
  acknowledged: Promise<A>;
  resolve(acknowledged: A): void;
  reject(error: unknown): void;
};

const maxDependsOn = 1_000;

export class IntentsQueue<A> {
  /** By `n`, which is their order. */
  readonly #all = new Map<number, Waiting<A>>();
  readonly #byOpId = new Map<string, Waiting<A>>();
  /** Sessions whose creation waits: session id -> op id. */
  readonly #creating = new Map<string, string>();
  #bytes = 0;

  get size(): number {
    return this.#all.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(n: number): Waiting<A> | undefined {
    return this.#all.get(n);
  }

  [Symbol.iterator](): IterableIterator<Waiting<A>> {
    return this.#all.values();
  }

  /** The one that waits under this id. Throws OpIdTakenError where it is another op: the daemon would refuse one of the two. */
  same(op: Op): Waiting<A> | undefined {
    const waiting = this.#byOpId.get(op.opId);
    if (waiting && contentOf(waiting.op) !== contentOf(op)) throw new OpIdTakenError(op.opId);
    return waiting;
  }

  add(intent: Intent, isKept: boolean): Waiting<A> {
    let resolve!: (acknowledged: A) => void;
    let reject!: (error: unknown) => void;
    const acknowledged = new Promise<A>((done, fail) => {
      [resolve, reject] = [done, fail];
    });
    acknowledged.catch(() => {}); // nobody may be waiting for it
    const waiting = { ...intent, bytes: sizeOf(intent.op), isKept, acknowledged, resolve, reject };
    const { opId } = intent.op;
    this.#all.set(intent.n, waiting);
    this.#byOpId.set(opId, waiting);
    this.#bytes += waiting.bytes;
    const created = createdBy(intent.op);
    if (created !== undefined) this.#creating.set(created, opId);
    return waiting;
  }

  remove({ n, op, bytes }: Waiting<A>): void {
    if (!this.#all.delete(n)) return;
    this.#byOpId.delete(op.opId);
    this.#bytes -= bytes;
    const created = createdBy(op);
    if (created !== undefined && this.#creating.get(created) === op.opId) this.#creating.delete(created);
  }

  /** The op, which says that it depends on the creation of its session where that waits: it is refused with it then. */
  depending(op: Op): Op {
    const { sessionId } = op.params as { sessionId?: string };
    const creation = sessionId === undefined ? undefined : this.#creating.get(sessionId);
    const { dependsOn = [] } = op;
    if (creation === undefined || dependsOn.includes(creation) || dependsOn.length >= maxDependsOn) return op;
    return { ...op, dependsOn: [...dependsOn, creation] };
  }
}

function createdBy(op: Op): string | undefined {
  return op.type === 'session/create' ? op.params.sessionId : undefined;
}

/** Bytes of its JSON. */
export function sizeOf(op: Op): number {
  return new TextEncoder().encode(JSON.stringify(op)).length;
}

/** What makes two ops with the same id the same one (PROTOCOL.md 3). */
function contentOf({ type, params }: Op): string {
  return JSON.stringify([type, params]);
}

// The puts of one read, in file order. A key that is put twice in a read is one op, where it first stood, with the last
// content: so a record that is in the file in two versions makes no new events when the file is read again.
import type { PartContent } from '../../../protocol/schema.ts';
import type { Held, SourceOp } from '../adapter.ts';
import { derivedMessageId, derivedPartId, derivedSessionId } from '../ids.ts';

/**
 * When something happened: `known` from this line or one before it, `occurred` from the file's mtime where none is. Only
 * `known` may stand in a record: an mtime changes between reads.
 */
export type Time = { known: number | undefined; occurred: number };

export class Puts {
  readonly ops: SourceOp[] = [];
  readonly #agent: string;
  #sessionKey: string;
  #sessionId: string;
  readonly #held: Held;
  readonly #indexOf = new Map<string, number>();
  /** Whose id was asked for last: it mostly is again. */
  #message: { key: string; id: string } | undefined;

  constructor(agent: string, sessionKey: string, held: Held) {
    this.#agent = agent;
    this.#sessionKey = sessionKey;
    this.#sessionId = derivedSessionId(agent, sessionKey);
    this.#held = held;
  }

  get sessionKey(): string {
    return this.#sessionKey;
  }

  get sessionId(): string {
    return this.#sessionId;
  }

  /** The content tells which session this is. Whether that is in time: what was put before is of the other one. */
  moveTo(sessionKey: string): boolean {
    if (this.ops.length > 0) return sessionKey === this.#sessionKey;
    this.#sessionKey = sessionKey;
    this.#sessionId = derivedSessionId(this.#agent, sessionKey);
    this.#message = undefined;
    return true;
  }

  messageId(key: string): string {
    if (this.#message?.key !== key) this.#message = { key, id: derivedMessageId(this.#agent, this.#sessionKey, key) };
    return this.#message.id;
  }

  partId(key: string): string {
    return derivedPartId(this.#agent, this.#sessionKey, key);
  }

  /** The part as it was held before this read. */
  findPart(key: string) {
    return this.#held.findPart(this.partId(key));
  }

  /** The part that this key last put, in this read or before. */
  findPut(key: string): PartContent | undefined {
    const op = this.ops[this.#indexOf.get(key) ?? -1];
    if (op?.type === 'part/put') return op.params.part;
    return this.has(key) ? this.findPart(key) : undefined;
  }

  /** Whether this key was put, in this read or before. */
  has(key: string): boolean {
    return this.#indexOf.has(key) || this.#held.hasKey(key, this.#sessionKey);
  }

  /** Adds the op, in place of `instead` or of an earlier one with its key when there is one in this read. */
  put(op: SourceOp, instead?: string): void {
    const index = this.#indexOf.get(op.key) ?? (instead === undefined ? undefined : this.#indexOf.get(instead));
    if (instead !== undefined) this.#indexOf.delete(instead);
    this.#indexOf.set(op.key, index ?? this.ops.length);
    if (index === undefined) this.ops.push(op);
    else this.ops[index] = op;
  }

  /**
   * A part of the given message. One that was put before stays in the message it is in, which may be another: for
   * a line attached to whichever message came last, after a rewrite of the file or when it is there twice.
   */
  putPart(key: string, messageId: string, part: PartContent, at: Time): void {
    const partId = this.partId(key);
    const index = this.#indexOf.get(key);
    const earlier = index === undefined ? undefined : this.ops[index];
    let home = messageId;
    if (earlier?.type === 'part/put') home = earlier.params.messageId;
    else if (this.#held.hasKey(key, this.#sessionKey)) home = this.#held.findPart(partId)?.messageId ?? messageId;
    const params = { sessionId: this.sessionId, messageId: home, partId, part };
    this.put({ key, type: 'part/put', params, occurredAt: at.occurred });
  }
}

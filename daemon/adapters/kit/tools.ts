// Tool calls joined with their results by call id. When both are in one read there is one put, under the result's key; a
// call whose result is not there yet is put as running, unless its result is held (the file is being read again).
// So the same keys end with the same contents however the file is split into reads.
import type { PartContent } from '../../../protocol/schema.ts';
import type { Puts, Time } from './puts.ts';

export type ToolContent = Extract<PartContent, { type: 'tool' }>;
type Call = { messageId: string; partId: string; content: ToolContent };

export class Tools {
  readonly #puts: Puts;
  readonly #calls = new Map<string, Call>();

  constructor(puts: Puts) {
    this.#puts = puts;
  }

  /**
   * A call, as it is before its result. `key` is that of its place in the file, for a call without an id of its own:
   * then `content.callId` must be that key.
   */
  call(content: ToolContent, key: string, messageId: string, at: Time): void {
    const { callId } = content;
    const known = this.find(callId);
    if (callId === key || (known && known.messageId !== messageId)) {
      // Without an id, or with that of a call in another message: it cannot be told which result is its own.
      this.#puts.putPart(key, messageId, content, at);
      return;
    }
    const call = { messageId, partId: this.#puts.partId(callKey(callId)), content };
    this.#calls.set(callId, call);
    if (!this.#puts.has(resultKey(callId))) this.#put(callKey(callId), call, content, at);
  }

  /**
   * A result: what it makes of its call. The message of the call, or undefined when there is no such call: then it is to be
   * kept as data under `key`. One that was so kept stays so: its call, which stands behind it, is held when the file is
   * read again, and nothing may change by that.
   */
  result(callId: string, complete: (call: ToolContent) => ToolContent, at: Time, key: string): string | undefined {
    const call = this.#puts.findPut(key)?.type === 'data' ? undefined : this.find(callId);
    if (call === undefined) return undefined;
    this.#put(resultKey(callId), call, complete(call.content), at, callKey(callId));
    return call.messageId;
  }

  /** The call with this id, of this read or as held. */
  find(callId: string): Call | undefined {
    const call = this.#calls.get(callId);
    if (call || !(this.#puts.has(callKey(callId)) || this.#puts.has(resultKey(callId)))) return call;
    const part = this.#puts.findPart(callKey(callId));
    if (part?.type !== 'tool') return undefined;
    const found = { messageId: part.messageId, partId: part.id, content: part };
    this.#calls.set(callId, found);
    return found;
  }

  #put(key: string, call: Call, part: PartContent, at: Time, instead?: string): void {
    const { messageId, partId } = call;
    const params = { sessionId: this.#puts.sessionId, messageId, partId, part };
    this.#puts.put({ key, type: 'part/put', params, occurredAt: at.occurred }, instead);
  }
}

const callKey = (id: string) => `tool:${id}`;
const resultKey = (id: string) => `result:${id}`;

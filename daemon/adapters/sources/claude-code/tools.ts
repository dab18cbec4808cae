// Tool calls joined with their results by call id. When both are in one read there is one put, under the result's key; a
// call whose result is not there yet is put as running, unless its result is held (the file is being read again).
// So the same keys end with the same contents however the file is split into reads.
import type { PartContent } from '../../../../protocol/schema.ts';
import type { Held } from '../../adapter.ts';
import { derivedPartId } from '../../ids.ts';
import { completedOf, type ToolContent, toolOf } from './blocks.ts';
import type { Fields } from './line.ts';
import { agent, type Puts, type Time } from './puts.ts';

type Call = { messageId: string; content: ToolContent };

export class Tools {
  readonly #puts: Puts;
  readonly #held: Held;
  readonly #sessionKey: string;
  readonly #calls = new Map<string, Call>();

  constructor(puts: Puts, sessionKey: string, held: Held) {
    this.#puts = puts;
    this.#sessionKey = sessionKey;
    this.#held = held;
  }

  /** A tool_use block. `key` is that of its place in the file, for a call without an id of its own. */
  call(block: Fields, key: string, messageId: string, at: Time): void {
    const { id } = block;
    const callId = typeof id === 'string' && id !== '' ? id : key;
    const content = toolOf(block, callId, at.known);
    const known = this.#find(callId);
    if (callId !== id || (known && known.messageId !== messageId)) {
      // Without an id, or with that of a call in another message: it cannot be told which result is its own.
      this.#puts.putPart(key, messageId, content, at);
      return;
    }
    const call = { messageId, content };
    this.#calls.set(callId, call);
    if (!this.#puts.has(resultKey(callId))) this.#put(callKey(callId), call, content, at);
  }

  /** A tool_result block. The message of its call, or undefined when there is no such call. */
  result(block: Fields, at: Time): string | undefined {
    const id = block.tool_use_id;
    const call = typeof id === 'string' ? this.#find(id) : undefined;
    if (call === undefined || typeof id !== 'string') return undefined;
    this.#put(resultKey(id), call, completedOf(call.content, block, at.known), at, callKey(id));
    return call.messageId;
  }

  #find(id: string): Call | undefined {
    const call = this.#calls.get(id);
    if (call || !(this.#held.hasKey(callKey(id)) || this.#held.hasKey(resultKey(id)))) return call;
    const part = this.#held.findPart(this.#partId(id));
    if (part?.type !== 'tool') return undefined;
    const found = { messageId: part.messageId, content: part };
    this.#calls.set(id, found);
    return found;
  }

  #put(key: string, call: Call, part: PartContent, at: Time, instead?: string): void {
    const params = {
      sessionId: this.#puts.sessionId,
      messageId: call.messageId,
      partId: this.#partId(call.content.callId),
      part,
    };
    this.#puts.put({ key, type: 'part/put', params, occurredAt: at.occurred }, instead);
  }

  #partId(id: string): string {
    return derivedPartId(agent, this.#sessionKey, callKey(id));
  }
}

const callKey = (id: string) => `tool:${id}`;
const resultKey = (id: string) => `result:${id}`;

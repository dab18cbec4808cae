// Turns the lines of one read into puts: each line is parsed once and becomes a message, parts, or a `data` part that keeps
// it whole, attached to the latest message before it (or to the first one, for lines that stand before it).
import { hash } from 'node:crypto';
import type { PartContent } from '../../../../protocol/schema.ts';
import type { Held, ReadResult, SourceLine, Transcript } from '../../adapter.ts';
import { derivedMessageId } from '../../ids.ts';
import { contentOf, dataOf } from './blocks.ts';
import { type Fields, findText, findTime, isFields, type Json, parseLine } from './line.ts';
import { type Answer, type Memory, type MessagePut, maxAnswers, maxCounts, recall, rememberIn } from './memory.ts';
import { amend, findModelId, isSynthetic, messageOf } from './message.ts';
import { agent, Puts, type Time } from './puts.ts';
import { SessionOf } from './session.ts';
import { Tools } from './tools.ts';

export function readTranscript(
  transcript: Transcript,
  lines: SourceLine[],
  state: unknown,
  held: Held,
  mustTake: boolean,
): ReadResult {
  const reader = new Reader(transcript, recall(state), held);
  for (const line of lines) reader.take(line.text);
  return reader.end(mustTake, state);
}

class Reader {
  readonly #transcript: Transcript;
  readonly #memory: Memory;
  readonly #puts: Puts;
  readonly #tools: Tools;
  readonly #session: SessionOf;
  readonly #answers: Map<string, Answer>;
  readonly #counts: Map<string, number>;
  /** Parts of lines before the first message. */
  readonly #early: { key: string; part: PartContent; at: Time }[] = [];
  #badRecords = 0;

  constructor(transcript: Transcript, memory: Memory, held: Held) {
    this.#transcript = transcript;
    this.#memory = memory;
    this.#puts = new Puts(transcript.sessionKey, held);
    this.#tools = new Tools(this.#puts, transcript.sessionKey, held);
    this.#session = new SessionOf(transcript, this.#puts, memory);
    this.#answers = new Map(memory.answers);
    this.#counts = new Map(memory.counts);
  }

  take(raw: string): void {
    const line = parseLine(raw);
    if (line === undefined) return;
    if ('unparsed' in line) {
      this.#badRecords += 1;
      this.#attach(`line:${this.#nameByText(line.text)}`, dataOf('unparsed', line.unparsed), this.#time());
    } else this.#takeFields(line.fields, line.text);
  }

  #takeFields(fields: Fields, text: string): void {
    const own = findTime(fields);
    if (own !== undefined) this.#memory.at = own;
    const at = this.#time();
    const name = findText(fields, 'uuid') ?? this.#nameByText(text);
    this.#session.note(fields, own);
    const blocks = findBlocks(fields);
    if (blocks) this.#takeMessage(fields, blocks, name, at);
    else {
      if (fields.type === 'user' || fields.type === 'assistant') this.#badRecords += 1;
      this.#attach(`line:${fields.type}:${name}`, dataOf(fields.type as string, fields), at);
    }
    if (this.#memory.messageId !== null) this.#session.retitle(at);
  }

  end(mustTake: boolean, state: unknown): ReadResult {
    if (this.#memory.messageId === null) {
      if (!mustTake) return { ops: [], state, badRecords: 0, wait: true };
      if (this.#early.length > 0) this.#carry();
    }
    this.#memory.answers = [...this.#answers];
    this.#memory.counts = [...this.#counts];
    this.#session.remember();
    return { ops: this.#puts.ops, state: this.#memory, badRecords: this.#badRecords };
  }

  #takeMessage(line: Fields, blocks: Json[], name: string, at: Time): void {
    const isResults = line.type === 'user' && blocks.length > 0 && blocks.every(isResult);
    // Known damage in the field: lines of several messages, or of several types, with one uuid. None may replace another.
    const id = line.type === 'user' ? `user:${name}` : (findText(line.message as Fields, 'id') ?? name);
    const place = line.type === 'user' ? `part:${id}` : `part:${id}:${name}`;
    const messageId = isResults ? this.#memory.messageId : this.#openMessage(line, id, at);
    const synthetic = line.type === 'user' && isSynthetic(line);
    let resultOf = messageId;
    for (const [index, block] of blocks.entries()) {
      const key = `${place}:${index}`;
      if (isResult(block)) {
        const callOf = this.#tools.result(block, at);
        if (callOf === undefined) this.#attach(key, dataOf('tool_result', block), at);
        resultOf = callOf ?? messageId;
      } else if (isFields(block) && block.type === 'tool_use' && messageId !== null) {
        this.#tools.call(block, key, messageId, at);
      } else this.#attach(key, contentOf(block, synthetic), at, messageId);
    }
    const result = line.toolUseResult;
    if (typeof result === 'object' && result !== null)
      this.#attach(`${place}:toolUseResult`, dataOf('toolUseResult', result), at, resultOf);
  }

  /** Puts the message of this line, or what the line adds to it, and makes it the latest. */
  #openMessage(line: Fields, id: string, at: Time): string {
    const isAnswer = line.type === 'assistant';
    const known = isAnswer ? this.#answers.get(id) : undefined;
    const modelId = isAnswer ? findModelId(line.message as Fields) : undefined;
    const messageId = known?.put.messageId ?? derivedMessageId(agent, this.#transcript.sessionKey, id);
    const isFirst = this.#memory.messageId === null;
    if (isFirst) this.#session.create(modelId, at);
    else if (modelId !== undefined && !known && (line.isSidechain !== true || this.#session.isSubagent))
      this.#session.remodel(modelId, id, at);
    if (isAnswer) this.#answer(line, id, known, messageId, at);
    else this.#put(`msg:${id}`, messageOf(line, 'user', this.#ids(messageId), at.known), at);
    this.#memory.messageId = messageId;
    if (isFirst) this.#attachEarly(at);
    return messageId;
  }

  /**
   * Each version of an answer has its own key, so that all of them are known when the file is read again. The first is left
   * out when the second is here or held.
   */
  #answer(line: Fields, id: string, known: Answer | undefined, messageId: string, at: Time): void {
    if (known === undefined) {
      const put = messageOf(line, 'assistant', this.#ids(messageId), at.known);
      if (!this.#puts.has(versionKey(id, 1))) this.#put(versionKey(id, 0), put, at);
      rememberIn(this.#answers, id, { put, version: 0 }, maxAnswers);
      return;
    }
    const put = amend(known.put, line);
    const version = put === undefined ? known.version : known.version + 1;
    if (put) this.#put(versionKey(id, version), put, at, version === 1 ? versionKey(id, 0) : undefined);
    rememberIn(this.#answers, id, { put: put ?? known.put, version }, maxAnswers);
  }

  /** A message to hold the lines of a file that has none. */
  #carry(): void {
    const at = this.#time();
    const { sessionKey } = this.#transcript;
    const messageId = derivedMessageId(agent, sessionKey, 'carrier');
    this.#session.create(undefined, at);
    const createdAt = at.known === undefined ? {} : { createdAt: at.known };
    this.#put('msg:carrier', { ...this.#ids(messageId), role: 'system', agent: null, ...createdAt }, at);
    this.#memory.messageId = messageId;
    this.#attachEarly(at);
  }

  #attachEarly(at: Time): void {
    for (const { key, part, at: own } of this.#early) this.#attach(key, part, own.known === undefined ? at : own);
    this.#early.length = 0;
  }

  #attach(key: string, part: PartContent, at: Time, messageId = this.#memory.messageId): void {
    if (messageId === null) this.#early.push({ key, part, at });
    else this.#puts.putPart(key, messageId, part, at);
  }

  #ids(messageId: string) {
    return { sessionId: this.#puts.sessionId, messageId };
  }

  #put(key: string, params: MessagePut, at: Time, instead?: string): void {
    this.#puts.put({ key, type: 'message/put', params, occurredAt: at.occurred }, instead);
  }

  /** A name for a line that has no uuid: its hash and how often it was seen in the file so far (see Memory.counts). */
  #nameByText(text: string): string {
    const digest = hash('sha256', text, 'base64url').slice(0, 22);
    const seen = (this.#counts.get(digest) ?? 0) + 1;
    rememberIn(this.#counts, digest, seen, maxCounts);
    return `${digest}#${seen}`;
  }

  #time(): Time {
    const known = this.#memory.at ?? undefined;
    return { known, occurred: known ?? Math.max(0, Math.floor(this.#transcript.mtimeMs)) };
  }
}

const versionKey = (id: string, version: number) => (version === 0 ? `msg:${id}` : `amended:${version}:${id}`);

const isResult = (block: Json): block is Fields => isFields(block) && block.type === 'tool_result';

/** The content of a user or assistant line as blocks; undefined for other lines and those without any. */
function findBlocks(line: Fields): Json[] | undefined {
  if ((line.type !== 'user' && line.type !== 'assistant') || !isFields(line.message)) return undefined;
  const { content } = line.message;
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  return Array.isArray(content) ? content : undefined;
}

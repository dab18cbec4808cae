// Turns the lines of Qwen Code into puts: each line is parsed once and becomes a message, parts, or a `data` part.
import { hash } from 'node:crypto';
import type { Held, Transcript } from '../../adapter.ts';
import { Conversation } from '../../kit/conversation.ts';
import { completedOf, contentOf, displayOf, findCall, findResponse, partsOf, toolOf } from '../../kit/genai.ts';
import { type Fields, findFields, findText, type Json, timeOf } from '../../kit/json.ts';
import { LineReader, readWith } from '../../kit/line-reader.ts';
import { rememberIn, shortId } from '../../kit/remember.ts';
import { restOf } from '../../kit/rest.ts';
import { findTyped, isSynthetic, messageOf, promptOf } from './message.ts';
import { agent, factsOf, findTitle } from './session.ts';
import { follow, rewind, type Trail } from './trail.ts';

/** What a message was told by so far: several lines may have one uuid. `modelled`: one of them told the model. */
type Told = { lines: string[]; modelled: boolean };
/** The latest messages. */
type Memory = { messages: [name: string, told: Told][]; trail: Trail };

const maxMessages = 32;
const maxLines = 16;

class Reader extends LineReader<Memory> {
  readonly #messages: Map<string, Told>;

  constructor(transcript: Transcript, state: unknown, held: Held) {
    super(new Conversation<Memory>(agent, transcript, state, held, { messages: [], trail: [] }));
    this.#messages = new Map(this.conversation.own.messages);
  }

  protected takeRecord(fields: Fields, text: string): boolean {
    return findText(fields, 'type') !== undefined && this.#takeFields(fields, text);
  }

  protected override remember(): void {
    this.conversation.own.messages = [...this.#messages];
  }

  #takeFields(line: Fields, text: string): boolean {
    const conversation = this.conversation;
    const { transcript, hasMessage } = conversation;
    conversation.noteTime(timeOf(line.timestamp));
    if (!hasMessage) conversation.note(factsOf(transcript, line));
    const title = findTitle(line);
    if (title) conversation.noteTitle(...title);
    const { type } = line;
    const message = findFields(line, 'message');
    const parts = message && partsOf(message.parts);
    const isMessage = type === 'user' || type === 'assistant';
    if ((isMessage || type === 'tool_result') && parts === undefined) return false;
    // Known damage: several lines with one uuid, also of several types. None may replace another, each counts once.
    const uuid = findText(line, 'uuid');
    const name = uuid === undefined ? conversation.nameByText(text) : uuid;
    if (line.type === 'system' && line.subtype === 'rewind') this.#rewind(line);
    if (uuid !== undefined) this.#follow(line, uuid, isMessage);
    if (isMessage) this.#takeMessage(line, parts as Json[], `${type}:${name}`, shortHash(text));
    else if (type === 'tool_result') this.#takeResult(line, parts as Json[], `${name}:${shortHash(text)}`);
    else {
      const kind = findText(line, 'subtype') ?? (type as string);
      conversation.data(uuid === undefined ? `line:${name}` : `line:${uuid}:${shortHash(text)}`, kind, line);
    }
    return true;
  }

  #follow(line: Fields, uuid: string, isMessage: boolean): void {
    const { own } = this.conversation;
    const type = line.type as string;
    const message = isMessage ? { name: `${type}:${uuid}`, type, metadata: messageOf(line).metadata as Fields } : null;
    own.trail = follow(own.trail, uuid, message);
  }

  /** What is taken back stays, marked. */
  #rewind(line: Fields): void {
    const { own } = this.conversation;
    const { left, taken } = rewind(own.trail, line);
    own.trail = left;
    for (const { name, type, metadata } of taken) {
      const role = type === 'user' ? 'user' : 'assistant';
      const content = { role, metadata: { ...metadata, rewound: true }, createdAt: undefined } as const;
      this.conversation.putMessage(name, content, `rewound:${name}`);
    }
  }

  #takeMessage(line: Fields, parts: Json[], name: string, digest: string): void {
    const conversation = this.conversation;
    if (line.type === 'user') conversation.noteTitle('prompt', promptOf(line, parts));
    const messageId = this.#openMessage(line, name, digest);
    const typed = line.type === 'user' ? findTyped(line, parts) : undefined;
    if (typed !== undefined) conversation.part(`part:${name}:typed`, { type: 'text', text: typed }, messageId);
    const counts = new Map<string, number>();
    for (const part of parts) {
      // By content, since lines with one uuid go on where the one before ended.
      const hash = shortHash(JSON.stringify(part));
      const count = (counts.get(hash) ?? 0) + 1;
      counts.set(hash, count);
      this.#takePart(line, part, `part:${name}:${hash}#${count}`, messageId, typed);
    }
    const payload = restOf(findFields(line, 'systemPayload') ?? {}, ['displayText', 'hookContext']);
    if (payload) conversation.data(`part:${name}:systemPayload:${digest}`, 'systemPayload', payload, messageId);
  }

  /** The message of this line; what a later line with its uuid tells is put over it. */
  #openMessage(line: Fields, name: string, digest: string): string {
    const conversation = this.conversation;
    const known = this.#messages.get(shortId(name));
    if (known?.lines.includes(digest)) return conversation.goTo(name);
    const content = messageOf(line);
    const lines = [...(known?.lines ?? []), digest].slice(-maxLines);
    const told = { lines, modelled: known?.modelled === true || content.model !== undefined };
    rememberIn(this.#messages, shortId(name), told, maxMessages);
    if (known === undefined) return conversation.message(name, content);
    const options = { key: `amended:${name}:${digest}`, aside: known.modelled };
    return conversation.message(name, { ...content, createdAt: undefined }, options);
  }

  #takePart(line: Fields, part: Json, key: string, messageId: string, typed: string | undefined): void {
    const conversation = this.conversation;
    const call = findCall(part);
    const answer = findResponse(part);
    if (call) {
      const tool = toolOf(findText(call, 'id') ?? key, call, conversation.at.known);
      conversation.tools.call(tool, key, messageId, conversation.at);
    } else if (answer) this.#takeAnswer(answer, {}, key);
    else {
      const content = contentOf(agent, part, isSynthetic(line, part, typed));
      if (content) conversation.part(key, content, messageId);
    }
  }

  /** Completes the calls that the line answers; what it tells beside that stays with the message of the last of them. */
  #takeResult(line: Fields, parts: Json[], name: string): void {
    const conversation = this.conversation;
    const told = findFields(line, 'toolCallResult') ?? {};
    let messageId: string | undefined;
    for (const [index, part] of parts.entries()) {
      const key = `result:${name}:${index}`;
      const answer = findResponse(part);
      if (answer) messageId = this.#takeAnswer(answer, told, key) ?? messageId;
      else conversation.part(key, contentOf(agent, part, true) ?? { type: 'data', kind: `${agent}/part`, value: part });
    }
    this.#takeTold(told, parts, `result:${name}`, messageId ?? conversation.latest);
  }

  /** The message of the call; an answer without one is kept as it is. */
  #takeAnswer(answer: Fields, told: Fields, key: string): string | undefined {
    const { at, tools } = this.conversation;
    const failed = told.status === 'error' || told.status === 'cancelled' || undefined;
    const id = findText(answer, 'id');
    const callOf = id && tools.result(id, (call) => completedOf(call, answer, at.known, failed), at, key);
    if (!callOf) this.conversation.data(key, 'functionResponse', answer);
    return callOf;
  }

  /** What a result line shows to the person, and anything else but what the answer itself says. */
  #takeTold(told: Fields, parts: Json[], name: string, messageId: string | null): void {
    const { resultDisplay } = told;
    const said = parts.flatMap((part) => Object.values(findFields(findResponse(part) ?? {}, 'response') ?? {}));
    if (resultDisplay !== undefined && resultDisplay !== null && !said.includes(resultDisplay))
      this.conversation.part(`${name}:display`, displayOf(agent, resultDisplay), messageId);
    const rest = restOf(told, ['callId', 'status', 'executionStatus', 'resultDisplay']);
    if (rest) this.conversation.data(`${name}:told`, 'toolCallResult', rest, messageId);
  }
}

export const readTranscript = readWith(Reader);

const shortHash = (text: string) => hash('sha256', text, 'base64url').slice(0, 12);

// The records of Gemini CLI that have an id: messages, in all their versions, and what is no message.
import type { PartContent } from '../../../../protocol/schema.ts';
import type { Conversation } from '../../kit/conversation.ts';
import { contentOf, findCall, findResponse } from '../../kit/genai.ts';
import { type Fields, findText, isFields, timeOf } from '../../kit/json.ts';
import { shortId } from '../../kit/remember.ts';
import { restOf } from '../../kit/rest.ts';
import { Calls, type KeptCall, partName } from './calls.ts';
import { isMessageType, markedContent, messageName, messageOf, titleOf } from './message.ts';
import { type Piece, piecesOf, promptOf } from './pieces.ts';
import { agent, findContextDirectory, isContext, noteEarly } from './session.ts';
import { type Kept, type Marked, Timeline } from './timeline.ts';

/** What is remembered between two reads. */
export type Memory = { entries: Kept[]; calls: KeptCall[] };

const messageMembers = ['id', 'timestamp', 'type', 'content', 'displayContent', 'thoughts', 'tokens', 'model'];

export class Records {
  readonly #conversation: Conversation<Memory>;
  readonly #timeline: Timeline;
  readonly #calls: Calls;

  constructor(conversation: Conversation<Memory>) {
    this.#conversation = conversation;
    this.#timeline = new Timeline(conversation.own.entries);
    this.#calls = new Calls(conversation, conversation.own.calls);
  }

  keep(): Memory {
    return { entries: this.#timeline.keep(), calls: this.#calls.keep() };
  }

  /** A record with an id, whose text is this. `last`: it is of a list, which tells the order anew. False when it is bad. */
  take(fields: Fields, text: string, last: boolean): boolean {
    const conversation = this.#conversation;
    const name = shortId(findText(fields, 'id') as string);
    const type = findText(fields, 'type') ?? '';
    const pieces = isMessageType(type) ? piecesOf(fields, type) : undefined;
    conversation.noteTime(timeOf(fields.timestamp));
    if (type === '' || (isMessageType(type) && pieces === undefined)) {
      // Among the others, so that a rewind to it finds it.
      this.#timeline.note(name, '', text, last);
      return false;
    }
    const isMessage = pieces !== undefined && !(type === 'user' && isAside(pieces));
    const version = this.#timeline.note(name, isMessage ? type : '', withoutTime(fields), last);
    if (version === undefined) {
      if (isMessage) conversation.goTo(messageName(type, name));
    } else if (isMessage) this.#takeMessage(fields, { type, name, version }, pieces);
    else this.#takeAside(fields, keyOf(`record:${name}`, version), type, pieces ?? []);
    return true;
  }

  /** A checkpoint, whose records come next, holds these ids and no others. */
  replaceBy(ids: string[]): void {
    this.#timeline.replaceBy(new Set(ids.map(shortId)));
  }

  /** To be called when something else than a checkpoint came: what the last one did not hold is marked. */
  markMissing(): void {
    for (const marked of this.#timeline.takeMissing()) this.#mark(marked, { replaced: true });
  }

  rewindTo(id: string): void {
    this.markMissing();
    for (const marked of this.#timeline.rewindTo(shortId(id))) this.#mark(marked, { rewound: true });
  }

  #mark({ name, type, version }: Marked, mark: Fields): void {
    const message = messageName(type, name);
    const content = { ...markedContent(type, mark), createdAt: undefined };
    this.#conversation.putMessage(message, content, keyOf(`msg:${message}`, version));
  }

  /** No message: answers to calls, what the CLI tells the model before the first prompt, and types that are not known. */
  #takeAside(fields: Fields, key: string, type: string, pieces: Piece[]): void {
    const conversation = this.#conversation;
    const answers = pieces.map(({ part }) => findResponse(part)).filter((answer) => answer !== undefined);
    if (answers.length > 0) {
      const known = answers.map((answer) => this.#calls.answer(answer));
      if (known.includes(false)) conversation.data(key, 'functionResponse', fields);
      return;
    }
    noteEarly(conversation, { directory: findContextDirectory(pieces) });
    conversation.data(key, type === 'user' ? 'session_context' : type, fields);
  }

  #takeMessage(fields: Fields, { type, name, version }: Marked, pieces: Piece[]): void {
    const conversation = this.#conversation;
    const message = messageName(type, name);
    if (type === 'user') {
      noteEarly(conversation, { directory: findContextDirectory(pieces) });
      conversation.noteTitle(...titleOf(promptOf(pieces)));
    }
    // A checkpoint gives all its messages the time of its writing: the time that was told first is the message's.
    const content = { ...messageOf(fields, type), ...(version === 0 ? {} : { createdAt: undefined }) };
    conversation.message(message, content, { key: keyOf(`msg:${message}`, version), aside: version > 0 });
    const put = (part: string, value: PartContent) => this.#putPart(message, part, version, value);
    const calls = Array.isArray(fields.toolCalls) && type === 'gemini' ? fields.toolCalls : undefined;
    const told = new Set(calls?.map((call) => isFields(call) && findText(call, 'id')));
    for (const [index, { name: part, part: value, synthetic }] of pieces.entries()) {
      const call = findCall(value);
      const answer = findResponse(value);
      if (call) {
        if (!told.has(findText(call, 'id') ?? false)) this.#calls.start(message, call, index, put);
      } else if (!answer || !this.#calls.answer(answer)) {
        const content = contentOf(agent, value, synthetic);
        if (content) put(part, content);
      }
    }
    for (const [index, call] of calls?.entries() ?? []) {
      if (isFields(call)) this.#calls.tell(message, call, index, put);
      else put(`call:${index}`, { type: 'data', kind: `${agent}/toolCall`, value: call });
    }
    const rest = restOf(fields, calls ? [...messageMembers, 'toolCalls'] : messageMembers);
    if (rest) put('rest', { type: 'data', kind: `${agent}/${type}`, value: rest });
  }

  /** Each version of a record puts under keys of its own, so that all of them are known when it is read again. */
  #putPart(message: string, part: string, version: number, content: PartContent): void {
    const { puts, at } = this.#conversation;
    const name = partName(message, part);
    const ids = { sessionId: puts.sessionId, messageId: puts.messageId(message), partId: puts.partId(name) };
    const params = { ...ids, part: content };
    puts.put({ key: keyOf(name, version), type: 'part/put', params, occurredAt: at.occurred });
  }
}

const keyOf = (name: string, version: number) => (version === 0 ? name : `version:${version}:${name}`);

/** Whether a record of the user's holds nothing that they or the CLI said in their place. */
const isAside = (pieces: Piece[]) =>
  pieces.length > 0 &&
  (pieces.every(({ part }) => findResponse(part) !== undefined) || pieces.every(({ part }) => isContext(part)));

/** A record but for its time, which each checkpoint writes anew. */
function withoutTime({ id, timestamp, ...content }: Fields): string {
  return JSON.stringify(content);
}

// Turns the lines of one read into puts: each line is parsed once and becomes a message, parts, or a `data` part.
import type { Held, Transcript } from '../../adapter.ts';
import { Conversation, type MessageContent } from '../../kit/conversation.ts';
import { type Fields, findText, isFields, type Json, timeOf } from '../../kit/json.ts';
import { LineReader, readWith } from '../../kit/line-reader.ts';
import { rememberIn, shortId } from '../../kit/remember.ts';
import { foldTitle } from '../../kit/title.ts';
import type { ToolContent } from '../../kit/tools.ts';
import { completedOf, contentOf, dataOf, toolOf } from './blocks.ts';
import { amend, isSynthetic, messageOf } from './message.ts';
import { findPromptTitle, isWritten } from './prompt.ts';
import { agent, factsOf, isSubagent } from './session.ts';

/** What an answer was last put as, and how many times it had been amended by then. */
type Answer = { put: MessageContent; version: number };

type Memory = {
  /** The API messages at hand, newest last: several lines make one, the later ones with the final usage. */
  answers: [id: string, answer: Answer][];
  /** Summaries whose leaf was not seen yet, newest last. */
  summaries: [leafUuid: string, title: string][];
  /** The latest lines' uuids: a summary follows soon after its leaf, when it does not come before it. */
  uuids: string[];
};

const maxAnswers = 8;
const maxSummaries = 32;
const maxUuids = 32;

class Reader extends LineReader<Memory> {
  readonly #answers: Map<string, Answer>;
  readonly #summaries: Map<string, string>;
  readonly #uuids: Map<string, true>;
  readonly #isSubagent: boolean;

  constructor(transcript: Transcript, state: unknown, held: Held) {
    const none: Memory = { answers: [], summaries: [], uuids: [] };
    super(new Conversation(agent, transcript, state, held, none));
    const { own } = this.conversation;
    this.#answers = new Map(own.answers);
    this.#summaries = new Map(own.summaries);
    this.#uuids = new Map(own.uuids.map((uuid) => [uuid, true]));
    this.#isSubagent = isSubagent(transcript.sessionKey);
  }

  protected takeRecord(fields: Fields, text: string): boolean {
    if (typeof fields.type !== 'string') return false;
    this.#takeFields(fields, text);
    return true;
  }

  protected override remember(): void {
    const uuids = [...this.#uuids.keys()];
    this.conversation.own = { answers: [...this.#answers], summaries: [...this.#summaries], uuids };
  }

  #takeFields(fields: Fields, text: string): void {
    const conversation = this.conversation;
    conversation.noteTime(timeOf(fields.timestamp));
    conversation.note(factsOf(conversation.transcript.sessionKey, fields));
    const name = findText(fields, 'uuid') ?? conversation.nameByText(text);
    this.#noteTitles(fields);
    const blocks = findBlocks(fields);
    if (blocks) {
      this.#takeMessage(fields, blocks, name);
      return;
    }
    if (fields.type === 'user' || fields.type === 'assistant') conversation.bad();
    conversation.data(`line:${fields.type}:${name}`, fields.type as string, fields);
  }

  #takeMessage(line: Fields, blocks: Json[], name: string): void {
    const conversation = this.conversation;
    const isResults = line.type === 'user' && blocks.length > 0 && blocks.every(isResult);
    // Known damage in the field: lines of several messages, or of several types, with one uuid. None may replace another.
    const id = line.type === 'user' ? `user:${name}` : (findText(line.message as Fields, 'id') ?? name);
    const place = line.type === 'user' ? `part:${id}` : `part:${id}:${name}`;
    const messageId = isResults ? conversation.latest : this.#openMessage(line, id);
    const isSyntheticIn = (block: Json) => line.type === 'user' && (isSynthetic(line) || isWritten(block));
    let resultOf = messageId;
    for (const [index, block] of blocks.entries()) {
      const key = `${place}:${index}`;
      if (isResult(block)) resultOf = this.#takeResult(block, key) ?? messageId;
      else if (isFields(block) && block.type === 'tool_use' && messageId !== null) {
        const call = toolOf(block, findText(block, 'id') ?? key, conversation.at.known);
        conversation.tools.call(call, key, messageId, conversation.at);
      } else conversation.part(key, contentOf(block, isSyntheticIn(block)), messageId);
    }
    const result = line.toolUseResult;
    if (typeof result === 'object' && result !== null)
      conversation.part(`${place}:toolUseResult`, dataOf('toolUseResult', result), resultOf);
  }

  /** The message of its call; a result without one is kept as it is. */
  #takeResult(block: Fields, key: string): string | undefined {
    const { at, tools } = this.conversation;
    const id = findText(block, 'tool_use_id');
    const complete = (call: ToolContent) => completedOf(call, block, at.known);
    const callOf = id === undefined ? undefined : tools.result(id, complete, at, key);
    if (callOf === undefined) this.conversation.part(key, dataOf('tool_result', block));
    return callOf;
  }

  /** Puts the message of this line, or what the line adds to it, and makes it the latest. */
  #openMessage(line: Fields, id: string): string {
    const conversation = this.conversation;
    const at = conversation.at.known;
    if (line.type === 'user') return conversation.message(id, messageOf(line, 'user', at));
    const known = this.#answers.get(shortId(id));
    if (known) return this.#amendAnswer(line, id, known);
    const put = messageOf(line, 'assistant', at);
    rememberIn(this.#answers, shortId(id), { put, version: 0 }, maxAnswers);
    // Each version of an answer has its own key, so that all of them are known when the file is read again. The first is
    // left out when the second is here or held.
    const aside = line.isSidechain === true && !this.#isSubagent;
    return conversation.message(id, put, { aside, unless: versionKey(id, 1) });
  }

  #amendAnswer(line: Fields, id: string, known: Answer): string {
    const put = amend(known.put, line);
    const version = put === undefined ? known.version : known.version + 1;
    if (put) {
      const first = version === 1 ? versionKey(id, 0) : undefined;
      this.conversation.putMessage(id, put, versionKey(id, version), first);
    }
    rememberIn(this.#answers, shortId(id), { put: put ?? known.put, version }, maxAnswers);
    return this.conversation.goTo(id);
  }

  #noteTitles(line: Fields): void {
    const conversation = this.conversation;
    this.#noteUuid(line);
    if (line.type === 'custom-title') conversation.noteTitle('custom', textOf(line.customTitle ?? line.title));
    else if (line.type === 'ai-title') conversation.noteTitle('ai', textOf(line.aiTitle ?? line.title));
    else if (line.type === 'summary') this.#noteSummary(textOf(line.summary), findText(line, 'leafUuid'));
    else if (line.type === 'user' && (line.isSidechain !== true || this.#isSubagent)) {
      const found = findPromptTitle(line);
      if (found) conversation.noteTitle(found.rank, found.title);
    }
  }

  /** Summaries of other sessions are written to a file too; ours are those whose leaf is in it. */
  #noteSummary(title: string, leaf: string | undefined): void {
    if (title === '' || leaf === undefined) return;
    const uuid = shortId(leaf);
    if (this.#uuids.has(uuid)) this.conversation.noteTitle('summary', title);
    else rememberIn(this.#summaries, uuid, foldTitle(title), maxSummaries);
  }

  #noteUuid(line: Fields): void {
    const own = findText(line, 'uuid');
    if (own === undefined) return;
    const uuid = shortId(own);
    rememberIn(this.#uuids, uuid, true, maxUuids);
    const summary = this.#summaries.get(uuid);
    if (summary === undefined) return;
    this.conversation.noteTitle('summary', summary);
    this.#summaries.delete(uuid);
  }
}

export const readTranscript = readWith(Reader);

const textOf = (value: Json | undefined) => (typeof value === 'string' ? value : '');
const versionKey = (id: string, version: number) => (version === 0 ? `msg:${id}` : `amended:${version}:${id}`);

const isResult = (block: Json): block is Fields => isFields(block) && block.type === 'tool_result';

/** The content of a user or assistant line as blocks; undefined for other lines and those without any. */
function findBlocks(line: Fields): Json[] | undefined {
  if ((line.type !== 'user' && line.type !== 'assistant') || !isFields(line.message)) return undefined;
  const { content } = line.message;
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  return Array.isArray(content) ? content : undefined;
}

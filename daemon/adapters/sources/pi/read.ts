// Turns the lines of one read into puts: each line is an entry of the session's tree, kept in file order.
import type { Held, Transcript } from '../../adapter.ts';
import { Conversation, type MessageContent } from '../../kit/conversation.ts';
import { type Fields, findFields, findText, isFields, type Json, timeOf } from '../../kit/json.ts';
import { LineReader, readWith } from '../../kit/line-reader.ts';
import { rememberIn, shortId } from '../../kit/remember.ts';
import { restOf, splitRest } from '../../kit/rest.ts';
import { completedOf, contentOf, restOfCall, shellOf, toolOf } from './blocks.ts';
import { answerOf, titleOf } from './message.ts';
import { agent, factsOf, modelOf } from './session.ts';

type Memory = {
  /** The entry before this one: another parent than that starts a branch. */
  entryId: string | null;
  /** What the latest entries with ids were named. */
  names: [entry: string, name: string][];
};

const maxNames = 32;

/** Fields of entries and of messages that have a place of their own in the record. */
const inEntry = ['type', 'id', 'parentId', 'timestamp', 'message'];
const takenOfUser = ['role', 'content'];
const takenOfCustom = [...inEntry, 'content'];
const takenOfAnswer = ['role', 'content', 'provider', 'model', 'usage', 'errorMessage'];
const takenOfShell = ['role', 'command', 'output'];

class Reader extends LineReader<Memory> {
  readonly #names: Map<string, string>;

  constructor(transcript: Transcript, state: unknown, held: Held) {
    super(new Conversation<Memory>(agent, transcript, state, held, { entryId: null, names: [] }));
    this.#names = new Map(this.conversation.own.names);
  }

  protected takeRecord(fields: Fields, text: string): boolean {
    if (typeof fields.type !== 'string') return false;
    this.#takeEntry(fields, text);
    return true;
  }

  protected override remember(): void {
    this.conversation.own.names = [...this.#names];
  }

  #takeEntry(entry: Fields, text: string): void {
    const conversation = this.conversation;
    conversation.noteTime(timeOf(entry.timestamp));
    const name = this.#nameOf(entry, text);
    const { type } = entry;
    if (type === 'session') conversation.note(factsOf(entry));
    else if (type === 'model_change') conversation.note({ model: modelOf(entry.provider, entry.modelId) });
    else if (type === 'session_info' && typeof entry.name === 'string') conversation.noteTitle('custom', entry.name);
    const key = `entry:${type}:${name}`;
    const isTaken = type === 'message' ? this.#takeMessage(entry, name, key) : this.#takeCustom(entry, entry, name);
    if (!isTaken) conversation.data(key, type as string, entry);
    if (type !== 'session') conversation.own.entryId = findShortId(entry, 'id') ?? conversation.own.entryId;
  }

  /**
   * A name that stays: by its time, since Pi gives the entries of an old file their ids when it next opens it, and writes
   * the file anew. An entry that is there twice, with its id, is named once.
   */
  #nameOf(entry: Fields, text: string): string {
    const id = findText(entry, 'id');
    const timestamp = findText(entry, 'timestamp');
    const conversation = this.conversation;
    if (timestamp === undefined) return conversation.nameByText(id ?? text);
    const when = `${timestamp} ${entry.type}`;
    if (id === undefined) return conversation.nameByText(when);
    const known = shortId(`${id} ${when}`);
    const name = this.#names.get(known) ?? conversation.nameByText(when);
    rememberIn(this.#names, known, name, maxNames);
    return name;
  }

  /** Whether something was made of it, else it is kept under `key`; a message that breaks its own shape is counted. */
  #takeMessage(entry: Fields, name: string, key: string): boolean {
    const message = findFields(entry, 'message');
    const blocks = message && blocksOf(message.content);
    if (message?.role === 'bashExecution' && typeof message.command === 'string') {
      this.#takeShell(entry, message, message.command, name);
      return true;
    }
    if (message?.role === 'toolResult') return this.#takeResult(entry, message, name, key);
    if (message?.role === 'user' && blocks) {
      this.#noteTitle(blocks);
      const id = this.#open(entry, message, `user:${name}`, { role: 'user', agent: null }, takenOfUser);
      this.#putBlocks(blocks, `user:${name}`, id);
      return true;
    }
    if (message?.role === 'assistant' && blocks) {
      const id = this.#open(entry, message, `assistant:${name}`, answerOf(message), takenOfAnswer);
      this.#putBlocks(blocks, `assistant:${name}`, id);
      return true;
    }
    if (message && this.#takeCustom(entry, message, name)) return true;
    if (!message || typeof message.role !== 'string' || shapedRoles.has(message.role)) this.conversation.bad();
    return false;
  }

  /** Words that an extension puts into the session and wants shown: as an entry of their own, or as a message. */
  #takeCustom(entry: Fields, holder: Fields, name: string): boolean {
    const isCustom = entry.type === 'custom_message' || customRoles.has(holder.role as string);
    const blocks = blocksOf(holder.content);
    if (!isCustom || !blocks || holder.display === false) return false;
    const taken = holder === entry ? takenOfCustom : takenOfUser;
    const id = this.#open(entry, holder, `custom:${name}`, { role: 'system', agent: null }, taken);
    this.#putBlocks(blocks, `custom:${name}`, id);
    return true;
  }

  #takeShell(entry: Fields, message: Fields, command: string, name: string): void {
    const conversation = this.conversation;
    conversation.noteTitle('command', `!${command}`);
    const id = this.#open(entry, message, `shell:${name}`, { role: 'user', agent: null }, takenOfShell);
    const key = `part:shell:${name}`;
    conversation.part(key, shellOf(message, key, conversation.at.known), id);
  }

  #takeResult(entry: Fields, result: Fields, name: string, key: string): boolean {
    const { at, tools } = this.conversation;
    const callId = findText(result, 'toolCallId');
    const messageId = callId && tools.result(callId, (call) => completedOf(call, result, at.known), at, key);
    if (!messageId) return false;
    const message = restOf(result, ['role', 'toolCallId', 'toolName', 'content', 'isError']) ?? {};
    this.conversation.data(`result:${name}`, 'toolResult', { ...entry, message }, messageId);
    return true;
  }

  /** Puts the message of an entry, with what has no place of its own in its metadata or, when that is large, beside it. */
  #open(entry: Fields, message: Fields, id: string, content: MessageContent, taken: readonly string[]): string {
    const conversation = this.conversation;
    const around = message === entry ? undefined : restOf(entry, inEntry);
    const rest = restOf(message, taken);
    const { facts, large } = splitRest(around ? { ...around, ...rest } : rest);
    const metadata = { ...this.#treeOf(entry), ...content.metadata, ...facts };
    const messageId = conversation.message(id, { ...content, metadata });
    if (large) conversation.data(`rest:${id}`, 'message', large, messageId);
    return messageId;
  }

  /** Its id, which labels and summaries speak of, and its parent where that is not the entry before it. */
  #treeOf(entry: Fields): Fields | undefined {
    const entryId = findText(entry, 'id');
    if (entryId === undefined) return undefined;
    const { parentId } = entry;
    const isNext = parentId === undefined || findShortId(entry, 'parentId') === this.conversation.own.entryId;
    return isNext ? { entryId } : { entryId, parentEntryId: parentId };
  }

  #putBlocks(blocks: Json[], place: string, messageId: string): void {
    const conversation = this.conversation;
    for (const [index, block] of blocks.entries()) {
      const key = `part:${place}:${index}`;
      let rest: Fields | undefined;
      if (isFields(block) && block.type === 'toolCall') {
        const call = toolOf(block, findText(block, 'id') ?? key, conversation.at.known);
        conversation.tools.call(call, key, messageId, conversation.at);
        rest = restOfCall(block);
      } else {
        const content = contentOf(block);
        conversation.part(key, content.part, messageId);
        rest = content.rest;
      }
      if (rest) conversation.data(`rest:${place}:${index}`, 'block', rest, messageId);
    }
  }

  #noteTitle(blocks: Json[]): void {
    for (const block of blocks) {
      const found = isFields(block) && typeof block.text === 'string' ? titleOf(block.text) : undefined;
      if (!found) continue;
      this.conversation.noteTitle(found.rank, found.title);
      if (found.rank === 'prompt') return;
    }
  }
}

export const readTranscript = readWith(Reader);

/** The roles that have a shape to break. */
const shapedRoles = new Set(['user', 'assistant', 'bashExecution']);
/** Version 2 knows the second of them. */
const customRoles = new Set(['custom', 'hookMessage']);

function findShortId(entry: Fields, name: string): string | null {
  const id = findText(entry, name);
  return id === undefined ? null : shortId(id);
}

/** A content as blocks; undefined for what is none. */
function blocksOf(content: Json | undefined): Json[] | undefined {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  return Array.isArray(content) ? content : undefined;
}

// Turns the lines of one read into puts. Messages, reasoning and tools come from the response items: every version writes
// them, and a migration copies them as they are. The events that say the same once more are kept as data beside them.

import type { Usage } from '../../../../protocol/schema.ts';
import type { Held, Transcript } from '../../adapter.ts';
import { Conversation } from '../../kit/conversation.ts';
import { boundedModel, boundedText, type Model } from '../../kit/facts.ts';
import { type Fields, findFields, findText, type Json, timeOf } from '../../kit/json.ts';
import { LineReader, readWith } from '../../kit/line-reader.ts';
import type { ToolContent } from '../../kit/tools.ts';
import { type CallMemory, Calls } from './calls.ts';
import { failureOf, findModel, findPatch, findTurn, textOf } from './event.ts';
import {
  callOf,
  calls,
  completedOf,
  contentOf,
  endOf,
  findPieceText,
  isImage,
  outputs,
  piecesOf,
  reasoningOf,
} from './items.ts';
import { findShell, isPrompt, type Shell, titleOfPrompt } from './prompt.ts';
import { aboutOf, findItem, nameOfItem, type Record, recordOf } from './record.ts';
import { agent, factsOf } from './session.ts';
import { type TurnMemory, Turns } from './turns.ts';
import { countedIn, isNews } from './usage.ts';

type Memory = TurnMemory & {
  /** Whether the rollout's own session_meta was seen. */
  hasMeta: boolean;
  providerId: string;
  model: Model | null;
  /** The last total of tokens. */
  total: Usage | null;
  calls: CallMemory;
};

class Reader extends LineReader<Memory> {
  readonly #turns: Turns;
  readonly #calls: Calls;

  constructor(transcript: Transcript, state: unknown, held: Held) {
    const none: Memory = {
      hasMeta: false,
      providerId: 'openai',
      model: null,
      total: null,
      calls: [],
      turn: null,
      answer: null,
    };
    super(new Conversation(agent, transcript, state, held, none));
    this.#turns = new Turns(this.conversation, this.#own);
    this.#calls = new Calls(this.#own.calls);
  }

  get #own(): Memory {
    return this.conversation.own;
  }

  protected takeRecord(fields: Fields, text: string): boolean {
    const { conversation } = this;
    const record = recordOf(fields);
    if (record === undefined) return false;
    conversation.noteTime(timeOf(record.line.timestamp));
    const name = conversation.nameByText(aboutOf(record, text));
    const key = `line:${name}`;
    if (record.type === 'response_item' && this.#takeItem(record, nameOfItem(record) ?? name, key)) return true;
    this.#note(record, name);
    const files = findPatch(record);
    if (files !== undefined) conversation.part(key, { type: 'patch', files });
    else conversation.data(key, record.kind, record.line);
    return true;
  }

  protected override remember(): void {
    this.#own.calls = this.#calls.memory;
  }

  /** Whether a message, part or tool was made of it; else it is kept as data, under `key`. */
  #takeItem(record: Record, name: string, key: string): boolean {
    const { kind, payload: item } = record;
    if (kind === 'message') return this.#takeMessage(item, name);
    if (kind === 'reasoning') return this.#takeReasoning(item, name);
    if (calls.has(kind)) return this.#takeCall(item, name);
    return outputs.has(kind) && this.#takeOutput(item, name, key);
  }

  #takeMessage(item: Fields, name: string): boolean {
    const pieces = piecesOf(item);
    const texts = (pieces ?? []).flatMap((piece) => findPieceText(piece) ?? []);
    if (pieces === undefined || typeof item.role !== 'string') {
      this.conversation.bad();
      return false;
    }
    if (item.role === 'assistant') {
      const messageId = this.#turns.open(name, this.#own.model);
      this.#putPieces(pieces, name, messageId);
      return true;
    }
    const shell = item.role === 'user' ? findShell(texts) : undefined;
    if (shell) {
      this.#takeShell(shell, name);
      return true;
    }
    // Instructions and context are not shown: they are long, and no person wrote them for this session.
    if (item.role !== 'user' || !isPrompt(item, texts, pieces.some(isImage))) return false;
    this.conversation.noteTitle('command', titleOfPrompt(texts.join('')));
    this.#turns.prompt(name);
    const messageId = this.conversation.message(`user:${name}`, { role: 'user', agent: null });
    this.#putPieces(pieces, `user:${name}`, messageId);
    return true;
  }

  /** A command that the person ran is theirs, as their words are: what the assistant does next is an answer of its own. */
  #takeShell({ command, exitCode, output }: Shell, name: string): void {
    const { conversation } = this;
    this.#turns.prompt(name);
    const messageId = conversation.message(`user:${name}`, { role: 'user', agent: null });
    const key = `part:${name}:0`;
    const ended = conversation.at.known === undefined ? {} : { endedAt: conversation.at.known };
    const state = exitCode === 0 ? 'completed' : 'error';
    const tool = { type: 'tool', callId: key, tool: 'shell', state, input: { command }, output, ...ended } as const;
    conversation.part(key, tool, messageId);
  }

  #putPieces(pieces: Json[], name: string, messageId: string): void {
    for (const [index, piece] of pieces.entries())
      this.conversation.part(`part:${name}:${index}`, contentOf(piece), messageId);
  }

  #takeReasoning(item: Fields, name: string): boolean {
    const text = reasoningOf(item);
    if (text === '') return false;
    const messageId = this.#turns.open(name, this.#own.model);
    this.conversation.part(`part:${name}`, { type: 'reasoning', text }, messageId);
    return true;
  }

  #takeCall(item: Fields, name: string): boolean {
    const { at, tools } = this.conversation;
    const messageId = this.#turns.open(name, this.#own.model);
    const id = findText(item, 'call_id') ?? findText(item, 'id');
    const key = `${item.type}:${name}`;
    const callId = id === undefined ? key : this.#calls.begin(id, key);
    tools.call(callOf(item, callId, at.known), key, messageId, at);
    return true;
  }

  #takeOutput(item: Fields, name: string, key: string): boolean {
    const { at, tools } = this.conversation;
    const id = findText(item, 'call_id');
    const call = id === undefined ? undefined : this.#calls.find(id, name);
    if (id === undefined || call === undefined) return false;
    const complete = (tool: ToolContent) => completedOf(tool, item, at.known, call.end);
    if (tools.result(call.callId, complete, at, key) === undefined) return false;
    this.#calls.settle(id, name);
    return true;
  }

  /** What a record that is no item says of the session, its turns and its calls. */
  #note(record: Record, name: string): void {
    const { type, kind, payload } = record;
    if (type === 'session_meta') this.#noteMeta(payload);
    else if (type === 'turn_context') this.#noteContext(payload);
    else if (type === 'token_usage_record') this.#noteCounts(payload, name);
    else if (type === 'event_msg') this.#noteEvent(record, kind, payload, name);
  }

  #noteEvent(record: Record, kind: string, payload: Fields, name: string): void {
    const { model } = this.#own;
    const turn = findTurn(payload);
    const failure = failureOf(kind, payload);
    if (kind === 'task_started' && turn !== undefined) this.#turns.begin(turn);
    else if (kind === 'token_count') this.#noteCounts(payload, name);
    else if (failure !== undefined) this.#turns.fail(failure, name, model);
    if (kind === 'turn_aborted' || (kind === 'task_complete' && turn !== undefined)) this.#turns.end();
    else if (kind === 'thread_name_updated') this.conversation.noteTitle('custom', textOf(payload.thread_name));
    else if (kind === 'thread_settings_applied')
      this.#noteProvider(findFields(payload, 'thread_settings')?.model_provider_id);
    else this.#noteTold(record, kind, payload);
  }

  /** What an event tells of a prompt or of a call's end, in the words of either history mode. */
  #noteTold(record: Record, kind: string, payload: Fields): void {
    const { at } = this.conversation;
    const item = findItem(record);
    if (kind === 'user_message') this.#noteTitle(textOf(payload.message));
    else if (item?.type === 'UserMessage') this.#noteTitle((piecesOf(item) ?? []).map(findPieceText).join(''));
    const id = findText(item ?? payload, item ? 'id' : 'call_id');
    const end = endOf(item ?? payload, payload, at.known);
    if (id !== undefined && end) this.#calls.tell(id, end);
  }

  /** An event names a prompt for sure; the items may hold context in the user's name that is not known as such. */
  #noteTitle(text: string): void {
    this.conversation.noteTitle('prompt', titleOfPrompt(text));
  }

  #noteMeta(meta: Fields): void {
    if (this.#own.hasMeta) return;
    this.#own.hasMeta = true;
    this.conversation.note(factsOf(this.conversation.transcript.sessionKey, meta));
    this.#noteProvider(meta.model_provider);
  }

  #noteProvider(providerId: Json | undefined): void {
    if (typeof providerId === 'string' && providerId !== '')
      this.#own.providerId = boundedText(providerId) ?? this.#own.providerId;
  }

  #noteContext(context: Fields): void {
    const turn = findTurn(context);
    if (turn !== undefined) this.#turns.begin(turn);
    this.#own.model = boundedModel(findModel(this.#own.providerId, context)) ?? this.#own.model;
    this.conversation.note({ directory: findText(context, 'cwd'), model: this.#own.model ?? undefined });
  }

  #noteCounts(payload: Fields, name: string): void {
    const counted = countedIn(this.conversation.transcript.sessionKey, payload);
    if (counted === undefined || !isNews(counted, this.#own.total)) return;
    this.#own.total = counted.total;
    this.#turns.addUsage(counted.usage, name, this.#own.model);
  }
}

export const readRollout = readWith(Reader);

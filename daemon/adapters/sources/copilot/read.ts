// Turns the lines of one read into puts: each line is an event and becomes a message, parts, or a `data` part.
import type { Usage } from '../../../../protocol/schema.ts';
import type { Held, Transcript } from '../../adapter.ts';
import { Conversation, type MessageContent } from '../../kit/conversation.ts';
import { boundedText } from '../../kit/facts.ts';
import { type Fields, findFields, findText, isFields, type Json, timeOf } from '../../kit/json.ts';
import { LineReader, readWith } from '../../kit/line-reader.ts';
import { rememberIn, shortId } from '../../kit/remember.ts';
import { restOf, splitRest } from '../../kit/rest.ts';
import { fileOf, isOfSubagent, isSynthetic, outputUsageOf, usageOf } from './message.ts';
import { agent, factsOf, modelOf } from './session.ts';
import { callOf, completedOf, restOfCompletion, restOfStart } from './tool.ts';

type Memory = {
  /** The model that was last chosen: older versions do not name it in their answers. */
  modelId: string | null;
  /** What calls of a model used whose answer did not come yet, newest last. */
  usages: [apiCallId: string, usage: Usage][];
};

const maxUsages = 8;

/** Fields of an event around its data that are known by now when something was made of it. */
const inEvent = ['type', 'data', 'timestamp'];

class Reader extends LineReader<Memory> {
  readonly #usages: Map<string, Usage>;

  constructor(transcript: Transcript, state: unknown, held: Held) {
    super(new Conversation<Memory>(agent, transcript, state, held, { modelId: null, usages: [] }));
    this.#usages = new Map(this.conversation.own.usages);
  }

  protected takeRecord(fields: Fields, text: string): boolean {
    if (typeof fields.type !== 'string') return false;
    this.#takeEvent(fields, fields.type, text);
    return true;
  }

  protected override remember(): void {
    this.conversation.own.usages = [...this.#usages];
  }

  #takeEvent(event: Fields, type: string, text: string): void {
    const conversation = this.conversation;
    conversation.noteTime(timeOf(event.timestamp));
    const name = `${type}:${findText(event, 'id') ?? conversation.nameByText(text)}`;
    const data = findFields(event, 'data');
    if (data && this.#takeData(event, data, type, name)) return;
    if (!data || shapedTypes.has(type)) conversation.bad();
    conversation.data(`event:${name}`, type, event);
  }

  /** Whether the event is in the record with all that it says; else it is kept as it is. */
  #takeData(event: Fields, data: Fields, type: string, name: string): boolean {
    switch (type) {
      case 'user.message':
        return this.#takeUser(event, data, name);
      case 'assistant.message':
        return this.#takeAnswer(event, data, name);
      case 'tool.execution_start':
        return this.#takeStart(event, data, name);
      case 'tool.execution_complete':
        return this.#takeCompletion(event, data, name);
      case 'session.error':
        return this.#takeError(event, data, name);
      default:
        this.#note(data, type);
        return false;
    }
  }

  #note(data: Fields, type: string): void {
    const conversation = this.conversation;
    const { own } = conversation;
    if (type === 'session.start') conversation.note(factsOf(data));
    if (type === 'session.start' || type === 'session.resume')
      own.modelId = boundedText(findText(data, 'selectedModel')) ?? own.modelId;
    else if (type === 'session.model_change') own.modelId = boundedText(findText(data, 'newModel')) ?? own.modelId;
    else if (type === 'session.title_changed') conversation.noteTitle('ai', findText(data, 'title') ?? '');
    else if (type === 'session.usage_record') {
      const usage = findFields(data, 'usage');
      const apiCallId = usage && findText(usage, 'apiCallId');
      if (apiCallId) rememberIn(this.#usages, shortId(apiCallId), usageOf(usage), maxUsages);
    }
  }

  #takeUser(event: Fields, data: Fields, name: string): boolean {
    const { content, attachments } = data;
    if (typeof content !== 'string') return false;
    const synthetic = isSynthetic(event, data);
    if (!synthetic) this.conversation.noteTitle('prompt', content);
    const files = Array.isArray(attachments) ? attachments : [];
    const others = files.filter((file) => !fileOf(file));
    const rest = restOf(data, ['content', ...(Array.isArray(attachments) ? ['attachments'] : [])]);
    const left = others.length === 0 ? rest : { ...rest, attachments: others };
    const id = this.#open(event, left, name, { role: 'user', agent: null });
    if (content !== '') {
      const text = { type: 'text', text: content } as const;
      this.conversation.part(`part:${name}:text`, synthetic ? { ...text, synthetic } : text, id);
    }
    for (const [index, attachment] of files.entries()) {
      const file = fileOf(attachment);
      if (file) this.conversation.part(`part:${name}:file:${index}`, file, id);
    }
    return true;
  }

  #takeAnswer(event: Fields, data: Fields, name: string): boolean {
    const conversation = this.conversation;
    const { content, reasoningText } = data;
    const requests = Array.isArray(data.toolRequests) ? data.toolRequests : undefined;
    if (typeof content !== 'string' && !requests) return false;
    const aside = isOfSubagent(event, data);
    const model = modelOf(findText(data, 'model') ?? (aside ? undefined : conversation.own.modelId));
    const usage = this.#usages.get(shortId(findText(data, 'apiCallId') ?? '')) ?? outputUsageOf(data);
    const texts = ['content', 'reasoningText', 'model'].filter((field) => typeof data[field] === 'string');
    const rest = restOf(data, [...texts, ...(requests ? ['toolRequests'] : [])]);
    const put: MessageContent = { role: 'assistant', agent, ...(model ? { model } : {}), ...(usage ? { usage } : {}) };
    const id = this.#open(event, rest, name, put, aside);
    if (typeof reasoningText === 'string' && reasoningText !== '')
      conversation.part(`part:${name}:reasoning`, { type: 'reasoning', text: reasoningText }, id);
    if (typeof content === 'string' && content !== '')
      conversation.part(`part:${name}:text`, { type: 'text', text: content }, id);
    for (const [index, request] of (requests ?? []).entries()) this.#takeRequest(request, `${name}:${index}`, id);
    return true;
  }

  /** A call that the answer asks for. One that is known from another message stays there. */
  #takeRequest(request: Json, place: string, messageId: string): void {
    const conversation = this.conversation;
    const { at, tools } = conversation;
    const callId = isFields(request) ? findText(request, 'toolCallId') : undefined;
    const known = callId === undefined ? undefined : tools.find(callId);
    if (!isFields(request) || (known && known.messageId !== messageId)) {
      conversation.data(`rest:${place}`, 'toolRequest', request, messageId);
      return;
    }
    const key = `part:${place}`;
    const { content, rest } = callOf(request, findText(request, 'name') ?? '', callId ?? key, at.known);
    tools.call(content, key, messageId, at);
    if (rest) conversation.data(`rest:${place}`, 'toolRequest', rest, messageId);
  }

  /** A start is news of its own only where no answer asked for the call. */
  #takeStart(event: Fields, data: Fields, name: string): boolean {
    const { at, latest, tools } = this.conversation;
    const callId = findText(data, 'toolCallId');
    if (callId === undefined || latest === null) return false;
    const known = tools.find(callId);
    if (known) {
      this.#keepRest(event, restOfStart(data, known.content), name, known.messageId);
      return true;
    }
    const { content, rest } = callOf(data, findText(data, 'toolName') ?? '', callId, at.known);
    tools.call(content, `part:${name}`, latest, at);
    this.#keepRest(event, rest, name, latest);
    return true;
  }

  /** One of no known call is a call itself: else it would become that of a later request, when the file is read again. */
  #takeCompletion(event: Fields, data: Fields, name: string): boolean {
    const { at, latest, tools } = this.conversation;
    const callId = findText(data, 'toolCallId');
    if (callId === undefined || latest === null) return false;
    const call = tools.find(callId);
    if (!call) tools.call(callOf({}, '', callId, undefined).content, `part:${name}`, latest, at);
    tools.result(callId, (known) => completedOf(known, data, at.known), at, `part:${name}`);
    this.#keepRest(event, restOfCompletion(data), name, call?.messageId ?? latest);
    return true;
  }

  /** An answer that failed. Before the first message there is no session for it yet. */
  #takeError(event: Fields, data: Fields, name: string): boolean {
    const message = findText(data, 'message');
    if (message === undefined || !this.conversation.hasMessage) return false;
    const error = { kind: findText(data, 'errorType') ?? 'error', message };
    this.#open(event, restOf(data, ['errorType', 'message']), name, { role: 'assistant', agent, error });
    return true;
  }

  /** Puts the message of an event, with what has no place of its own in its metadata or, when that is large, beside it. */
  #open(event: Fields, rest: Fields | undefined, name: string, content: MessageContent, aside = false): string {
    const conversation = this.conversation;
    if (!conversation.hasMessage) conversation.note({ model: modelOf(conversation.own.modelId) });
    const { facts = {}, large } = splitRest({ ...rest, ...restOf(event, inEvent) });
    const id = conversation.message(name, { ...content, metadata: facts }, { aside });
    if (large) conversation.data(`rest:${name}`, event.type as string, large, id);
    return id;
  }

  #keepRest(event: Fields, rest: Fields | undefined, name: string, messageId: string): void {
    const around = restOf(event, ['data']);
    this.conversation.data(`rest:${name}`, event.type as string, { ...around, data: rest ?? {} }, messageId);
  }
}

export const readTranscript = readWith(Reader);

/** The events that have a shape to break. */
const shapedTypes = new Set(['user.message', 'assistant.message']);

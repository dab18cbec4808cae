// Tool calls of Gemini CLI. A record of the model's holds its calls with their results (`toolCalls`); a checkpoint holds
// them as parts, the result in a record of the user's. Both may tell of the same call: the first that completes it counts.
import type { PartContent } from '../../../../protocol/schema.ts';
import type { Conversation } from '../../kit/conversation.ts';
import { completedOf, displayOf, findResponse, toolOf } from '../../kit/genai.ts';
import { type Fields, findText, isFields, type Json, timeOf } from '../../kit/json.ts';
import { rememberIn, shortId } from '../../kit/remember.ts';
import { restOf } from '../../kit/rest.ts';
import type { ToolContent } from '../../kit/tools.ts';

/** A call as it is remembered: which message it is in, and whether its result is there. */
export type KeptCall = [callId: string, message: string, done: 0 | 1];

const maxCalls = 256;
const knownMembers = [
  'id',
  'name',
  'args',
  'result',
  'status',
  'timestamp',
  'displayName',
  'description',
  'renderOutputAsMarkdown',
  'resultDisplay',
];
const endings = new Map<string, 'completed' | 'error'>([
  ['success', 'completed'],
  ['error', 'error'],
  ['cancelled', 'error'],
]);

/** Puts a part of a message: `name` is its own there. */
export type PutPart = (name: string, part: PartContent) => void;

export class Calls {
  readonly #conversation: Conversation<unknown>;
  readonly #calls: Map<string, { message: string; done: boolean }>;
  /** The running calls that this read put. */
  readonly #running = new Map<string, ToolContent>();

  constructor(conversation: Conversation<unknown>, kept: KeptCall[]) {
    this.#conversation = conversation;
    this.#calls = new Map(kept.map(([id, message, done]) => [id, { message, done: done === 1 }]));
  }

  keep(): KeptCall[] {
    return [...this.#calls].map(([id, { message, done }]) => [id, message, done ? 1 : 0]);
  }

  /** A call as the model's record tells it, with what is known of its result. */
  tell(message: string, call: Fields, index: number, put: PutPart): void {
    const { agent, at } = this.#conversation;
    const id = findText(call, 'id') ?? `${message}:${index}`;
    const ending = endings.get(findText(call, 'status') ?? '');
    const started = titled(toolOf(id, call, at.known), call);
    const answer = answerOf(call.result);
    const ended = timeOf(call.timestamp) ?? at.known;
    const tool = ending ? completedOf(started, answer, ended, ending === 'error') : started;
    this.#put(id, message, tool, put);
    if (isNews(call.resultDisplay, tool.output)) put(`display:${shortId(id)}`, displayOf(agent, call.resultDisplay));
    const rest = restOf(call, knownMembers);
    if (rest) put(`call:${shortId(id)}`, { type: 'data', kind: `${agent}/toolCall`, value: { id, ...rest } });
  }

  /** A call that a part tells of. One that this message has already is not told anew. */
  start(message: string, call: Fields, index: number, put: PutPart): void {
    const id = findText(call, 'id') ?? `${message}:${index}`;
    if (this.#calls.get(shortId(id))?.message === message) return;
    this.#put(id, message, toolOf(id, call, this.#conversation.at.known), put);
  }

  /** The answer to a call; whether there is such a call. */
  answer(response: Fields): boolean {
    const { puts, at } = this.#conversation;
    const id = shortId(findText(response, 'id') ?? '');
    const call = this.#calls.get(id);
    if (call === undefined) return false;
    if (call.done) return true;
    const { message } = call;
    const partId = puts.partId(partName(message, toolName(id)));
    const key = `result:${message}:${id}`;
    rememberIn(this.#calls, id, { message, done: true }, maxCalls);
    if (puts.has(key)) return true;
    const started = this.#running.get(partId) ?? puts.findPart(partName(message, toolName(id)));
    if (started?.type !== 'tool') return false;
    const part = completedOf(started, response, at.known);
    const params = { sessionId: puts.sessionId, messageId: puts.messageId(message), partId, part };
    puts.put({ key, type: 'part/put', params, occurredAt: at.occurred });
    return true;
  }

  #put(id: string, message: string, tool: ToolContent, put: PutPart): void {
    const name = shortId(id);
    const done = tool.state !== 'running';
    rememberIn(this.#calls, name, { message, done }, maxCalls);
    this.#running.set(this.#conversation.puts.partId(partName(message, toolName(name))), tool);
    put(toolName(name), tool);
  }
}

const toolName = (id: string) => `tool:${id}`;
/** The name of a part in its session. */
export const partName = (message: string, name: string) => `part:${message}:${name}`;

/** Old versions wrote what the tool is for here, in many lines; new ones what the call does. */
function titled(tool: ToolContent, call: Fields): ToolContent {
  const description = findText(call, 'description');
  const isTitle = description !== undefined && description.length <= 200 && !description.includes('\n');
  const title = isTitle ? description : findText(call, 'displayName');
  return title === undefined ? tool : { ...tool, title };
}

/** The one answer that a result holds; else all of it. */
function answerOf(result: Json | undefined): Fields {
  if (result === undefined || result === null) return {};
  const only = Array.isArray(result) && result.length === 1 ? findResponse(result[0] as Json) : undefined;
  return only ?? { response: result };
}

/** Whether what was shown says more than the output does. */
function isNews(display: Json | undefined, output: Json | undefined): display is Json {
  if (display === undefined || display === null || display === '' || display === output) return false;
  return isFields(display) || Array.isArray(display) || typeof display === 'string';
}

// Parts in the shape of Google's GenAI API, which Gemini CLI and the programs made from it write, and what they become. What
// has no shape of its own becomes a `data` part, kept whole.
import type { PartContent } from '../../../protocol/schema.ts';
import { type Fields, findFields, findText, isFields, type Json } from './json.ts';
import type { ToolContent } from './tools.ts';

/** Content as a list of parts: a text, a part, or a list of either. Undefined for what is none of these. */
export function partsOf(content: Json | undefined): Json[] | undefined {
  if (content === undefined || content === null || content === '') return [];
  if (typeof content === 'string') return [{ text: content }];
  if (Array.isArray(content)) return content.map((part) => (typeof part === 'string' ? { text: part } : part));
  return isFields(content) ? [content] : undefined;
}

/** The text of a part that says something, be it to the model; not that of a thought. */
export function findPartText(part: Json): string | undefined {
  return isFields(part) && part.thought !== true ? findText(part, 'text') : undefined;
}

/** A part that calls a function, or that answers such a call. */
export const findCall = (part: Json) => (isFields(part) ? findFields(part, 'functionCall') : undefined);
export const findResponse = (part: Json) => (isFields(part) ? findFields(part, 'functionResponse') : undefined);

/** Any part but a call or an answer to one, which are joined. Undefined for a text without words. */
export function contentOf(agent: string, part: Json, synthetic: boolean): PartContent | undefined {
  if (!isFields(part)) return { type: 'data', kind: `${agent}/part`, value: part };
  const { text } = part;
  if (typeof text === 'string') {
    if (text === '') return undefined;
    if (part.thought === true) return { type: 'reasoning', text };
    return synthetic ? { type: 'text', text, synthetic } : { type: 'text', text };
  }
  return fileOf(part) ?? { type: 'data', kind: `${agent}/${Object.keys(part)[0] ?? 'part'}`, value: part };
}

function fileOf(part: Fields): PartContent | undefined {
  const file = findFields(part, 'inlineData') ?? findFields(part, 'fileData');
  const mime = file && (findText(file, 'mimeType') ?? 'application/octet-stream');
  const data = file && findText(file, 'data');
  const url = data === undefined ? file && findText(file, 'fileUri') : `data:${mime};base64,${data}`;
  if (file === undefined || mime === undefined || url === undefined) return undefined;
  const filename = findText(file, 'displayName');
  return { type: 'file', mime, ...(filename === undefined ? {} : { filename }), url };
}

/** A call that has no answer yet. */
export function toolOf(callId: string, call: Fields, startedAt: number | undefined): ToolContent {
  return {
    type: 'tool',
    callId,
    tool: findText(call, 'name') ?? '',
    state: 'running',
    ...(call.args === undefined ? {} : { input: call.args }),
    ...(startedAt === undefined ? {} : { startedAt }),
  };
}

/** The call with its answer. `failed`: told apart from the answer; else the answer tells it. */
export function completedOf(
  call: ToolContent,
  response: Fields,
  endedAt: number | undefined,
  failed = errorOf(response) !== undefined,
): ToolContent {
  const output = outputOf(response);
  return {
    type: 'tool',
    callId: call.callId,
    tool: call.tool,
    state: failed ? 'error' : 'completed',
    ...(call.title === undefined ? {} : { title: call.title }),
    ...(call.input === undefined ? {} : { input: call.input }),
    ...(output === undefined ? {} : { output }),
    ...(call.startedAt === undefined ? {} : { startedAt: call.startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
  };
}

const plainMembers = new Set(['id', 'name', 'response']);

/** `{output}` and `{error}` hold the words themselves; anything more is kept whole. */
function outputOf(answer: Fields): Json | undefined {
  const { response } = answer;
  if (Object.keys(answer).some((name) => !plainMembers.has(name))) return answer;
  if (!isFields(response) || Object.keys(response).length !== 1) return response;
  return response.output ?? response.error ?? response;
}

function errorOf({ response }: Fields): Json | undefined {
  const error = isFields(response) ? response.error : undefined;
  return error === null || error === '' ? undefined : error;
}

/** What a tool showed to the person: a change of a file as a patch, anything else as it is. */
export function displayOf(agent: string, display: Json): PartContent {
  if (isFields(display) && typeof display.fileDiff === 'string') return { type: 'patch', files: [display] };
  return { type: 'data', kind: `${agent}/resultDisplay`, value: display };
}

// Response items -> parts: what the model said, thought and called, and what the calls gave back.
import type { PartContent } from '../../../../protocol/schema.ts';
import { type Fields, findFields, findText, isFields, type Json, parseJson, timeOf } from '../../kit/json.ts';
import type { ToolContent } from '../../kit/tools.ts';

/** The calls of the model and the name of their tool, where the call itself has none. */
export const calls: ReadonlyMap<string, string> = new Map([
  ['function_call', ''],
  ['custom_tool_call', ''],
  ['local_shell_call', 'local_shell'],
  ['tool_search_call', 'tool_search'],
  ['web_search_call', 'web_search'],
  ['image_generation_call', 'image_generation'],
]);
/** They have no output of their own: all is in the call. */
const whole = new Set(['web_search_call', 'image_generation_call']);
export const outputs = new Set(['function_call_output', 'custom_tool_call_output', 'tool_search_output']);

/** Tags that Codex puts around an image, in texts of their own. */
const imageTag = /^<(?:image\b[^>]*|\/image)>$/;

/** Where the shell tools write the exit code: 0.60, and since unified exec. */
const exitLine = /^(?:(?:Chunk ID|Wall time): .*\n)*(?:Exit code: |Process exited with code )(-?\d+)/;

/** How a call ended, as an event tells before its output is written. */
export type End = { failed?: boolean; startedAt?: number; endedAt?: number };

/** The pieces of a message, as a list; undefined when it has none. */
export function piecesOf(item: Fields): Json[] | undefined {
  const { content } = item;
  if (typeof content === 'string') return [{ type: 'input_text', text: content }];
  return Array.isArray(content) ? content.filter((piece) => !imageTag.test(findPieceText(piece) ?? '')) : undefined;
}

export function findPieceText(piece: Json): string | undefined {
  return isFields(piece) && typeof piece.text === 'string' ? piece.text : undefined;
}

export function isImage(piece: Json): piece is Fields {
  return isFields(piece) && typeof piece.image_url === 'string';
}

export function contentOf(piece: Json): PartContent {
  const text = findPieceText(piece);
  if (text !== undefined) return { type: 'text', text };
  if (!isImage(piece)) return { type: 'data', kind: 'codex/content', value: piece };
  const url = piece.image_url as string;
  return { type: 'file', mime: /^data:([\w.+-]+\/[\w.+-]+)/.exec(url)?.[1] ?? 'image/*', url };
}

/** What the reasoning says in words: its summary, else its raw content. Empty when it is encrypted only. */
export function reasoningOf(item: Fields): string {
  const textsIn = (pieces: Json | undefined) => (Array.isArray(pieces) ? pieces.map(findPieceText) : []);
  const summary = textsIn(item.summary).filter((text) => text !== undefined);
  const texts = summary.length > 0 ? summary : textsIn(item.content).filter((text) => text !== undefined);
  return texts.join('\n\n');
}

export function callOf(item: Fields, callId: string, startedAt: number | undefined): ToolContent {
  const type = item.type as string;
  const name = `${findText(item, 'namespace') ?? ''}${findText(item, 'name') ?? calls.get(type)}`;
  const input = inputOf(item);
  const isWhole = whole.has(type);
  const state = !isWhole ? 'running' : item.status === 'failed' ? 'error' : 'completed';
  return {
    type: 'tool',
    callId,
    tool: name,
    state,
    ...(input === undefined ? {} : { input }),
    ...(isWhole && item.result !== undefined ? { output: item.result } : {}),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(isWhole && startedAt !== undefined ? { endedAt: startedAt } : {}),
  };
}

function inputOf(item: Fields): Json | undefined {
  const input = item.arguments ?? item.input ?? item.action ?? item.revised_prompt;
  if (typeof input !== 'string') return input ?? undefined;
  // Functions have their arguments as JSON in a text; custom tools take any text.
  const parsed = input.startsWith('{') ? parseJson(input) : undefined;
  return parsed ?? input;
}

/** The whole tool part, with its output. `end`: how its end was told, as far as it was. */
export function completedOf(call: ToolContent, item: Fields, at: number | undefined, end: End): ToolContent {
  const { output, exitCode } = outputOf(item);
  const failed =
    end.failed ?? ((exitCode !== undefined && exitCode !== 0) || item.success === false || isRefusal(output));
  const startedAt = end.startedAt ?? call.startedAt;
  const endedAt = end.endedAt ?? at;
  return {
    type: 'tool',
    callId: call.callId,
    tool: call.tool,
    state: failed ? 'error' : 'completed',
    ...(call.input === undefined ? {} : { input: call.input }),
    ...(output === undefined ? {} : { output }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
  };
}

/** What Codex itself says in place of an output, of a call that it did not run or could not. */
const refusal = /^(?:[a-z_]+ (?:verification )?failed: |approval policy is )/;
const isRefusal = (output: Json | undefined) => typeof output === 'string' && refusal.test(output);

/** The output as text where it is one, and the exit code that the shell tools write above it or beside it. */
function outputOf(item: Fields): { output: Json | undefined; exitCode?: number | undefined } {
  const output = item.output ?? item.tools;
  if (Array.isArray(output)) {
    const texts = output.map(findPieceText);
    return { output: output.length > 0 && texts.every((text) => text !== undefined) ? texts.join('\n') : output };
  }
  if (isFields(output)) return { output: findPieceText(output) ?? output };
  if (typeof output !== 'string') return { output };
  const parsed = output.startsWith('{"output":') ? parseJson(output) : undefined;
  if (isFields(parsed) && typeof parsed.output === 'string' && isFields(parsed.metadata))
    return { output: parsed.output, exitCode: Number(parsed.metadata.exit_code ?? 0) };
  const head = exitLine.exec(output);
  return { output, exitCode: head ? Number(head[1]) : undefined };
}

/** How a call ended, out of the event of its end or its completed item; undefined for what tells of no end. */
export function endOf(told: Fields, times: Fields, at: number | undefined): End | undefined {
  const { exit_code, success, status, result, duration } = told;
  // Messages and reasoning are completed items too.
  if ((exit_code ?? success ?? status ?? result) == null) return undefined;
  const reply = isFields(result) ? (findFields(result, 'Ok') ?? result) : {};
  const failed =
    (typeof exit_code === 'number' && exit_code !== 0) ||
    success === false ||
    status === 'failed' ||
    status === 'declined' ||
    reply.Err !== undefined ||
    reply.isError === true;
  const endedAt = timeOf(times.completed_at_ms) ?? at;
  const lasted = isFields(duration) ? Number(duration.secs) * 1000 + Number(duration.nanos) / 1e6 : Number.NaN;
  const startedAt = timeOf(times.started_at_ms) ?? timeOf((endedAt ?? Number.NaN) - lasted);
  return {
    failed,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
  };
}

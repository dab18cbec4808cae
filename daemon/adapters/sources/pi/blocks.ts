// Content blocks and results of a Pi message -> parts.
import type { PartContent } from '../../../../protocol/schema.ts';
import { type Fields, findText, isFields, type Json } from '../../kit/json.ts';
import { restOf } from '../../kit/rest.ts';
import type { ToolContent } from '../../kit/tools.ts';
import { agent } from './session.ts';

/** A block as the part that it is, and what of it that part does not hold: signatures, above all. */
type Content = { part: PartContent; rest?: Fields | undefined };

/** Any block but a tool call. */
export function contentOf(block: Json): Content {
  if (!isFields(block)) return { part: dataOf('block', block) };
  const { type, text, thinking, data, mimeType } = block;
  if (type === 'text' && typeof text === 'string')
    return { part: { type: 'text', text }, rest: restOf(block, ['type', 'text']) };
  if (type === 'thinking' && typeof thinking === 'string')
    return { part: { type: 'reasoning', text: thinking }, rest: restOf(block, ['type', 'thinking']) };
  if (type === 'image' && typeof data === 'string' && typeof mimeType === 'string') {
    const url = `data:${mimeType};base64,${data}`;
    return { part: { type: 'file', mime: mimeType, url }, rest: restOf(block, ['type', 'data', 'mimeType']) };
  }
  return { part: dataOf(findText(block, 'type') ?? 'block', block) };
}

/** What of a tool call its part does not hold. */
export const restOfCall = (block: Fields) => restOf(block, ['type', 'id', 'name', 'arguments']);

export function toolOf(block: Fields, callId: string, startedAt: number | undefined): ToolContent {
  return {
    type: 'tool',
    callId,
    tool: findText(block, 'name') ?? '',
    state: 'running',
    ...(block.arguments === undefined ? {} : { input: block.arguments }),
    ...(startedAt === undefined ? {} : { startedAt }),
  };
}

/** The whole tool part, with its result. */
export function completedOf(call: ToolContent, result: Fields, endedAt: number | undefined): ToolContent {
  return {
    type: 'tool',
    callId: call.callId,
    tool: call.tool,
    state: result.isError === true ? 'error' : 'completed',
    ...(call.input === undefined ? {} : { input: call.input }),
    ...(result.content === undefined ? {} : { output: outputOf(result.content) }),
    ...(call.startedAt === undefined ? {} : { startedAt: call.startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
  };
}

/** A command that the person ran: the part of a message of theirs. */
export function shellOf(message: Fields, callId: string, at: number | undefined): ToolContent {
  const { command, output, exitCode, cancelled } = message;
  const failed = cancelled === true || (typeof exitCode === 'number' && exitCode !== 0);
  return {
    type: 'tool',
    callId,
    tool: 'bash',
    state: failed ? 'error' : 'completed',
    input: { command: command as Json },
    ...(output === undefined ? {} : { output }),
    ...(at === undefined ? {} : { endedAt: at }),
  };
}

function outputOf(content: Json): Json {
  if (!Array.isArray(content)) return content;
  const texts: string[] = [];
  for (const block of content) {
    if (!isFields(block) || block.type !== 'text' || typeof block.text !== 'string') return content;
    texts.push(block.text);
  }
  return texts.join('\n');
}

const dataOf = (kind: string, value: Json): PartContent => ({ type: 'data', kind: `${agent}/${kind}`, value });

// Content blocks of a Claude Code message -> parts. What has no shape of its own becomes a `data` part, kept whole.
import type { PartContent } from '../../../../protocol/schema.ts';
import { type Fields, findText, isFields, type Json } from '../../kit/json.ts';
import type { ToolContent } from '../../kit/tools.ts';

export function dataOf(kind: string, value: Json): PartContent {
  return { type: 'data', kind: `claude-code/${kind}`, value };
}

/** Any block but tool_use and tool_result, which are joined (tools.ts). */
export function contentOf(block: Json, synthetic: boolean): PartContent {
  if (!isFields(block)) return dataOf('block', block);
  const { type } = block;
  if (type === 'text' && typeof block.text === 'string') return textOf(block.text, synthetic);
  if (type === 'thinking' && typeof block.thinking === 'string') return { type: 'reasoning', text: block.thinking };
  if (type === 'image' || type === 'document') return fileOf(block) ?? dataOf(type, block);
  return dataOf(typeof type === 'string' && type !== '' ? type : 'block', block);
}

export function textOf(text: string, synthetic: boolean): PartContent {
  return synthetic ? { type: 'text', text, synthetic } : { type: 'text', text };
}

function fileOf(block: Fields): PartContent | undefined {
  const { source } = block;
  if (!isFields(source)) return undefined;
  const mime = findText(source, 'media_type') ?? (block.type === 'image' ? 'image/*' : 'application/octet-stream');
  const name = findText(block, 'title') ?? findText(block, 'filename');
  const filename = name === undefined ? {} : { filename: name };
  const { type, data, url } = source;
  if (type === 'url' && typeof url === 'string') return { type: 'file', mime, ...filename, url };
  if (typeof data !== 'string') return undefined;
  if (type === 'base64') return { type: 'file', mime, ...filename, url: `data:${mime};base64,${data}` };
  if (type === 'text') return { type: 'file', mime, ...filename, url: `data:${mime},${encodeURIComponent(data)}` };
  return undefined;
}

export function toolOf(block: Fields, callId: string, startedAt: number | undefined): ToolContent {
  const { name, input } = block;
  const tool = typeof name === 'string' ? name : '';
  return {
    type: 'tool',
    callId,
    tool,
    state: 'running',
    ...(input === undefined ? {} : { input }),
    ...(startedAt === undefined ? {} : { startedAt }),
  };
}

/** The whole tool part, with its result. */
export function completedOf(tool: ToolContent, result: Fields, endedAt: number | undefined): ToolContent {
  return {
    type: 'tool',
    callId: tool.callId,
    tool: tool.tool,
    state: result.is_error === true ? 'error' : 'completed',
    ...(tool.title === undefined ? {} : { title: tool.title }),
    ...(tool.input === undefined ? {} : { input: tool.input }),
    ...(result.content === undefined ? {} : { output: outputOf(result.content) }),
    ...(tool.startedAt === undefined ? {} : { startedAt: tool.startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
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

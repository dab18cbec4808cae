// Messages of events, and what the tokens of one are.
import type { PartContent, Usage } from '../../../../protocol/schema.ts';
import { countOf, type Fields, findText, isFields, type Json } from '../../kit/json.ts';

/** Whether a helper speaks, or is spoken to: the tool call that it works for is named, or itself. */
export function isOfSubagent(event: Fields, data: Fields): boolean {
  return findText(event, 'agentId') !== undefined || findText(data, 'parentToolCallId') !== undefined;
}

/** Whether no person typed the words of a user's event: they are a skill's, for a helper, or to make the agent go on. */
export function isSynthetic(event: Fields, data: Fields): boolean {
  const source = findText(data, 'source');
  const isInjected = data.isAutopilotContinuation === true || (source !== undefined && source !== 'user');
  return isInjected || isOfSubagent(event, data);
}

/** Of a usage record. Its input contains what was read from and written to a cache; its cost is not in dollars. */
export function usageOf(record: Fields): Usage {
  const cacheRead = countOf(record.cacheReadTokens);
  const cacheWrite = countOf(record.cacheWriteTokens);
  return {
    input: Math.max(0, countOf(record.inputTokens) - cacheRead - cacheWrite),
    output: countOf(record.outputTokens),
    reasoning: countOf(record.reasoningTokens),
    cacheRead,
    cacheWrite,
  };
}

/** All that versions without usage records tell of an answer. */
export function outputUsageOf(data: Fields): Usage | undefined {
  if (typeof data.outputTokens !== 'number') return undefined;
  return { input: 0, output: countOf(data.outputTokens), reasoning: 0, cacheRead: 0, cacheWrite: 0 };
}

/** A file that is in the event itself, as a part; undefined for what only names one. */
export function fileOf(attachment: Json): PartContent | undefined {
  if (!isFields(attachment)) return undefined;
  const { type, data, mimeType, displayName } = attachment;
  if (type !== 'blob' || typeof data !== 'string' || typeof mimeType !== 'string') return undefined;
  const filename = typeof displayName === 'string' ? { filename: displayName } : {};
  return { type: 'file', mime: mimeType, ...filename, url: `data:${mimeType};base64,${data}` };
}

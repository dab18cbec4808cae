// The message that a user or assistant line belongs to: its params, and what a later line of the same one adds to it.
import type { Usage } from '../../../../protocol/schema.ts';
import type { MessageContent } from '../../kit/conversation.ts';
import { findCopied } from '../../kit/copied.ts';
import { boundedText } from '../../kit/facts.ts';
import { countOf, type Fields, findText, isFields, type Json } from '../../kit/json.ts';

/** The small fields of a line that its message keeps. */
const keptFields = new Set([
  'uuid',
  'parentUuid',
  'logicalParentUuid',
  'requestId',
  'promptId',
  'promptSource',
  'permissionMode',
  'isMeta',
  'isSidechain',
  'isCompactSummary',
  'isVisibleInTranscriptOnly',
  'isApiErrorMessage',
  'isAbortedMidStream',
  'sourceToolUseID',
  'agentId',
  'effort',
  'gitBranch',
  'version',
]);

/** Of the words of an error: its parts hold them all. */
const maxErrorUnits = 4000;

/** The message as its first line tells it. */
export function messageOf(line: Fields, role: 'user' | 'assistant', at: number | undefined): MessageContent {
  const metadata: Fields = {};
  for (const name in line) {
    const value = line[name] as Json;
    if (keptFields.has(name) && value !== false && value !== '' && !isLarge(value)) metadata[name] = value;
  }
  const copiedFrom = findCopied(line);
  if (copiedFrom !== undefined) metadata.copiedFrom = copiedFrom;
  const put: MessageContent = { role, agent: null, metadata, ...(at === undefined ? {} : { createdAt: at }) };
  if (role === 'user') return put;
  const message = line.message as Fields;
  const modelId = findModelId(message);
  put.agent = 'claude-code';
  if (modelId !== undefined) put.model = { providerId: 'anthropic', modelId };
  if (message.stop_reason != null && !isLarge(message.stop_reason)) metadata.stopReason = message.stop_reason;
  const usage = findUsage(line);
  if (usage !== undefined) put.usage = usage;
  const error = findError(line, message);
  if (error !== undefined) put.error = error;
  return put;
}

/**
 * What the message is with another line of it, or undefined when that line says nothing new. Usage only grows: a line
 * that is in the file twice must not set it back. Time, model and the other metadata stay those of the first line.
 */
export function amend(put: MessageContent, line: Fields): MessageContent | undefined {
  const message = line.message as Fields;
  const usage = findUsage(line);
  const grows = usage && (!put.usage || (usage.output >= put.usage.output && !isSameUsage(usage, put.usage)));
  const stopReason = message.stop_reason;
  const stops = stopReason != null && !isLarge(stopReason) && put.metadata?.stopReason !== stopReason;
  const error = put.error === undefined ? findError(line, message) : undefined;
  if (!grows && !stops && error === undefined) return undefined;
  return {
    ...put,
    ...(grows ? { usage } : {}),
    ...(stops ? { metadata: { ...put.metadata, stopReason } } : {}),
    ...(error === undefined ? {} : { error }),
  };
}

/** Whether a user line holds words that Claude Code, not the user, wrote. */
export function isSynthetic(line: Fields): boolean {
  return line.isMeta === true || line.isCompactSummary === true || line.isVisibleInTranscriptOnly === true;
}

/** The model that answered; not the name that Claude Code gives to what it wrote itself. */
export function findModelId(message: Fields): string | undefined {
  const modelId = findText(message, 'model');
  return modelId === '<synthetic>' ? undefined : boundedText(modelId);
}

/** Undefined for a line that was copied from another session: what was used is counted there. */
function findUsage(line: Fields): Usage | undefined {
  const { usage } = line.message as Fields;
  if (!isFields(usage) || findCopied(line) !== undefined) return undefined;
  return {
    input: countOf(usage.input_tokens),
    output: countOf(usage.output_tokens),
    reasoning: 0,
    cacheRead: countOf(usage.cache_read_input_tokens),
    cacheWrite: countOf(usage.cache_creation_input_tokens),
  };
}

function findError(line: Fields, message: Fields): Json | undefined {
  if (line.isApiErrorMessage !== true) return undefined;
  const error: Fields = { kind: 'ApiError' };
  const { content } = message;
  const texts = Array.isArray(content) ? content.map((block) => (isFields(block) ? block.text : undefined)) : [content];
  const words = texts.filter((text) => typeof text === 'string').join('\n');
  error.message = words.slice(0, maxErrorUnits).toWellFormed();
  if (typeof line.error === 'string' && !isLarge(line.error)) error.reason = line.error;
  if (typeof line.apiErrorStatus === 'number') error.status = line.apiErrorStatus;
  return error;
}

const isSameUsage = (a: Usage, b: Usage) =>
  a.input === b.input && a.output === b.output && a.cacheRead === b.cacheRead && a.cacheWrite === b.cacheWrite;

const isLarge = (value: Json) => typeof value === 'object' || (typeof value === 'string' && value.length > 200);

// A message of Qwen Code: what its line says of itself, and which of its words the person said.
import type { Usage } from '../../../../protocol/schema.ts';
import type { MessageContent } from '../../kit/conversation.ts';
import { findCopied } from '../../kit/copied.ts';
import { findPartText } from '../../kit/genai.ts';
import { countOf, type Fields, findFields, findText, isFields, type Json } from '../../kit/json.ts';
import { agent } from './session.ts';

/** The small fields of a line that its message keeps; where it comes from only when that is not plain from its role. */
const keptFields = ['subtype', 'provenance', 'promptId', 'contextWindowSize', 'agentId', 'agentName', 'isSidechain'];

const plain = new Set<Json>(['real_user', 'assistant_output']);

export function messageOf(line: Fields): MessageContent {
  const metadata: Fields = {};
  for (const name of keptFields) {
    const value = line[name];
    if (value === undefined || value === null || typeof value === 'object' || plain.has(value)) continue;
    if (String(value).length <= 200) metadata[name] = value;
  }
  const copiedFrom = findCopied(line);
  if (copiedFrom !== undefined) metadata.copiedFrom = copiedFrom;
  if (line.type === 'user') return { role: 'user', agent: null, metadata };
  const content: MessageContent = { role: 'assistant', agent, metadata };
  const modelId = findText(line, 'model');
  if (modelId !== undefined) content.model = { providerId: agent, modelId };
  // What a copy used is counted in the session that it was copied from.
  const usage = copiedFrom === undefined ? findUsage(line.usageMetadata) : undefined;
  if (usage !== undefined) content.usage = usage;
  return content;
}

/**
 * `promptTokenCount` holds what came from the cache. Thoughts are counted among the candidates by some providers and beside
 * them by others: the total tells.
 */
function findUsage(counts: Json | undefined): Usage | undefined {
  if (!isFields(counts) || Object.keys(counts).length === 0) return undefined;
  const prompt = countOf(counts.promptTokenCount);
  const candidates = countOf(counts.candidatesTokenCount);
  const thoughts = countOf(counts.thoughtsTokenCount);
  const cached = countOf(counts.cachedContentTokenCount);
  const total = countOf(counts.totalTokenCount);
  const within = total > 0 && total < prompt + candidates + thoughts;
  return {
    input: Math.max(0, prompt - cached),
    output: within ? Math.max(0, candidates - thoughts) : candidates,
    reasoning: thoughts,
    cacheRead: cached,
    cacheWrite: 0,
  };
}

/** What hooks add to a prompt. */
const wrapped = /^\s*<qwen:user-prompt-submit-context>/;
const spoken = new Set([undefined, 'mid_turn_user_message', 'realtime_message']);

/** Whether a user line holds words of the person: else it tells of a task in the background, of a timer, of a goal. */
function isSpoken(line: Fields): boolean {
  const { provenance = 'real_user', subtype } = line;
  return provenance === 'real_user' && spoken.has(subtype as string | undefined);
}

/** What a user line shows as typed, where the prompt itself holds more than that. */
export function findTyped(line: Fields, parts: Json[]): string | undefined {
  const typed = isSpoken(line) ? findText(findFields(line, 'systemPayload') ?? {}, 'displayText') : undefined;
  return typed === undefined || parts.some((part) => findPartText(part) === typed) ? undefined : typed;
}

/** Whether the text of this part was put there by no person. */
export function isSynthetic(line: Fields, part: Json, typed: string | undefined): boolean {
  if (line.type !== 'user') return false;
  return typed !== undefined || !isSpoken(line) || wrapped.test(findPartText(part) ?? '');
}

/** The words of the person, '' when there are none. */
export function promptOf(line: Fields, parts: Json[]): string {
  const typed = findTyped(line, parts);
  if (typed !== undefined) return typed;
  return parts.map((part) => (isSynthetic(line, part, typed) ? '' : (findPartText(part) ?? ''))).join('');
}

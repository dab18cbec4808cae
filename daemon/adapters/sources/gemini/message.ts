// A message of Gemini CLI: whose it is, what it says of itself, and the title that a prompt suggests.
import type { Usage } from '../../../../protocol/schema.ts';
import type { MessageContent } from '../../kit/conversation.ts';
import { countOf, type Fields, findText, isFields, type Json } from '../../kit/json.ts';
import type { TitleRank } from '../../kit/title.ts';

/** The types of records that are messages, and the role of each. What the CLI itself notes is neither side's. */
const roles = { user: 'user', gemini: 'assistant', info: 'system', warning: 'system', error: 'system' } as const;
type MessageType = keyof typeof roles;

export const isMessageType = (type: string): type is MessageType => Object.hasOwn(roles, type);

/** The message's own name in its session: the role of a message is fixed, so that each role has its own. */
export function messageName(type: string, id: string): string {
  const role = isMessageType(type) ? roles[type] : 'system';
  return role === 'assistant' ? id : `${role}:${id}`;
}

/** Role and metadata: all that is put when only a mark of it changes. */
export function markedContent(type: string, mark: Fields = {}): MessageContent {
  const role = isMessageType(type) ? roles[type] : 'system';
  return { role, metadata: { ...(role === 'system' ? { level: type } : {}), ...mark } };
}

/** The message of a record. What a later version of it does not tell, as a checkpoint's does not, stays as it was. */
export function messageOf(fields: Fields, type: string): MessageContent {
  const content: MessageContent = { ...markedContent(type), agent: type === 'gemini' ? 'gemini' : null };
  if (type === 'error') content.error = { kind: 'Error', message: textOf(fields.content) };
  if (type !== 'gemini') return content;
  const modelId = findText(fields, 'model');
  if (modelId !== undefined) content.model = { providerId: 'google', modelId };
  const usage = findUsage(fields.tokens);
  if (usage !== undefined) content.usage = usage;
  return content;
}

const textOf = (content: Json | undefined) => (typeof content === 'string' ? content : JSON.stringify(content ?? ''));

/** In the format `input` holds `cached`, and neither `thoughts` nor `tool` is in another count: total is the sum. */
function findUsage(tokens: Json | undefined): Usage | undefined {
  if (!isFields(tokens)) return undefined;
  const cached = countOf(tokens.cached);
  return {
    input: countOf(Math.max(0, countOf(tokens.input) - cached), tokens.tool),
    output: countOf(tokens.output),
    reasoning: countOf(tokens.thoughts),
    cacheRead: cached,
    cacheWrite: 0,
  };
}

/** The title that the words of the person suggest. */
export function titleOf(text: string): [rank: TitleRank, title: string] {
  return [/^\s*\/[\w:-]+(\s|$)/.test(text) ? 'command' : 'prompt', text];
}

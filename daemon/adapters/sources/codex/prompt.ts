// Which of the messages that the model got as the user's are words of a person, and the title that those suggest.
import { type Fields, findFields, type Json } from '../../kit/json.ts';

/** What Codex itself puts before the model in the user's name. */
const wrapper =
  /^\s*(?:# AGENTS\.md instructions\b|<(?:environment_context|user_instructions|INSTRUCTIONS|permissions instructions|skill|user_shell_command|user_action|turn_aborted|subagent_notification|goal_context|hook_prompt|codex_internal_context)\b)/i;
/** What editors put before the words of the user, in the same text. */
const context = /^# Context from my IDE setup:/m;
const request = /^## My request for Codex:\s*/m;

/** Whether a person typed this: as newer versions say of each piece of it, else by how its texts begin. */
export function isPrompt(item: Fields, texts: string[], hasImage: boolean): boolean {
  const kinds = findFields(item, 'internal_chat_message_metadata_passthrough')?.content_item_kinds;
  if (Array.isArray(kinds) && kinds.length > 0) return kinds.some(isOfUser);
  return hasImage || texts.some((text) => text !== '' && !wrapper.test(text));
}

/** The text without what editors put before it. One search after the other: as one pattern it would begin at each context. */
export function titleOfPrompt(text: string): string {
  const start = text.search(context);
  const found = start < 0 ? null : request.exec(text.slice(start));
  return found ? text.slice(0, start) + text.slice(start + found.index + found[0].length) : text;
}

const isOfUser = (kind: Json) => typeof kind === 'string' && kind.startsWith('user.');

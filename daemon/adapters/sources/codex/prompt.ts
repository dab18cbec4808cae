// Which of the messages that the model got as the user's are words of a person, and the title that those suggest.
import { type Fields, findFields, type Json } from '../../kit/json.ts';

/** What Codex itself puts before the model in the user's name. */
const wrapper =
  /^\s*(?:# AGENTS\.md instructions\b|<(?:environment_context|user_instructions|INSTRUCTIONS|permissions instructions|skill|user_shell_command|user_action|turn_aborted|subagent_notification|goal_context|hook_prompt|codex_internal_context)\b)/i;

/** A command that the person ran with `!`. */
export type Shell = { command: string; exitCode: number; output: string };

/** How Codex tells the model of it. */
const [open, between, close] = [
  '<user_shell_command>\n<command>\n',
  '\n</command>\n<result>\n',
  '\n</result>\n</user_shell_command>',
];

/** The command that an item with these texts tells of; undefined where it tells anything else, or not how it ended. */
export function findShell(texts: string[]): Shell | undefined {
  const text = texts.length === 1 ? (texts[0] as string).trim() : '';
  const end = text.indexOf(between);
  if (!text.startsWith(open) || !text.endsWith(close) || end < 0) return undefined;
  const result = text.slice(end + between.length, -close.length);
  const head = /^Exit code: (-?\d+)\n(?:Duration: [^\n]*\n)?Output:\n?/.exec(result);
  if (head === null) return undefined;
  return { command: text.slice(open.length, end), exitCode: Number(head[1]), output: result.slice(head[0].length) };
}

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

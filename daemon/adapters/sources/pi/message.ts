// The message that a Pi entry makes: its params, and the title that a prompt suggests.
import type { Usage } from '../../../../protocol/schema.ts';
import type { MessageContent } from '../../kit/conversation.ts';
import { countOf, type Fields, findFields, findText, type Json } from '../../kit/json.ts';
import { agent, modelOf } from './session.ts';

/** An answer. What Pi counts of it is kept as it is too: the cost is told in parts. */
export function answerOf(message: Fields): MessageContent {
  const usage = findUsage(message);
  const error = findError(message);
  return {
    role: 'assistant',
    agent,
    model: modelOf(message.provider, message.model) ?? null,
    ...(usage === undefined ? {} : { usage }),
    ...(message.usage === undefined ? {} : { metadata: { usage: message.usage } }),
    ...(error === undefined ? {} : { error }),
  };
}

/** Pi counts what was read from or written to a cache apart from the input, and the whole cost of the answer in dollars. */
function findUsage(message: Fields): Usage | undefined {
  const usage = findFields(message, 'usage');
  if (usage === undefined) return undefined;
  const total = findFields(usage, 'cost')?.total;
  return {
    input: countOf(usage.input),
    output: countOf(usage.output),
    reasoning: countOf(usage.reasoning),
    cacheRead: countOf(usage.cacheRead),
    cacheWrite: countOf(usage.cacheWrite),
    ...(typeof total === 'number' && total >= 0 && total <= 1e9 ? { costUsd: total } : {}),
  };
}

function findError(message: Fields): Json | undefined {
  const { stopReason } = message;
  const text = findText(message, 'errorMessage');
  if (text === undefined && stopReason !== 'error' && stopReason !== 'aborted') return undefined;
  return { kind: typeof stopReason === 'string' ? stopReason : 'error', message: text ?? '' };
}

/** Files and skills that Pi puts before the words of the person, in the same text. */
const preface = /^\s*<(file|skill) name="([^"]*)"[^>]*>[\s\S]*?<\/\1>/;

/** The title that a prompt suggests: its words, or the skill alone when none were said with it. */
export function titleOf(text: string): { rank: 'prompt' | 'command'; title: string } | undefined {
  let words = text;
  let skill: string | undefined;
  for (let match = preface.exec(words); match; match = preface.exec(words)) {
    if (match[1] === 'skill') skill ??= match[2];
    words = words.slice(match[0].length);
  }
  if (words.trim() !== '') return { rank: 'prompt', title: words };
  return skill === undefined ? undefined : { rank: 'command', title: `/skill:${skill}` };
}

// What a transcript of Gemini CLI holds, counted by another way than the adapter's: plain JSON.parse and sets of names.
import type { SourceFold } from '../support/fold-source.ts';

export type Counts = {
  messages: number;
  tools: number;
  completed: number;
  texts: string[];
  thoughts: number;
  output: number;
};

export function countGeminiFold(fold: SourceFold): Counts {
  const parts = [...fold.parts.values()];
  const tools = parts.filter((part) => part.type === 'tool');
  const outputs = [...fold.messages.values()].map(
    ({ usage }) => (usage as { output: number } | undefined)?.output ?? 0,
  );
  return {
    // What is carried by a message of our own was not said by anyone.
    messages: [...fold.messages.values()].filter(({ role, metadata }) => role !== 'system' || metadata).length,
    tools: tools.length,
    completed: tools.filter(({ state }) => state === 'completed' || state === 'error').length,
    texts: parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).sort(),
    thoughts: parts.filter(({ type }) => type === 'reasoning').length,
    output: outputs.reduce((sum, output) => sum + output, 0),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: whatever is in the file
type Any = any;

export function countGemini(text: string): Counts {
  const messages = new Set<string>();
  const calls = new Set<string>();
  const results = new Set<string>();
  const texts = new Map<string, string>();
  const thoughts = new Set<string>();
  const outputs = new Map<string, number>();
  for (const record of recordsOf(text)) {
    const parts = listOf(record.content);
    for (const part of parts) {
      if (part.functionCall) calls.add(part.functionCall.id);
      if (part.functionResponse) results.add(part.functionResponse.id);
    }
    if (!['user', 'gemini', 'info', 'warning', 'error'].includes(record.type)) continue;
    const isContext = parts.length > 0 && parts.every((part) => part.text?.startsWith('<session_context>'));
    if (isContext || (parts.length > 0 && parts.every((part) => part.functionResponse))) continue;
    messages.add(record.id);
    const said = parts.flatMap((part) => part.text || []);
    const shown = listOf(record.displayContent).flatMap((part) => part.text || []);
    for (const [index, each] of said.entries()) texts.set(`${record.id} ${index}`, each);
    for (const each of shown) if (!said.includes(each)) texts.set(`${record.id} shown`, each);
    for (const index of (record.thoughts ?? []).keys()) thoughts.add(`${record.id} ${index}`);
    if (record.tokens) outputs.set(record.id, record.tokens.output);
    for (const call of record.toolCalls ?? []) {
      calls.add(call.id);
      if (call.status === 'success' || call.status === 'error') results.add(call.id);
    }
  }
  return {
    messages: messages.size,
    tools: calls.size,
    completed: [...calls].filter((id) => results.has(id)).length,
    texts: [...texts.values()].sort(),
    thoughts: thoughts.size,
    output: [...outputs.values()].reduce((sum, output) => sum + output, 0),
  };
}

/** Every record with an id, in file order, those of checkpoints too. */
function recordsOf(text: string): Any[] {
  if (text.startsWith('{\n')) return JSON.parse(text).messages;
  const lines: Any[] = text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
  return lines.flatMap((line) => (line.id ? [line] : (line.$set?.messages ?? [])));
}

function listOf(content: Any): Any[] {
  if (!content) return [];
  return Array.isArray(content) ? content : [{ text: content }];
}

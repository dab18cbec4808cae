// What the sample transcripts hold, counted with nothing but JSON.parse and SQL: by another way than the adapters take.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import Database from 'better-sqlite3';
import type { SourceKind } from '../../daemon/source-kinds.ts';
import { countGemini } from '../adapters/gemini-count.ts';

/** Of one session. `prompts`: whether anybody typed anything, from which a title comes. */
export type Counted = {
  path: string;
  /** The agent's own id, where several sessions are in one file. */
  externalId?: string;
  messages: number;
  tools: number;
  directory: string | undefined;
  prompts: boolean;
};

// biome-ignore lint/suspicious/noExplicitAny: whatever is in the file
type Any = any;

/** The sessions in these files: those that have a message. */
export function countSamples(kind: SourceKind, paths: string[]): Counted[] {
  if (kind === 'opencode') return countOpencode(paths);
  const count = counters[kind];
  return paths.map((path) => ({ path, ...count(readFileSync(path, 'utf8')) })).filter(({ messages }) => messages > 0);
}

const counters: Record<Exclude<SourceKind, 'opencode'>, (text: string) => Omit<Counted, 'path'>> = {
  'claude-code': countClaude,
  codex: countCodex,
  copilot: countCopilot,
  gemini: (text) => {
    const { messages, tools } = countGemini(text);
    const directory = /- \*\*Workspace Directories:\*\*\\n\s*- (.+?)\\n/.exec(text)?.[1];
    return { messages, tools, directory, prompts: /"type": ?"user"/.test(text) };
  },
  pi: countPi,
  qwen: countQwen,
};

/** Lines that are objects. */
function linesOf(text: string): Any[] {
  return text.split('\n').flatMap((line) => {
    try {
      const value = JSON.parse(line);
      return typeof value === 'object' && value !== null && !Array.isArray(value) ? [value] : [];
    } catch {
      return [];
    }
  });
}

const firstText = (values: unknown[]) =>
  values.find((value): value is string => typeof value === 'string' && value !== '');
const blocksOf = (content: Any): Any[] => (Array.isArray(content) ? content : []);

/** Messages are user lines with more than tool results, and answers by their id. */
function countClaude(text: string): Omit<Counted, 'path'> {
  const lines = linesOf(text);
  const messages = new Set<string>();
  const tools = new Set<string>();
  for (const [index, { type, uuid, message }] of lines.entries()) {
    const content = message?.content;
    const blocks = blocksOf(content);
    const isResults = blocks.length > 0 && blocks.every((block) => block?.type === 'tool_result');
    const holdsText = typeof content === 'string' || (blocks.length > 0 && !isResults);
    if (type === 'user' && holdsText) messages.add(`user ${String(uuid ?? index)}`);
    if (type !== 'assistant' || !message) continue;
    messages.add(`assistant ${String(message.id ?? uuid ?? index)}`);
    for (const [at, block] of blocks.entries()) if (block.type === 'tool_use') tools.add(block.id ?? `${index} ${at}`);
  }
  const directory = firstText(lines.map(({ cwd }) => cwd));
  return { messages: messages.size, tools: tools.size, directory, prompts: true };
}

/** Messages are the prompts, and what the assistant did between two of them or two turns. */
function countCodex(text: string): Omit<Counted, 'path'> {
  const tools = new Set<string>();
  let messages = 0;
  let prompts = false;
  let turn = '';
  let answered = false;
  let total = '';
  for (const [index, { type, payload = {} }] of linesOf(text).entries()) {
    const kind: string = payload.type ?? 'message';
    const isItem = type === 'response_item';
    let answers = false;
    if (typeof payload.turn_id === 'string' && type === 'turn_context' && payload.turn_id !== turn) {
      turn = payload.turn_id;
      answered = false;
    }
    if (isItem && kind === 'message' && payload.role === 'user') {
      const texts = blocksOf(payload.content).flatMap((each) => each.text ?? []);
      if (
        texts.every((each) =>
          /^\s*(?:<(?:environment_context|turn_aborted|user_instructions|permissions)|# AGENTS\.md)/.test(each),
        )
      )
        continue;
      messages += 1;
      prompts = true;
      answered = false;
    } else if (isItem && kind === 'message' && payload.role === 'assistant') answers = true;
    else if (isItem && kind === 'reasoning') answers = blocksOf(payload.summary).length > 0;
    else if (isItem && /^(function|custom_tool|local_shell|tool_search|web_search|image_generation)_call$/.test(kind)) {
      answers = true;
      tools.add(payload.call_id ? `${payload.call_id} ${index}` : String(index));
    } else if (kind === 'token_count' && payload.info?.total_token_usage) {
      const told = JSON.stringify(payload.info.total_token_usage);
      answers = told !== total;
      total = told;
    } else if (kind === 'error' || kind === 'turn_aborted') answers = true;
    if (answers && !answered) messages += 1;
    answered ||= answers;
  }
  const lines = linesOf(text);
  const directory = firstText(lines.map(({ type, payload }) => (type === 'session_meta' ? payload.cwd : undefined)));
  return { messages, tools: tools.size, directory, prompts };
}

function countCopilot(text: string): Omit<Counted, 'path'> {
  const events = linesOf(text);
  const isMessage = ({ type }: Any) => /^(user|assistant)\.message$/.test(type);
  const told = events.slice(events.findIndex(isMessage));
  const ids = told.flatMap(({ type, data }) => {
    if (type === 'assistant.message') return data.toolRequests.map((each: Any) => each.toolCallId);
    return /^tool\.execution_(start|complete)$/.test(type) ? [data.toolCallId] : [];
  });
  return {
    messages: events.filter(isMessage).length,
    tools: new Set(ids).size,
    directory: firstText(events.map(({ data }) => data.context?.cwd)),
    prompts: events.some(({ type }) => type === 'user.message'),
  };
}

function countPi(text: string): Omit<Counted, 'path'> {
  const entries = linesOf(text);
  const messages = entries.flatMap(({ type, message }) => (type === 'message' ? [message] : []));
  const said = messages.filter(({ role }) => ['user', 'assistant', 'bashExecution'].includes(role));
  const calls = said.flatMap(({ content }) => blocksOf(content).filter(({ type }) => type === 'toolCall'));
  const shells = said.filter(({ role }) => role === 'bashExecution').length;
  const directory = firstText(entries.map(({ cwd }) => cwd));
  return { messages: said.length, tools: new Set(calls.map(({ id }) => id)).size + shells, directory, prompts: true };
}

function countQwen(text: string): Omit<Counted, 'path'> {
  const lines = linesOf(text);
  const said = lines.filter(({ type }) => type === 'user' || type === 'assistant');
  const calls = said.flatMap(({ message }) => message.parts.flatMap((part: Any) => part.functionCall?.id ?? []));
  return {
    messages: new Set(said.map(({ type, uuid }) => `${type} ${uuid}`)).size,
    tools: new Set(calls).size,
    directory: firstText(lines.map(({ cwd }) => cwd)),
    prompts: true,
  };
}

/** The tree and the databases: each session in them. */
function countOpencode(paths: string[]): Counted[] {
  const documents = paths
    .filter((path) => path.endsWith('.json'))
    .map((path) => ({ ...JSON.parse(readFileSync(path, 'utf8')), path }));
  const isIn = (kind: string, { path }: Any) => path.includes(`/storage/${kind}/`);
  const sessions = documents.filter((each) => isIn('session', each));
  const inTree = sessions.map(({ path, id, directory }) => {
    const isOwn = (each: Any) => each.sessionID === id || each.path.includes(`/message/${id}/`);
    const of = (kind: string) => documents.filter((each) => isIn(kind, each) && isOwn(each));
    const tools = of('part').filter(({ type }) => type === 'tool').length;
    return { path, externalId: id, messages: of('message').length, tools, directory, prompts: true };
  });
  return [...inTree, ...paths.filter((path) => basename(path) === 'opencode.db').flatMap(countDatabase)];
}

function countDatabase(path: string): Counted[] {
  const db = new Database(path, { readonly: true });
  try {
    const rows = db.prepare(`
      SELECT id AS externalId, directory,
        (SELECT count(*) FROM message WHERE session_id = session.id) AS messages,
        (SELECT count(*) FROM part WHERE session_id = session.id AND data ->> 'type' = 'tool') AS tools
      FROM session`);
    return (rows.all() as Omit<Counted, 'path' | 'prompts'>[]).map((row) => ({ ...row, path, prompts: true }));
  } finally {
    db.close();
  }
}

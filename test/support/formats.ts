// Transcripts made up record by record, for tests that change them at random: a unit is what an agent writes at once (a call
// with its result, an answer in its lines), so that to drop or move one leaves a file that an agent could have written.
import { join } from 'node:path';
import type { Source } from '../../daemon/adapters/adapter.ts';
import { sourceKinds } from '../../daemon/source-kinds.ts';
import { agentFolders } from '../../protocol/node/paths.ts';
import type { Home } from './home.ts';

export type Unit = string[];

export type Format = {
  kind: 'claude-code' | 'codex' | 'pi' | 'gemini';
  /** Whether it grows line by line; else it is written whole each time. */
  grows: boolean;
  /** Whether what a record belongs to is told by those before it only. */
  byPlace?: true;
  /** Below the agent's folder; another number is another folder. */
  pathOf(sessionId: string, folder: number): string;
  /** What a file begins with, and what is never dropped. */
  header(sessionId: string): Unit;
  /** The n-th unit. Those of one kind that have no id are alike. */
  unit(sessionId: string, n: number): Unit;
  /** The record with another text, always longer; undefined where it says none. */
  edit(record: string, n: number): string | undefined;
  join(records: string[]): string;
};

/** Names of sessions, all of one length; the first 8 digits tell them apart. */
export const sessionIdOf = (n: number) => `${(0xa0000000 + n).toString(16)}-2222-4333-8444-555555555555`;

const at = (n: number, step = 0) => new Date(Date.UTC(2026, 2, 4, 10) + n * 1000 + step).toISOString();
const json = (...records: object[]): Unit => records.map((record) => JSON.stringify(record));
const lines = (records: string[]) => records.map((record) => `${record}\n`).join('');
/** The text `…` in a field called `text`, `content` or `output` becomes `…~n`. */
const lengthen = (record: string, n: number) => {
  const edited = record.replace(/"(text|content|output)":"([^"\\]*)"/, (_, name, text) => `"${name}":"${text}~${n}"`);
  return edited === record ? undefined : edited;
};

const claudeCode: Format = {
  kind: 'claude-code',
  grows: true,
  pathOf: (id, folder) => `-work-${folder}/${id}.jsonl`,
  header: () => [],
  unit: (sessionId, n) => {
    const line = (type: string, step: number, more: object) => ({
      type,
      uuid: `${type}-${n}-${step}`,
      sessionId,
      cwd: '/work',
      timestamp: at(n, step),
      ...more,
    });
    const answer = (step: number, block: object) => {
      const usage = { input_tokens: 3, output_tokens: step * 10 };
      return line('assistant', step, {
        message: { id: `answer-${n}`, role: 'assistant', model: 'model-x', content: [block], usage },
      });
    };
    const result = { type: 'tool_result', tool_use_id: `call-${n}`, content: `found ${n}` };
    const kinds: object[][] = [
      [line('user', 0, { message: { role: 'user', content: `ask ${n} 😀` } })],
      [
        answer(1, { type: 'text', text: `say ${n}` }),
        answer(2, { type: 'tool_use', id: `call-${n}`, name: 'Bash', input: { n } }),
        line('user', 3, { message: { role: 'user', content: [result] } }),
      ],
      [{ type: 'mode', mode: 'plan', sessionId }],
      [{ type: 'custom-title', customTitle: `Title ${n}`, sessionId }],
      // The first of them is longer than what is read at once.
      [line('system', 0, { subtype: 'local_command', content: `did ${n}${n === 4 ? '.'.repeat(300_000) : ''}` })],
    ];
    return n % 6 === 5 ? ['no JSON ☕'] : json(...kinds[n % 6]!);
  },
  edit: lengthen,
  join: lines,
};

const codex: Format = {
  kind: 'codex',
  grows: true,
  byPlace: true,
  pathOf: (id, folder) =>
    `${folder % 2 ? 'archived_sessions' : `sessions/2026/03/0${folder + 1}`}/rollout-2026-03-04T10-00-00-${id}.jsonl`,
  header: (id) =>
    json({ timestamp: at(0), type: 'session_meta', payload: { id, cwd: '/work', cli_version: '0.104.0' } }),
  unit: (_id, n) => {
    const line = (type: string, step: number, payload: object) => ({ timestamp: at(n, step), type, payload });
    const item = (type: string, step: number, more: object) => line('response_item', step, { type, ...more });
    const tokens = (count: number) => ({ input_tokens: count, output_tokens: count });
    const counts = { total_token_usage: tokens(n * 100), last_token_usage: tokens(100) };
    const kinds: object[][] = [
      [
        line('turn_context', 0, { turn_id: `turn-${n}`, cwd: '/work', model: 'gpt-x' }),
        item('message', 1, { role: 'user', content: [{ type: 'input_text', text: `ask ${n} 😀` }] }),
        item('message', 2, { role: 'assistant', content: [{ type: 'output_text', text: `say ${n}` }] }),
        item('function_call', 3, { name: 'shell', arguments: '{}', call_id: `call-${n}` }),
        item('function_call_output', 4, { call_id: `call-${n}`, output: `found ${n}` }),
        line('event_msg', 5, { type: 'token_count', info: counts }),
        line('event_msg', 6, { type: 'task_complete', turn_id: `turn-${n}` }),
      ],
      [line('event_msg', 0, { type: 'shrug', text: `did ${n}` })],
      [item('message', 0, { id: `item-${n}`, role: 'user', content: [{ type: 'input_text', text: `more ${n}` }] })],
    ];
    return n % 4 === 3 ? ['no JSON ☕'] : json(...kinds[n % 4]!);
  },
  edit: lengthen,
  join: lines,
};

const pi: Format = {
  kind: 'pi',
  grows: true,
  pathOf: (id, folder) => `sessions/--work-${folder}--/2026-03-04T10-00-00-000Z_${id}.jsonl`,
  header: (id) => json({ type: 'session', version: 3, id, timestamp: at(0), cwd: '/work' }),
  unit: (_id, n) => {
    const entry = (type: string, step: number, more: object) => ({
      type,
      id: `0000${n}-${step}`,
      timestamp: at(n, step),
      ...more,
    });
    const said = (step: number, message: object) => entry('message', step, { message });
    const call = { type: 'toolCall', id: `call-${n}`, name: 'bash', arguments: { n } };
    const kinds: object[][] = [
      [said(0, { role: 'user', content: [{ type: 'text', text: `ask ${n} 😀` }] })],
      [
        said(1, {
          role: 'assistant',
          content: [{ type: 'text', text: `say ${n}` }, call],
          provider: 'p',
          model: 'm',
          usage: { input: 1, output: n },
        }),
        said(2, {
          role: 'toolResult',
          toolCallId: `call-${n}`,
          toolName: 'bash',
          content: [{ type: 'text', text: `found ${n}` }],
        }),
      ],
      [entry('label', 0, { text: `did ${n}` })],
      [entry('session_info', 0, { name: `Title ${n}` })],
    ];
    return n % 5 === 4 ? ['no JSON ☕'] : json(...kinds[n % 5]!);
  },
  edit: lengthen,
  join: lines,
};

const gemini: Format = {
  kind: 'gemini',
  grows: false,
  pathOf: (id, folder) => `tmp/project-${folder}/chats/session-2026-03-04T10-00-${id.slice(0, 8)}.json`,
  header: (id) => json({ sessionId: id, projectHash: 'b0ba', startTime: at(0), lastUpdated: at(0) }),
  unit: (_id, n) => {
    const user = { id: `ask-${n}`, timestamp: at(n), type: 'user', content: `ask ${n} 😀` };
    const call = { id: `call-${n}`, name: 'shell', args: { n }, status: 'success', timestamp: at(n, 2) };
    const result = [{ functionResponse: { id: `call-${n}`, name: 'shell', response: { output: `found ${n}` } } }];
    const answer = {
      id: `say-${n}`,
      timestamp: at(n, 1),
      type: 'gemini',
      content: `say ${n}`,
      model: 'gemini-x',
      tokens: { input: 1, output: n, cached: 0, thoughts: 0, tool: 0, total: n },
      toolCalls: [{ ...call, result }],
    };
    return n % 3 === 2
      ? json({ id: `info-${n}`, timestamp: at(n), type: 'info', content: 'noted' })
      : json(user, answer);
  },
  edit: lengthen,
  join: ([header = '{}', ...messages]) =>
    JSON.stringify({ ...JSON.parse(header), messages: messages.map((message) => JSON.parse(message)) }, null, 2),
};

export const formats: Format[] = [claudeCode, codex, pi, gemini];

/** Where the agent of this kind writes, in this home. */
export function folderOf(home: Home, kind: Format['kind']): string {
  return agentFolders(home.env)[kind];
}

export function sourceOf(home: Home, kind: Format['kind']): Source {
  return sourceKinds[kind](folderOf(home, kind));
}

export const pathIn = (home: Home, format: Format, sessionId: string, folder: number) =>
  join(folderOf(home, format.kind), format.pathOf(sessionId, folder));

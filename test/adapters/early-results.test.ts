import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Source } from '../../daemon/adapters/adapter.ts';
import { claudeCodeSource } from '../../daemon/adapters/sources/claude-code.ts';
import { codexSource } from '../../daemon/adapters/sources/codex.ts';
import { piSource } from '../../daemon/adapters/sources/pi.ts';
import { qwenSource } from '../../daemon/adapters/sources/qwen.ts';
import { linesOf, readInto, SourceFold, transcriptOf } from '../support/fold-source.ts';

const home = '/home/dev/agent';
const id = '11111111-2222-4333-8444-555555555555';
const at = (second: number) => new Date(Date.UTC(2026, 2, 4, 10, 0, second)).toISOString();

const claude = (uuid: string, type: string, content: unknown) => ({
  type,
  uuid,
  timestamp: at(1),
  message: { id: uuid, content },
});
const codex = (second: number, payload: object) => ({ timestamp: at(second), type: 'response_item', payload });
const pi = (name: string, second: number, message: object) => ({
  type: 'message',
  id: name,
  timestamp: at(second),
  message,
});
const qwen = (uuid: string, type: string, ...parts: object[]) => ({
  uuid,
  sessionId: id,
  timestamp: at(1),
  type,
  message: { parts },
});

const cases: [name: string, source: Source, path: string, lines: object[]][] = [
  [
    'Claude Code',
    claudeCodeSource(home),
    `-p/${id}.jsonl`,
    [
      claude('u1', 'user', 'Hi'),
      claude('u2', 'user', [{ type: 'tool_result', tool_use_id: 'c', content: 'old' }]),
      claude('a', 'assistant', [{ type: 'tool_use', id: 'c', name: 'Bash', input: {} }]),
    ],
  ],
  [
    'Codex',
    codexSource(home),
    `sessions/2026/03/04/rollout-2026-03-04T10-00-00-${id}.jsonl`,
    [
      codex(1, { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hi' }] }),
      codex(2, { type: 'function_call_output', call_id: 'c', output: 'old' }),
      codex(3, { type: 'function_call', call_id: 'c', name: 'shell', arguments: '{}' }),
    ],
  ],
  [
    'Pi',
    piSource(home),
    `sessions/--p--/2026_${id}.jsonl`,
    [
      pi('1', 1, { role: 'user', content: 'Hi' }),
      pi('2', 2, { role: 'toolResult', toolCallId: 'c', toolName: 'bash', content: [{ type: 'text', text: 'old' }] }),
      pi('3', 3, { role: 'assistant', content: [{ type: 'toolCall', id: 'c', name: 'bash', arguments: {} }] }),
    ],
  ],
  [
    'Qwen Code',
    qwenSource(home),
    `projects/-p/chats/${id}.jsonl`,
    [
      qwen('1', 'user', { text: 'Hi' }),
      qwen('2', 'tool_result', { functionResponse: { id: 'c', name: 'shell', response: { output: 'old' } } }),
      qwen('3', 'assistant', { functionCall: { id: 'c', name: 'shell', args: {} } }),
    ],
  ],
];

describe.each(cases)('a result that stands before its call, of %s', (_name, source, path, lines) => {
  it('[P26] stays data when the file is read again, however it is split: the call runs on', () => {
    const transcript = transcriptOf(source, join(home, path));
    const all = linesOf(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const fold = new SourceFold();
    readInto(fold, source, transcript, all, []);
    const { changes } = fold;
    const parts = [...fold.parts.values()];
    expect(parts.filter(({ type }) => type === 'tool')).toMatchObject([{ callId: 'c', state: 'running' }]);
    expect(parts.some((part) => part.type === 'data' && JSON.stringify(part.value).includes('old'))).toBe(true);
    for (const cuts of [[], [0], [1], [0, 1, 2]]) readInto(fold, source, transcript, all, cuts);
    expect(fold.changes).toBe(changes);
  });
});

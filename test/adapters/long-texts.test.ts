// Texts made to make a pattern try every way to share them. A reader that is not linear would hold up the whole daemon for
// hours; here it is stopped, which also ends a pattern that is being matched.
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import type { Source } from '../../daemon/adapters/adapter.ts';
import { claudeCodeSource } from '../../daemon/adapters/sources/claude-code.ts';
import { codexSource } from '../../daemon/adapters/sources/codex.ts';
import { copilotSource } from '../../daemon/adapters/sources/copilot.ts';
import { geminiSource } from '../../daemon/adapters/sources/gemini.ts';
import { piSource } from '../../daemon/adapters/sources/pi.ts';
import { qwenSource } from '../../daemon/adapters/sources/qwen.ts';
import { linesOf, SourceFold, transcriptOf } from '../support/fold-source.ts';

/** A pattern that tries every pair of places takes a minute or more of so many; one that is linear, 20 ms. */
const units = 500_000;
const stopMs = 20_000;
const runs = [' ', '\n', 'a', '<'];
const home = '/home/dev/agent';
const id = '11111111-2222-4333-8444-555555555555';
const timestamp = '2026-03-04T10:00:00Z';

type Case = { source: Source; path: string; prompt: (text: string) => object; openers: string[] };

const cases: [name: string, of: Case][] = [
  [
    'claude-code',
    {
      source: claudeCodeSource(home),
      path: `-p/${id}.jsonl`,
      prompt: (text) => ({ type: 'user', uuid: 'u', timestamp, message: { role: 'user', content: text } }),
      openers: [
        '<command-name>',
        '<command-name>x</command-name><command-args>',
        '<system-reminder>',
        '<ide_a',
        '<ide_a>',
        '<ide_a></ide_a>',
        '[Request interrupted by user]',
        '<bash-stdout',
      ],
    },
  ],
  [
    'codex',
    {
      source: codexSource(home),
      path: `sessions/2026/03/04/rollout-2026-03-04T10-00-00-${id}.jsonl`,
      prompt: (text) => ({
        timestamp,
        type: 'response_item',
        payload: { type: 'message', role: 'user', content: [{ type: 'input_text', text }] },
      }),
      openers: [
        '# Context from my IDE setup:\n',
        '# Context from my IDE setup:\n## My request for Codex:',
        '## My request for Codex:\n',
        '<image',
        '# AGENTS.md instructions',
      ],
    },
  ],
  [
    'gemini',
    {
      source: geminiSource(home),
      path: 'tmp/tea/chats/session-2026-03-04T10-00-aaaa1111.jsonl',
      prompt: (text) => ({ id: 'u', timestamp, type: 'user', content: text }),
      openers: [
        '<session_context>\n- **Workspace Directories:**',
        "<session_context>\nI'm currently working in the following directories:",
        "<session_context>\nI'm currently working in the directory: ",
        '- **Workspace Directories:**\n',
        '/',
      ],
    },
  ],
  [
    'qwen',
    {
      source: qwenSource(home),
      path: `projects/-p/chats/${id}.jsonl`,
      prompt: (text) => ({ uuid: 'u', sessionId: id, timestamp, type: 'user', message: { parts: [{ text }] } }),
      openers: ['<qwen:user-prompt-submit-context>', '/'],
    },
  ],
  [
    'pi',
    {
      source: piSource(home),
      path: `sessions/--p--/2026_${id}.jsonl`,
      prompt: (text) => ({ type: 'message', id: 'u', timestamp, message: { role: 'user', content: text } }),
      openers: ['<file name="', '<file name="a"', '<file name="a">', '<skill name="a"></skill>', '<skill name="a">'],
    },
  ],
  [
    'copilot',
    {
      source: copilotSource(home),
      path: `session-state/${id}/events.jsonl`,
      prompt: (content) => ({ type: 'user.message', id: 'u', timestamp, data: { content } }),
      openers: ['/'],
    },
  ],
];

/** An opener and then a run; and the opener over and over, alone and with what the run is made of between. */
function textsOf(opener: string): string[] {
  const fill = (unit: string) => unit.repeat(Math.floor(units / unit.length));
  const repeated = ['', ...runs].map((unit) => opener + unit).filter((unit) => unit !== '');
  return [...runs.map((run) => `${opener}${fill(run)}<x`), ...repeated.map(fill)];
}

describe.each(cases)('a prompt of 500 kB to %s, of any shape', (_name, { source, path, prompt, openers }) => {
  it.each(['', ...openers])('that begins with %j is read, and kept whole', (opener) => {
    for (const text of textsOf(opener)) {
      const lines = linesOf(`${JSON.stringify(prompt(text))}\n`);
      const read = () => source.read(transcriptOf(source, join(home, path)), lines, undefined, new SourceFold(), true);
      const { ops } = runInNewContext('read()', { read }, { timeout: stopMs }) as ReturnType<typeof read>;
      expect(JSON.stringify(ops).includes(JSON.stringify(text)), text.slice(0, 80)).toBe(true);
    }
  });
});

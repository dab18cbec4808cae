// A record that is in its file in several versions: the last one wins, also when the file goes back to what it was.
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Source } from '../../daemon/adapters/adapter.ts';
import { claudeCodeSource } from '../../daemon/adapters/sources/claude-code.ts';
import { geminiSource } from '../../daemon/adapters/sources/gemini.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import type { Held } from '../support/everything.ts';
import { readEverything, takenIn } from '../support/everything.ts';
import { folderOf } from '../support/formats.ts';
import { append, line } from '../support/transcript.ts';

const id = '11111111-2222-4333-8444-555555555555';
const json = (record: object) => `${JSON.stringify(record)}\n`;
const user = line(id, 'user', 'x');
const titled = (title: string) => json({ type: 'custom-title', customTitle: title, sessionId: id });
const said = (content: string) => json({ id: 'm', timestamp: '2026-03-04T10:00:00Z', type: 'gemini', content });

type Case = [
  what: string,
  make: (folder: string) => Source,
  file: string,
  states: string[],
  read: (held: Held) => unknown,
];
const cases: Case[] = [
  [
    'a title',
    claudeCodeSource,
    `-work/${id}.jsonl`,
    [user + titled('A') + titled('B'), user + titled('C'), user + titled('A') + titled('B')],
    ({ session }) => session.title,
  ],
  [
    'a message of Gemini CLI',
    geminiSource,
    `tmp/p/chats/session-2026-03-04T10-00-${id.slice(0, 8)}.jsonl`,
    [said('A') + said('B'), said('C'), said('A') + said('B')],
    ({ items }) => (items[0]!.parts[0] as { text?: string }).text,
  ],
];

test.each(cases)(
  '[P26] %s that went back to two versions is the last of them',
  async (_what, make, file, states, read) => {
    const home = testHome();
    const folder = make('').kind === 'gemini' ? folderOf(home, 'gemini') : home.claude;
    const path = `${folder}/${file}`;
    append(path, states[0]!);
    const { daemon, connect } = daemonInProcess(home, { sources: [make(folder)] });
    await daemon.start();
    const client = connect();
    const seen: unknown[] = [];
    for (const state of states) {
      writeFileSync(path, state);
      await takenIn(client);
      seen.push(...[...(await readEverything(client)).values()].map(read));
    }
    expect(seen).toEqual(['B', 'C', 'B']);
  },
);

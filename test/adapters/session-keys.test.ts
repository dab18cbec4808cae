// Which files are one session, and which are not: for all sources that read files, by the ids of what they give.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import type { Source } from '../../daemon/adapters/adapter.ts';
import { claudeCodeSource } from '../../daemon/adapters/sources/claude-code.ts';
import { codexSource } from '../../daemon/adapters/sources/codex.ts';
import { geminiSource } from '../../daemon/adapters/sources/gemini.ts';
import { piSource } from '../../daemon/adapters/sources/pi.ts';
import { qwenSource } from '../../daemon/adapters/sources/qwen.ts';
import type { Session } from '../../protocol/schema.ts';
import { subscribe, testHome } from '../support/daemon.ts';
import { allItems, takenIn } from '../support/everything.ts';
import { linesOf, readInto, SourceFold, transcriptOf } from '../support/fold-source.ts';
import { append, line } from '../support/transcript.ts';
import { head, watching } from '../support/watching.ts';

const home = '/home/dev/agent';
const a = '11111111-2222-4333-8444-555555555555';
/** Its first eight digits are those of `a`. */
const b = '11111111-9999-4333-8444-555555555555';
const timestamp = '2026-03-04T10:00:00Z';
const textOf = (...lines: object[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

const claude = claudeCodeSource(home);
const claudeLine = (sessionId: string) =>
  textOf({ type: 'user', uuid: 'u', sessionId, timestamp, message: { role: 'user', content: 'Hi' } });
const gemini = geminiSource(home);
const geminiUser = { id: 'u', timestamp, type: 'user', content: 'Hi' };
const geminiLines = (sessionId: string) => textOf({ sessionId, startTime: timestamp }, geminiUser);
const geminiDocument = (sessionId: string) =>
  JSON.stringify({ sessionId, startTime: timestamp, messages: [geminiUser] });
const chat = 'session-2026-03-04T10-00-11111111';
const qwen = qwenSource(home);
const qwenLine = (sessionId: string) =>
  textOf({ uuid: 'u', sessionId, timestamp, type: 'user', message: { role: 'user', parts: [{ text: 'Hi' }] } });
const pi = piSource(home);
const piLines = (id: string) =>
  textOf({ type: 'session', id }, { type: 'message', id: '1', timestamp, message: { role: 'user', content: 'Hi' } });
const codex = codexSource(home);
const codexItem = { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hi' }] };
const codexLines = textOf({ timestamp, type: 'response_item', payload: codexItem });

function sessionOf(source: Source, path: string, text: string) {
  const transcript = transcriptOf(source, join(home, path));
  const fold = new SourceFold();
  const place = source.identify(join(home, path));
  if (place?.reading === 'document') for (const op of source.readDocument!(transcript, text, fold).ops) fold.apply(op);
  else readInto(fold, source, transcript, linesOf(text), [1]);
  return fold.session as { sessionId: string; parentId: string | null };
}

type Files = [source: Source, path: string, text: string][];

describe('two sessions stay two', () => {
  it.each<[string, Files]>([
    [
      'subagents of one id, beside their parents in two projects',
      [
        [claude, '-p/agent-1.jsonl', claudeLine(a)],
        [claude, '-q/agent-1.jsonl', claudeLine(b)],
      ],
    ],
    [
      'subagents of one id, of which one is of another parent in the same file later',
      [
        [claude, '-p/agent-1.jsonl', claudeLine(a)],
        [claude, '-p/agent-1.jsonl', claudeLine(b)],
      ],
    ],
    [
      'subagents of two sessions of one name',
      [
        [claude, '-p/main/subagents/agent-1.jsonl', claudeLine(a)],
        [claude, '-q/main/subagents/agent-1.jsonl', claudeLine(a)],
      ],
    ],
    [
      'Claude Code files of one name in two projects',
      [
        [claude, '-p/main.jsonl', claudeLine(a)],
        [claude, '-q/main.jsonl', claudeLine(b)],
      ],
    ],
    [
      'Gemini documents whose ids begin alike',
      [
        [gemini, `tmp/p/chats/${chat}.json`, geminiDocument(a)],
        [gemini, `tmp/p/chats/${chat}.json`, geminiDocument(b)],
      ],
    ],
    [
      'Gemini lines whose ids begin alike, in two projects',
      [
        [gemini, `tmp/p/chats/${chat}.jsonl`, geminiLines(a)],
        [gemini, `tmp/q/chats/${chat}.jsonl`, geminiLines(b)],
      ],
    ],
    [
      'Gemini sessions to which their users gave one id',
      [
        [gemini, 'tmp/p/chats/session-2026-03-04T10-00-my-tea.jsonl', geminiLines('my-tea')],
        [gemini, 'tmp/q/chats/session-2026-03-04T10-00-my-tea.jsonl', geminiLines('my-tea')],
      ],
    ],
    [
      'copies of a Gemini session under other names',
      [
        [gemini, `tmp/p/chats/${chat}.jsonl`, geminiLines(a)],
        [gemini, 'tmp/p/chats/session-2026-03-04T10-00-c0000000.jsonl', geminiLines(a)],
      ],
    ],
    [
      'Qwen files of one name in two projects',
      [
        [qwen, 'projects/-p/chats/main.jsonl', qwenLine('main')],
        [qwen, 'projects/-q/chats/main.jsonl', qwenLine('main')],
      ],
    ],
    [
      'Pi files of one name in two projects',
      [
        [pi, 'sessions/--p--/2026_mine.jsonl', piLines('mine')],
        [pi, 'sessions/--q--/2026_mine.jsonl', piLines('mine')],
      ],
    ],
    [
      '[P33] a fork with the same uuids',
      [
        [claude, `-p/${a}.jsonl`, claudeLine(a)],
        [claude, `-p/${b}.jsonl`, claudeLine(b)],
      ],
    ],
  ])('%s', (_name, files) => {
    const [one, other] = files.map((file) => sessionOf(...file).sessionId);
    expect(one).not.toBe(other);
  });
});

it('a session that is named by its file has the id that its records tell, else that name', () => {
  const own = (source: Source, path: string, text: string) =>
    (sessionOf(source, path, text) as unknown as { origin: { externalId: string } }).origin.externalId;
  const untold = textOf({ type: 'user', uuid: 'u', timestamp, message: { role: 'user', content: 'Hi' } });
  expect(own(claude, '-p/main.jsonl', textOf({ type: 'mode', mode: 'plan' }) + claudeLine(a))).toBe(a);
  expect(own(claude, '-p/main.jsonl', untold)).toBe('main');
  expect(own(claude, '-p/agent-1.jsonl', untold)).toBe('1');
  expect(own(qwen, 'projects/-p/chats/main.jsonl', qwenLine('main'))).toBe('main');
});

describe('one session stays one', () => {
  it.each<[string, Files]>([
    [
      'a Claude Code file that was moved to another project',
      [
        [claude, `-p/${a}.jsonl`, claudeLine(a)],
        [claude, `-q/${a}.jsonl`, claudeLine(a)],
      ],
    ],
    [
      'a subagent beside its parent, or in the folder of that',
      [
        [claude, '-p/agent-1.jsonl', claudeLine(a)],
        [claude, `-p/${a}/subagents/agent-1.jsonl`, claudeLine(a)],
      ],
    ],
    [
      'a Gemini document that was made lines by a resume, or moved',
      [
        [gemini, `tmp/p/chats/${chat}.json`, geminiDocument(a)],
        [gemini, `tmp/q/chats/${chat}.jsonl`, geminiLines(a)],
      ],
    ],
    [
      'a Codex file that was archived',
      [
        [codex, `sessions/2026/03/04/rollout-2026-03-04T10-00-00-${a}.jsonl`, codexLines],
        [codex, `archived_sessions/rollout-2026-03-04T10-00-00-${a}.jsonl`, codexLines],
      ],
    ],
    [
      'a Qwen file that was archived',
      [
        [qwen, 'projects/-p/chats/mine.jsonl', qwenLine('mine')],
        [qwen, 'projects/-p/chats/archive/mine.jsonl', qwenLine('mine')],
      ],
    ],
    [
      'a Pi file that was moved',
      [
        [pi, `sessions/--p--/2026_${a}.jsonl`, piLines(a)],
        [pi, `sessions/--q--/2026_${a}.jsonl`, piLines(a)],
      ],
    ],
  ])('%s', (_name, files) => {
    const [one, other] = files.map((file) => sessionOf(...file).sessionId);
    expect(one).toBe(other);
  });

  it.each<[string, Files]>([
    [
      'Claude Code',
      [
        [claude, '-p/main.jsonl', claudeLine(a)],
        [claude, '-p/main/subagents/agent-1.jsonl', claudeLine('main')],
        [claude, '-p/agent-1.jsonl', claudeLine('main')],
      ],
    ],
    [
      'Gemini',
      [
        [gemini, 'tmp/p/chats/session-2026-03-04T10-00-my-tea-l.jsonl', geminiLines('my-tea-long')],
        [gemini, 'tmp/p/chats/my-tea-long/steep-1.jsonl', geminiLines('steep-1')],
      ],
    ],
  ])('and is the parent of its subagents, also with a name of its own: %s', (_name, [parent, ...subagents]) => {
    const { sessionId } = sessionOf(...parent!);
    for (const subagent of subagents) expect(sessionOf(...subagent).parentId).toBe(sessionId);
  });
});

test('[P33] sessions that only their content tells apart are apart in the store too, read on and read again', async () => {
  const own = testHome();
  const paths = ['-p', '-q'].map((folder) => join(own.claude, folder, 'agent-1.jsonl')) as [string, string];
  append(paths[0], line(a, 'user', 'one', 'u1'));
  append(paths[1], line(b, 'user', 'one', 'u1'));
  const { client } = await watching(own);
  const { collector } = await subscribe(client, { filter: { types: ['part/*'] } });
  append(paths[0], line(a, 'user', 'two', 'u2'));
  await collector.until('the line behind the first read', ({ events }) => events.length > 0);
  const told = async () => {
    const sessions = await allItems<Session>(client, 'session/list', {});
    return sessions.map(({ origin, messageCount }) => [origin?.path, messageCount]).sort();
  };
  expect(await told()).toEqual([
    [paths[0], 2],
    [paths[1], 1],
  ]);
  const before = await head(client);
  const text = readFileSync(paths[0], 'utf8');
  rmSync(paths[0]);
  append(paths[0], text);
  await takenIn(client);
  expect(await head(client)).toBe(before);
});

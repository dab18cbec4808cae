// Real transcripts through the real CLI: every session is there, with what an independent count of the files gives.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Message, Part, Session } from '../../protocol/schema.ts';
import { cli, startCli, stopAfterTest } from '../support/cli.ts';
import { startDaemon, testHome } from '../support/daemon.ts';
import { layClaudeSamples, samples } from '../support/samples.ts';
import { append, line, transcriptPath } from '../support/transcript.ts';

type Shown = { session: Session; messages: { message: Message; parts: Part[] }[] };
type Counted = { file: string; messages: number; tools: number; directory: string | undefined };
type Line = { type?: unknown; uuid?: unknown; cwd?: unknown; message?: { id?: unknown; content?: unknown } };

/** Counted with nothing but JSON.parse: messages are user lines with more than tool results, and answers by their id. */
function count(file: string): Counted {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1).flatMap(parse);
  const messages = new Set<string>();
  const tools = new Set<string>();
  for (const [index, { type, uuid, message }] of lines.entries()) {
    if (type !== 'user' && type !== 'assistant') continue;
    const content = message?.content;
    const blocks = Array.isArray(content) ? (content as { type?: string; id?: string }[]) : [];
    const onlyResults = Array.isArray(content) && blocks.every((block) => block?.type === 'tool_result');
    const holdsText = typeof content === 'string' || (blocks.length > 0 && !onlyResults);
    if (type === 'user' && holdsText) messages.add(`user ${String(uuid ?? index)}`);
    if (type === 'assistant' && message) messages.add(`assistant ${String(message.id ?? uuid ?? index)}`);
    if (type !== 'assistant') continue;
    for (const [at, block] of blocks.entries()) {
      if (block.type === 'tool_use') tools.add(block.id ?? `${index} ${at}`);
    }
  }
  const directory = lines.find((each) => typeof each.cwd === 'string')?.cwd as string | undefined;
  return { file, messages: messages.size, tools: tools.size, directory };
}

function parse(text: string): Line[] {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? [value as Line] : [];
  } catch {
    return [];
  }
}

function transcripts(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => join(folder, name));
}

describe.skipIf(!samples)('the samples of Claude Code (needs ../shared/transcripts)', () => {
  test('start, ls and show give every session with title, directory, agent and the counts of its file', async () => {
    const home = testHome();
    layClaudeSamples(home.claude);
    stopAfterTest(home);
    const started = await cli(home, 'start');
    expect(started).toMatchObject({ code: 0 });

    const listed = await cli(home, 'ls', '--json');
    expect(listed.code).toBe(0);
    const sessions = JSON.parse(listed.stdout) as Session[];
    const expected = transcripts(home.claude)
      .map(count)
      .filter(({ messages }) => messages > 0);
    expect(expected.length).toBeGreaterThan(25);
    expect(new Set(sessions.map((session) => session.origin?.path))).toEqual(new Set(expected.map(({ file }) => file)));
    expect(sessions).toHaveLength(expected.length);

    for (const { file, messages, tools, directory } of expected) {
      const session = sessions.find(({ origin }) => origin?.path === file)!;
      expect(session.messageCount, `messages of ${file}`).toBe(messages);
      expect(session.agent).toBe('claude-code');
      expect(session.title?.length, `title of ${file}`).toBeGreaterThan(0);
      if (directory) expect(session.directory, `directory of ${file}`).toBe(directory);
      if (file.includes('/subagents/')) expect(session.parentId, file).toMatch(/^ses_/);
      const shown = await cli(home, 'show', session.id, '--json');
      const { messages: items } = JSON.parse(shown.stdout) as Shown;
      expect(items).toHaveLength(messages);
      const found = items.flatMap(({ parts }) => parts).filter((part) => part.type === 'tool');
      expect(found.length, `tools of ${file}`).toBe(tools);
    }

    // For people: every session is a line of ls, and reads as text with no control characters but line ends.
    const table = await cli(home, 'ls', '--all');
    for (const { id } of sessions) expect(table.stdout).toContain(id.slice(0, 12));
    const longest = sessions.toSorted((a, b) => b.messageCount - a.messageCount)[0]!;
    const text = await cli(home, 'show', longest.id);
    expect(text.code).toBe(0);
    expect(text.stdout).toContain(basename(longest.directory!));
    expect(text.stdout).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);

    // A second start adds nothing.
    const before = JSON.parse((await cli(home, 'status', '--json')).stdout) as { head: string };
    await cli(home, 'stop');
    expect((await cli(home, 'start')).code).toBe(0);
    const after = JSON.parse((await cli(home, 'status', '--json')).stdout) as { head: string };
    expect(after.head).toBe(before.head);
  }, 180_000);
});

test('a line that another process appends to a transcript shows up in two tails with the same seq', async () => {
  const home = testHome();
  const id = '11111111-2222-4333-8444-555555555555';
  const path = transcriptPath(home.claude, id);
  append(path, line(id, 'user', 'one'));
  await startDaemon(home);
  const tails = [
    startCli(home, ['tail', '--json', '--from', 'start']),
    startCli(home, ['tail', '--json', '--from', 'start']),
  ];
  for (const tail of tails) await tail.until('the first line', (text) => text.includes('"text":"one"'));

  execFileSync('sh', ['-c', 'cat >> "$1"', 'sh', path], { input: line(id, 'assistant', 'two') });
  const seqs = await Promise.all(
    tails.map(async (tail) => {
      await tail.until('the new line', (text) => text.includes('"text":"two"'));
      const events = tail
        .stdout()
        .trim()
        .split('\n')
        .map((each) => JSON.parse(each) as { seq: number; data: Part });
      return events.find(({ data }) => data.type === 'text' && data.text === 'two')!.seq;
    }),
  );
  expect(seqs[0]).toBe(seqs[1]);
  for (const tail of tails) {
    tail.process.kill('SIGINT');
    const { code, stderr } = await tail.exit;
    expect(code).toBe(0);
    expect(JSON.parse(stderr)).toHaveProperty('cursor');
  }
});

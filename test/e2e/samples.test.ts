// Real transcripts through the real CLI: every session is there, with what an independent count of the files gives.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { SourceKind } from '../../daemon/source-kinds.ts';
import { sourceKindNames } from '../../daemon/source-kinds.ts';
import type { SourceStatus } from '../../protocol/methods.ts';
import type { Message, Part, Session } from '../../protocol/schema.ts';
import { cli, startCli, stopAfterTest } from '../support/cli.ts';
import { startDaemon, testHome } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import type { Counted } from '../support/sample-counts.ts';
import { countSamples } from '../support/sample-counts.ts';
import { laySamples, samples } from '../support/samples.ts';
import { append, line, transcriptPath } from '../support/transcript.ts';

type Shown = { session: Session; messages: { message: Message; parts: Part[] }[] };

/** In this sample one word stands for every value, also for ids: which is whose cannot be told. */
const isTrimmed = ({ path }: Counted, kind: SourceKind) =>
  kind === 'codex' && readFileSync(path, 'utf8').includes('"call_id":"[trimmed');

/** Of a file that grows line by line: what stands behind its last line end, and is no line yet. */
function tornBytes(path: string): number {
  if (!path.endsWith('.jsonl')) return 0;
  const bytes = readFileSync(path);
  return bytes.length - bytes.lastIndexOf(0x0a) - 1;
}

describe.skipIf(!samples)('the samples of all agents (needs ../shared/transcripts)', () => {
  test('start, source ls, ls and show give every session with title, directory, agent and the counts of its file', async () => {
    const home = testHome();
    const laid = laySamples(home);
    stopAfterTest(home);
    expect(await cli(home, 'start')).toMatchObject({ code: 0 });
    const listed = await cli(home, 'ls', '--json');
    expect(listed.code).toBe(0);
    const sessions = JSON.parse(listed.stdout) as Session[];
    const sources = JSON.parse((await cli(home, 'source', 'ls', '--json')).stdout) as SourceStatus[];
    expect(sources.map(({ kind }) => kind)).toEqual(sourceKindNames);

    let count = 0;
    for (const kind of sourceKindNames) {
      const expected = countSamples(kind, laid[kind]);
      count += expected.length;
      const own = sessions.filter(({ agent }) => agent === kind);
      const pathsOf = (items: { path?: string | undefined }[]) => items.map(({ path }) => path ?? '').sort();
      expect(pathsOf(own.map(({ origin }) => origin ?? {})), `sessions of ${kind}`).toEqual(pathsOf(expected));
      const status = sources.find((source) => source.kind === kind)!;
      const files = laid[kind].length;
      expect(status).toMatchObject({
        state: 'watching',
        files,
        filesDone: files,
        bytesBehind: laid[kind].reduce((sum, path) => sum + tornBytes(path), 0),
        lastError: null,
        sessions: expected.length,
      });
      for (const each of expected) await expectSession(home, kind, each, own);
    }
    expect(count).toBeGreaterThan(75);
    await expectReadable(home, sessions);

    // A second start adds nothing.
    const before = JSON.parse((await cli(home, 'status', '--json')).stdout) as { head: string };
    expect(await cli(home, 'stop')).toMatchObject({ code: 0 });
    expect(await cli(home, 'start')).toMatchObject({ code: 0 });
    const after = JSON.parse((await cli(home, 'status', '--json')).stdout) as { head: string };
    expect(after.head).toBe(before.head);
  }, 180_000);
});

async function expectSession(home: Home, kind: SourceKind, counted: Counted, sessions: Session[]): Promise<void> {
  const { path, externalId, messages, tools, directory, prompts } = counted;
  const what = externalId === undefined ? path : `${externalId} of ${path}`;
  const session = sessions.find(
    ({ origin }) => origin?.path === path && (externalId === undefined || origin.externalId === externalId),
  )!;
  const shown = await cli(home, 'show', session.id, '--json');
  const { messages: items } = JSON.parse(shown.stdout) as Shown;
  const held = items.flatMap(({ parts }) => parts).filter(({ type }) => type === 'tool');
  expect(held.length, `tools of ${what}`).toBe(tools);
  if (!isTrimmed(counted, kind)) expect(items.length, `messages of ${what}`).toBe(messages);
  expect(session.messageCount, `messages of ${what}`).toBe(items.length);
  expect(session.directory, `directory of ${what}`).toBe(directory ?? null);
  if (prompts) expect(session.title?.length, `title of ${what}`).toBeGreaterThan(0);
  if (path.includes('/subagents/')) expect(session.parentId, what).toMatch(/^ses_/);
}

/** For people: every session is a line of ls, and reads as text with no control characters but line ends. */
async function expectReadable(home: Home, sessions: Session[]): Promise<void> {
  const table = await cli(home, 'ls', '--all');
  for (const { id } of sessions) expect(table.stdout).toContain(id.slice(0, 12));
  const longest = sessions.toSorted((a, b) => b.messageCount - a.messageCount)[0]!;
  const text = await cli(home, 'show', longest.id);
  expect(text.code).toBe(0);
  expect(text.stdout).toContain(basename(longest.directory!));
  expect(text.stdout).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
}

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

// stats: the sums, how they are shown, and the verb over the real daemon.
import { describe, expect, test } from 'vitest';
import { statsLines } from '../../cli/render/stats.ts';
import { makeStyle } from '../../cli/render/style.ts';
import { UsageSummer } from '../../cli/usage-sums.ts';
import type { SessionUsage } from '../../protocol/methods.ts';
import { startDaemon } from '../support/daemon.ts';
import { append, line, transcriptPath } from '../support/transcript.ts';
import { clientOf, cliHome, run } from './run-cli.ts';

const item = (given: Partial<SessionUsage> & { costUsd?: number; input?: number }): SessionUsage => {
  const { costUsd, input = 1000, ...rest } = given;
  const usage = {
    input,
    output: 20,
    reasoning: 3,
    cacheRead: 4,
    cacheWrite: 5,
    ...(costUsd !== undefined && { costUsd }),
  };
  const model = { providerId: 'p', modelId: 'model-x' };
  return { sessionId: 'ses_a', agent: 'codex', model, day: '2026-11-20', messages: 2, usage, ...rest };
};

const sumsOf = (...pages: SessionUsage[][]) => {
  const summer = new UsageSummer();
  for (const page of pages) summer.add(page);
  return summer.end();
};

const options = {
  width: Number.POSITIVE_INFINITY,
  style: makeStyle(false),
  allDays: 'stats --all',
};

describe('sums', () => {
  test('are by agent, model and day; a session that comes on several pages is counted once', () => {
    const { total, agents, models, days } = sumsOf(
      [item({}), item({ day: '2026-11-21', agent: 'pi', model: null })],
      [item({ sessionId: 'ses_b', day: '2026-11-21' }), item({ input: 7 })],
    );
    expect(total).toMatchObject({ sessions: 2, messages: 8, pricedMessages: 0, usage: { input: 3007, output: 80 } });
    expect(total.usage).not.toHaveProperty('costUsd');
    expect(agents.map(({ name, messages }) => [name, messages])).toEqual([
      ['codex', 6],
      ['pi', 2],
    ]);
    expect(models.map(({ name }) => name)).toEqual(['model-x', null]);
    expect(days.map(({ name, sessions }) => [name, sessions])).toEqual([
      ['2026-11-21', 2],
      ['2026-11-20', 1],
    ]);
  });

  test('of cost are those that agents told, with the count of their messages', () => {
    const { total, agents } = sumsOf([item({ costUsd: 0.25 }), item({ costUsd: 0 }), item({ agent: 'pi' })]);
    expect(total).toMatchObject({ messages: 6, pricedMessages: 4, usage: { costUsd: 0.25 } });
    expect(agents.find(({ name }) => name === 'pi')!.usage).not.toHaveProperty('costUsd');
  });
});

describe('the tables', () => {
  test('are aligned, numbers grouped, with a total where there are several agents', async () => {
    const lines = await statsLines(sumsOf([item({ input: 1_234_567 }), item({ agent: 'claude-code' })]), options);
    expect(lines.slice(0, 4)).toEqual([
      'agent        sessions  messages      input  output  cache read  cache write',
      'codex               1         2  1,234,567      20           4            5',
      'claude-code         1         2      1,000      20           4            5',
      'total               1         4  1,235,567      40           8           10',
    ]);
    expect(lines.at(-1)).toBe('No agent told a cost; none is guessed.');
  });

  test('have a cost only where one was told, and say for how many messages that is', async () => {
    const lines = await statsLines(sumsOf([item({ costUsd: 1234.5 }), item({ agent: 'pi' })]), options);
    expect(lines.find((text) => text.startsWith('codex'))).toMatch(/ \$1,234\.50$/);
    expect(lines.find((text) => text.startsWith('pi'))).toMatch(/ 5 *$/);
    expect(lines.at(-1)).toContain('Cost is known for 2 of 4 messages, as their agents told it: $1,234.50.');
  });

  test('of days are the newest with any usage, and end with the command that shows all', async () => {
    const unused = item({ day: '2026-11-04' });
    unused.usage = { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
    const sums = sumsOf([...['2026-11-01', '2026-11-02', '2026-11-03'].map((day) => item({ day })), unused]);
    const days = (lines: string[]) => lines.filter((text) => text.startsWith('2026')).map((text) => text.slice(0, 10));
    const lines = await statsLines(sums, { ...options, mostDays: 2 });
    expect(days(lines)).toEqual(['2026-11-03', '2026-11-02']);
    expect(lines).toContain('+ 2 more days: stats --all');
    expect(days(await statsLines(sums, options))).toHaveLength(4);
  });

  test('never show two models as the same, from 40 columns on', async () => {
    const ids = [
      'claude-sonnet-4-5-20250929',
      'claude-sonnet-4-20250929',
      'claude-opus-4-20250929',
      'claude-opus-4-1-20250929',
    ];
    const sums = sumsOf(
      ids.map((modelId, index) =>
        item({ model: { providerId: 'p', modelId }, input: 123_456_789 + index, costUsd: 1234 }),
      ),
    );
    for (let width = 40; width <= 80; width += 1) {
      const lines = await statsLines(sums, { ...options, width });
      const names = lines.filter((text) => text.startsWith('claude')).map((text) => text.split(' ')[0]);
      expect(new Set(names).size, `at ${width}`).toBe(ids.length);
    }
  });

  test('say which columns a narrow terminal has no room for, and nothing where all fit', async () => {
    const sums = sumsOf([item({ costUsd: 5 })]);
    const told = async (width: number) =>
      (await statsLines(sums, { ...options, width })).join(' ').match(/Left out for want of room: ([^.]+)\./)?.[1];
    expect(await told(100)).toBeUndefined();
    expect(await told(60)).toBe('sessions, cache write');
    expect((await told(20))!.split(', ')).toEqual(expect.arrayContaining(['messages', 'input', 'cost']));
  });

  test('fit a narrow terminal', async () => {
    const { default: stringWidth } = await import('string-width');
    const items = [item({ input: 123_456_789_012, costUsd: 5 }), item({ agent: 'an-agent-with-quite-a-long-name' })];
    for (let width = 20; width < 100; width += 1) {
      for (const text of await statsLines(sumsOf(items), { ...options, width })) {
        expect(stringWidth(text)).toBeLessThanOrEqual(width);
      }
    }
  });
});

test('stats over the daemon: what transcripts tell, since a time, of one agent, by local days', async () => {
  const home = cliHome();
  const id = '11111111-2222-4333-8444-555555555555';
  append(transcriptPath(home.claude, id), line(id, 'user', 'hi') + line(id, 'assistant', 'hello'));
  await startDaemon(home);
  await run(home, ['rpc', 'source/rescan']);
  const client = await clientOf(home);
  await client.call('session/create', { sessionId: 'ses_own', agent: 'mine' });
  await client.call('message/put', {
    sessionId: 'ses_own',
    messageId: 'msg_own',
    role: 'assistant',
    agent: 'mine',
    model: { providerId: 'p', modelId: 'model-y' },
    createdAt: Date.parse('2026-01-01T23:30:00Z'),
    usage: { input: 5000, output: 7, reasoning: 0, cacheRead: 0, cacheWrite: 0, costUsd: 0.5 },
  });
  const stats = async (args: string[], env: NodeJS.ProcessEnv = {}) => {
    const { code, stdout, stderr } = await run(home, ['stats', ...args], { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout;
  };
  const shown = await stats([]);
  expect(shown).toMatch(/^mine .* 5,000 .*\$0\.50$/m);
  expect(shown).toMatch(/^claude-code .* 1 +2 /m);
  expect(shown).toMatch(/^model-y /m);
  expect(shown).toContain('Cost is known for 1 of ');

  const days = async (env: NodeJS.ProcessEnv) =>
    (JSON.parse(await stats(['--json', '--agent', 'mine'], env)) as { days: { name: string }[] }).days[0]!.name;
  expect(await days({ TZ: 'UTC' })).toBe('2026-01-01');
  expect(await days({ TZ: 'Asia/Tokyo' })).toBe('2026-01-02');

  expect(await stats(['--since', '2026-01-02', '--agent', 'mine'])).toBe(
    'Nothing was counted for --since 2026-01-02 --agent mine.\n',
  );
  for (const json of [[], ['--json']]) {
    const unknown = await run(home, ['stats', '--agent', 'claude', ...json]);
    expect(unknown).toMatchObject({ code: 5, stdout: '' });
    expect(unknown.stderr).toContain('no session is of the agent claude; there are: claude-code, mine');
  }
  expect(await run(home, ['stats', '--since', 'soon'])).toMatchObject({ code: 2, stdout: '' });
});

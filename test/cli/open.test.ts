// What show says at its end of a session that is under way.
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { configure } from '../../cli/commands/show.ts';
import { badEndLines, openLines } from '../../cli/render/open.ts';
import { makeStyle } from '../../cli/render/style.ts';
import type { Blocker, Turn } from '../../protocol/schema.ts';
import { startDaemon } from '../support/daemon.ts';
import { fakeTerminal } from './fake-terminal.ts';
import { clientOf, cliHome, run, seedSession } from './run-cli.ts';

const now = new Date(2026, 10, 21, 12, 0, 0).getTime();
const options = { width: 60, style: makeStyle(false), now };
const turn = { state: 'streaming', agent: 'codex', startedAt: now - 7_200_000 } as Turn;
const blocker = {
  id: 'blk_1',
  askedAt: now - 300_000,
  request: { questions: [{ question: 'Which store?', options: [{ label: 'sqlite' }, { label: 'files' }] }] },
} as unknown as Blocker;

test('an open turn and a pending question are told with since when, the question with its options', () => {
  expect(openLines([turn], [blocker], options)).toEqual([
    'turn streaming · since 10:00:00 (2h ago) · codex',
    'waits for an answer · since 11:55:00 (5m ago) · blk_1',
    '  Which store?',
    '    - sqlite',
    '    - files',
  ]);
  expect(openLines([], [], options)).toEqual([]);
});

const aborted = {
  state: 'aborted',
  endedAt: now - 7_200_000,
  error: { kind: 'LeaseExpired', message: 'nothing was heard of it' },
} as unknown as Turn;

test('a turn that was aborted or failed is told with when and why, one that ended well is not', () => {
  expect(badEndLines(aborted, { ...options, width: 80 })).toEqual([
    'turn aborted · 10:00:00 (2h ago) · LeaseExpired: nothing was heard of it',
  ]);
  const failed = { ...aborted, state: 'failed', error: null } as Turn;
  expect(badEndLines(failed, options)).toEqual(['turn failed · 10:00:00 (2h ago)']);
  expect(badEndLines({ ...aborted, state: 'completed' }, options)).toEqual([]);
  expect(badEndLines(turn, options)).toEqual([]);
});

test('show ends with how the last turn ended, when that was not well', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await clientOf(home);
  await client.call('session/create', { sessionId: 'ses_turns' });
  const finish = async (turnId: string, state: 'failed' | 'completed') => {
    const model = { providerId: 'p', modelId: 'm' };
    const parts = [{ type: 'text' as const, text: 'go on' }];
    await client.call('turn/start', { sessionId: 'ses_turns', turnId, agent: 'a', model, parts });
    const error = state === 'failed' ? { error: { kind: 'ApiError', message: 'no luck' } } : {};
    await client.call('turn/finish', { turnId, state, ...error });
  };
  await finish('trn_1', 'failed');
  const shown = (await run(home, ['show', 'turns'])).stdout;
  expect(shown).toMatch(/\n\nturn failed · \d\d:\d\d:\d\d \(just now\) · ApiError: no luck\n$/);
  await finish('trn_2', 'completed');
  expect((await run(home, ['show', 'turns'])).stdout).not.toContain('turn failed');
});

test('no line is wider than the terminal', () => {
  for (let width = 12; width < 60; width += 1) {
    const at = { ...options, width };
    for (const line of [...openLines([turn], [blocker], at), ...badEndLines(aborted, at)])
      expect(line.length).toBeLessThanOrEqual(width);
  }
});

test('show ends as before where nothing is under way, and as JSON has the turns and blockers', async () => {
  const home = cliHome();
  await startDaemon(home);
  await seedSession(home, 'ses_one', 'one');
  expect((await run(home, ['show', 'one'])).stdout).toMatch(/\n\+ 1 other record \(--records\)\n$/);
  expect(JSON.parse((await run(home, ['show', 'one', '--json'])).stdout)).toMatchObject({
    messages: [{}, {}],
    turns: [],
    blockers: [],
  });
  const { context, out } = fakeTerminal(home);
  const command = new Command();
  configure(command, context);
  await command.parseAsync(['one', '--no-pager'], { from: 'user' });
  expect(out.text).not.toContain('waits for');
});

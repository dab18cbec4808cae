// What show says at its end of a session that is under way.
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { configure } from '../../cli/commands/show.ts';
import { openLines } from '../../cli/render/open.ts';
import { makeStyle } from '../../cli/render/style.ts';
import type { Blocker, Turn } from '../../protocol/schema.ts';
import { startDaemon } from '../support/daemon.ts';
import { fakeTerminal } from './fake-terminal.ts';
import { cliHome, run, seedSession } from './run-cli.ts';

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

test('no line is wider than the terminal', () => {
  for (let width = 12; width < 60; width += 1)
    for (const line of openLines([turn], [blocker], { ...options, width }))
      expect(line.length).toBeLessThanOrEqual(width);
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

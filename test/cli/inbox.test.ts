// inbox: what it prints of what waits, and what --watch tells of it.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pendingBlockers } from '../../cli/blockers.ts';
import { InboxPrinter } from '../../cli/inbox-printer.ts';
import { watchInbox } from '../../cli/inbox-watch.ts';
import { requestLines } from '../../cli/render/inbox.ts';
import type { Client } from '../../protocol/client.ts';
import { startDaemon } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import { expectSafe } from '../support/hostile.ts';
import { fakeTerminal } from './fake-terminal.ts';
import { clientOf, cliHome, endDaemon, run, shownProgram, start } from './run-cli.ts';

const deploy = {
  questions: [
    { question: 'Deploy now?', header: 'Deploy', options: [{ label: 'yes', description: 'at once' }, { label: 'no' }] },
  ],
};
const remove = { permission: 'Bash', patterns: ['rm -rf build'], title: 'clean up' };

async function askIn(client: Client, sessionId: string, blockerId: string, request: typeof deploy | typeof remove) {
  const kind = 'questions' in request ? 'question' : 'permission';
  await client.call('blocker/ask', { sessionId, blockerId, kind, request });
}

test('an empty inbox says how to connect an agent, and prints nothing as JSON', async () => {
  const home = cliHome();
  const { code, stdout } = await run(home, ['inbox']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Nothing waits for an answer\.\n/);
  expect(stdout).toContain(`${shownProgram} ask "Deploy now?" --option yes --option no`);
  const settings = stdout.split('\n').find((line) => line.includes('"PermissionRequest":['))!;
  expect(JSON.parse(settings)).toHaveProperty('hooks.PermissionRequest.0.hooks.0.command', '~/.claude/ask-sessiond');
  expect(await run(home, ['inbox', '--json'])).toEqual({ code: 0, stdout: '', stderr: '' });
});

test('the inbox lists what waits over all sessions, the oldest first, with all that is needed to answer it', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await clientOf(home);
  const directory = join(home.env.HOME!, 'src');
  await client.call('session/create', { sessionId: 'ses_z', title: 'Later', agent: 'codex', directory: '/elsewhere' });
  await client.call('session/create', { sessionId: 'ses_a', title: 'Fix the login', agent: 'claude-code', directory });
  await askIn(client, 'ses_a', 'blk_first', remove);
  await askIn(client, 'ses_z', 'blk_second', deploy);
  const { code, stdout } = await run(home, ['inbox']);
  expect(code).toBe(0);
  const when = String.raw`since \d{4}-\d\d-\d\d \d\d:\d\d \(just now\)`;
  const expected = [
    'blk_first  permission · claude-code · Fix the login',
    `  in ~/src, ${when}`,
    '  Bash',
    '    clean up',
    '    rm -rf build',
    `  ${shownProgram} answer blk_first  \\(once, always or deny\\)`,
    '',
    'blk_second  question · codex · Later',
    `  in /elsewhere, ${when}`,
    '  Deploy: Deploy now\\?',
    '    1. yes: at once',
    '    2. no',
    `  ${shownProgram} answer blk_second  \\(a number, or your own words in quotes\\)`,
  ];
  expect(stdout).toMatch(new RegExp(`^${expected.join('\n')}\n$`));
  const asJson = (await run(home, ['inbox', '--json'])).stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(asJson.map(({ blocker, session }) => [blocker.id, session.id])).toEqual([
    ['blk_first', 'ses_a'],
    ['blk_second', 'ses_z'],
  ]);
  mkdirSync(directory, { recursive: true });
  const here = await run(home, ['inbox', '--dir', directory, '--json']);
  expect(here.stdout.match(/"blk_\w+"/g)).toEqual(['"blk_first"']);
});

test('what waits longest stands first, in whichever order it came to the daemon', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await clientOf(home);
  const ask = async (name: string, occurredAt: number) => {
    const sessionId = `ses_${name}`;
    await client.call('session/create', { sessionId });
    const params = { sessionId, blockerId: `blk_${name}`, kind: 'permission', request: remove, occurredAt } as const;
    await client.call('blocker/ask', params);
  };
  await ask('newest', 3_000_000);
  await ask('oldest', 1_000_000);
  await ask('middle', 2_000_000);
  const { stdout } = await run(home, ['inbox']);
  expect(stdout.match(/^blk_\w+/gm)).toEqual(['blk_oldest', 'blk_middle', 'blk_newest']);
});

test('the inbox reads all pages of what waits', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await clientOf(home);
  await client.call('session/create', { sessionId: 'ses_many' });
  const question = (index: number) => ({
    questions: [{ question: `${index} ${'x'.repeat(1500)}`, header: '', options: [] }],
  });
  for (let index = 0; index < 300; index += 1) {
    const params = {
      sessionId: 'ses_many',
      blockerId: `blk_${index}`,
      kind: 'question' as const,
      request: question(index),
    };
    await client.call('blocker/ask', params);
  }
  const { stdout } = await run(home, ['inbox', '--json']);
  const ids = stdout
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { blocker: { id: string } }).blocker.id);
  expect(ids).toEqual(Array.from({ length: 300 }, (_, index) => `blk_${index}`));
});

test.each([[[]], [['--json']]])(
  '[P16] --watch %j stays, and tells what comes and what becomes of it',
  async (options) => {
    const home = cliHome();
    await startDaemon(home);
    const client = await clientOf(home);
    for (const sessionId of ['ses_1', 'ses_2']) await client.call('session/create', { sessionId, title: 'Work' });
    await askIn(client, 'ses_1', 'blk_before', remove);
    const watch = start(home, ['inbox', '--watch', ...options]);
    await watch.printed(/blk_before/);
    await askIn(client, 'ses_1', 'blk_asked', deploy);
    await watch.printed(/blk_asked/);
    const answer = { decision: 'once' as const };
    await client.call('blocker/answer', { sessionId: 'ses_1', blockerId: 'blk_before', answer });
    await askIn(client, 'ses_2', 'blk_gone', remove);
    await watch.printed(/blk_gone/);
    await client.call('session/delete', { sessionId: 'ses_2' });
    await watch.printed(/deleted/);
    watch.child.kill('SIGTERM');
    const { code, stdout, stderr } = await watch.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    if (options.length === 0) {
      expect(stdout).toMatch(/\nblk_before {2}\d\d:\d\d:\d\d answered by [^\n]+: once\n/);
      expect(stdout).toMatch(/\nblk_gone {2}its session was deleted\n/);
      expect(stdout.match(/answer blk_asked/g)).toHaveLength(1);
      return;
    }
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const told = lines.map(({ blocker, deleted = false }) => [blocker.id, blocker.state, deleted]);
    expect(told).toEqual([
      ['blk_before', 'pending', false],
      ['blk_asked', 'pending', false],
      ['blk_before', 'answered', false],
      ['blk_gone', 'pending', false],
      ['blk_gone', 'pending', true],
    ]);
  },
);

test('what comes between the list and the watching is told, and what the list had is told once', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await clientOf(home);
  await client.call('session/create', { sessionId: 'ses_1' });
  await askIn(client, 'ses_1', 'blk_early', remove);
  const { blockers, cursor } = await pendingBlockers(client);
  await askIn(client, 'ses_1', 'blk_late', deploy);
  const { context, out } = fakeTerminal(home);
  const write = out._write.bind(out);
  const printed = new Promise<void>((resolve) => {
    out._write = (chunk, encoding, done) => {
      write(chunk, encoding, done);
      if (out.text.includes('answer blk_last')) resolve();
    };
  });
  const printer = new InboxPrinter(context, client);
  await printer.printAll(blockers);
  await askIn(client, 'ses_1', 'blk_last', remove);
  const watching = watchInbox(context, client, printer, cursor);
  watching.catch(() => {});
  await within('all to be printed', printed, () => out.text);
  expect(out.text.match(/answer blk_\w+/g)).toEqual(['answer blk_early', 'answer blk_late', 'answer blk_last']);
  await endDaemon(home);
  await expect(watching).rejects.toThrow('the daemon has ended');
});

test('--watch of nothing is one line that says it watches; then that the daemon has ended', async () => {
  const home = cliHome();
  await startDaemon(home);
  const watch = start(home, ['inbox', '--watch']);
  await watch.printed(/Nothing waits/);
  await endDaemon(home);
  expect(await watch.ended).toMatchObject({ code: 3, stderr: expect.stringContaining('the daemon has ended') });
  expect(watch.stdout()).toBe('Nothing waits for an answer; watching (Ctrl-C ends).\n');
});

test('what is to be allowed is shown whole, and what is left out of a very long one is told', () => {
  const command = `echo ${'a'.repeat(3000)}\nrm -rf /`;
  const asked = { permission: 'Bash', patterns: [command] };
  expect(requestLines({ request: asked })).toEqual(['Bash', `  echo ${'a'.repeat(3000)}`, '  rm -rf /']);
  const long = requestLines({ request: { permission: 'Bash', patterns: ['b'.repeat(5000)] } });
  expect(long.at(-1)).toBe('  + 1,000 more characters (--json)');
  const many = requestLines({ request: { permission: 'Bash', patterns: Array.from({ length: 60 }, String) } });
  expect(many.at(-1)).toBe('  + 10 more patterns (--json)');
});

test('nothing that a terminal would obey leaves the inbox', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await clientOf(home);
  const evil = '\x1b]0;owned\x07\x1b[2Jevil\u202e\r\n\x9b31m';
  await client.call('session/create', { sessionId: 'ses_evil', title: evil, agent: evil, directory: `/${evil}` });
  const questions = [{ question: evil, header: evil, options: [{ label: evil, description: evil }] }];
  const ask = (blockerId: string, kind: 'question' | 'permission', request: never) =>
    client.call('blocker/ask', { sessionId: 'ses_evil', blockerId, kind, request });
  await ask('blk_q', 'question', { questions } as never);
  await ask('blk_p', 'permission', { permission: evil, title: evil, patterns: [evil] } as never);
  for (const args of [
    ['inbox'],
    ['inbox', '--json'],
    ['answer', 'blk_p'],
    ['answer', 'blk_q', evil],
    ['answer', 'blk_q', 'x'],
  ]) {
    const { stdout, stderr } = await run(home, args, { env: { COLUMNS: '60' } });
    expectSafe(stdout + stderr, args.join(' '), false);
  }
});

// The real command over its real daemon: ls, show and rpc, what they print and how they exit.
import { expect, test } from 'vitest';
import { startDaemon } from '../support/daemon.ts';
import { clientOf, cliHome, run, seedSession, shownProgram } from './run-cli.ts';

test('ls without sessions or agents says which it looked for, how to see where, and demo', async () => {
  const home = cliHome();
  const { code, stdout } = await run(home, ['ls']);
  expect(code).toBe(0);
  expect(stdout).toContain('No sessions yet.');
  expect(stdout).toContain('Not found: claude-code, codex, opencode, gemini, copilot, qwen, pi\n');
  expect(stdout).not.toContain('Looked in');
  expect(stdout).toContain(`${shownProgram} source ls\n`);
  expect(stdout).toContain(`${shownProgram} demo`);
  expect((await run(home, ['ls', '--json'])).stdout).toBe('[]\n');
});

test('ls lists all into a pipe, each id as show takes it, a subagent under its parent', async () => {
  const home = cliHome();
  await startDaemon(home);
  await seedSession(home, 'ses_project-alpha-1', 'first \x1b]0;pwned\x07title');
  await seedSession(home, 'ses_project-alpha-2', 'second');
  await seedSession(home, 'ses_child', 'sub', 'ses_project-alpha-1');
  const { code, stdout } = await run(home, ['ls']);
  expect(code).toBe(0);
  const [, heading, ...rows] = stdout.trimEnd().split('\n');
  expect(heading).toBe('~/src');
  expect(rows.map((row) => row.split(/ {2,}/).at(-1))).toEqual(['first title', '└ sub', 'second']);
  for (const row of rows) expect((await run(home, ['show', row.trim().split(' ')[0]!])).code).toBe(0);

  const sessions = JSON.parse((await run(home, ['ls', '--json'])).stdout) as { id: string }[];
  expect(sessions.map(({ id }) => id)).toEqual(['ses_child', 'ses_project-alpha-2', 'ses_project-alpha-1']);

  const limited = await run(home, ['ls', '--limit', '1', '--all']);
  expect(limited.stdout.trimEnd().split('\n')).toEqual([
    expect.any(String),
    '~/src',
    expect.stringContaining('sub'),
    `2 more: ${shownProgram} ls --all`,
  ]);
  expect(JSON.parse((await run(home, ['ls', '--limit', '1', '--json'])).stdout)).toHaveLength(1);
});

test('ls follows all pages: 1,200 sessions, each once', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await clientOf(home);
  for (const from of [0, 600]) {
    const ops = Array.from({ length: 600 }, (_, index) => ({
      opId: `o${from + index}`,
      type: 'session/create' as const,
      params: { sessionId: `ses_n${from + index}`, title: `t${from + index}` },
    }));
    await client.call('ops/append', { ops });
  }
  const { stdout } = await run(home, ['ls', '--json']);
  expect(new Set((JSON.parse(stdout) as { id: string }[]).map(({ id }) => id)).size).toBe(1200);
  expect((await run(home, ['ls'])).stdout.trimEnd().split('\n')).toHaveLength(1202);
  const limited = await run(home, ['ls', '--limit', '1100']);
  expect(limited.stdout).toContain(`\n100 more: ${shownProgram} ls --all\n`);
});

test('COLUMNS bounds the width of every line of ls', async () => {
  const home = cliHome();
  await startDaemon(home);
  await seedSession(home, 'ses_a', '漢字のタイトル'.repeat(30));
  for (const width of [20, 30, 40, 80]) {
    const { stdout } = await run(home, ['ls'], { env: { COLUMNS: String(width) } });
    const { default: stringWidth } = await import('string-width');
    for (const text of stdout.split('\n')) expect(stringWidth(text)).toBeLessThanOrEqual(width);
  }
});

test('into a pipe there are no colours, FORCE_COLOR asks for them, NO_COLOR wins', async () => {
  const home = cliHome();
  await startDaemon(home);
  await seedSession(home, 'ses_a', 'a title');
  const colours = async (env: NodeJS.ProcessEnv) => (await run(home, ['ls'], { env })).stdout.includes('\x1b[');
  expect(await colours({})).toBe(false);
  expect(await colours({ FORCE_COLOR: '1' })).toBe(true);
  expect(await colours({ FORCE_COLOR: '1', NO_COLOR: '1' })).toBe(false);
});

test('show prints a transcript: header, messages, the rest folded to lines that say how to see it', async () => {
  const home = cliHome();
  await startDaemon(home);
  await seedSession(home, 'ses_abc', 'why it fails');
  const { code, stdout } = await run(home, ['show', 'ab']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^why it fails\nid +ses_abc\nagent +tester\ndirectory +~\/src\n/);
  expect(stdout).toMatch(/\nuser \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n {2}why does it fail\?\n/);
  expect(stdout).toContain(
    '  + reasoning: let me look (11 characters, --full)\n  > Bash completed: npm test\n  + output: line 0',
  );
  expect(stdout).toContain('(30 lines, --tools)');
  expect(stdout).toContain('+ 1 other record (--records)');
  expect(stdout).not.toContain('treasure');

  const whole = (await run(home, ['show', 'ses_abc', '--full', '--records'])).stdout;
  expect(whole).toContain('  let me look\n');
  expect(whole).toContain('treasure');
  expect(whole).toContain('    line 29\n');
});

test('show --json is the session and its messages with their parts', async () => {
  const home = cliHome();
  await startDaemon(home);
  await seedSession(home, 'ses_abc', 'why it fails');
  const shown = JSON.parse((await run(home, ['show', 'ses_abc', '--json'])).stdout);
  expect(shown.session).toMatchObject({ id: 'ses_abc', messageCount: 2 });
  expect(
    shown.messages.map(({ message, parts }: { message: { role: string }; parts: unknown[] }) => [
      message.role,
      parts.length,
    ]),
  ).toEqual([
    ['user', 1],
    ['assistant', 3],
  ]);
});

test('show prints a message of a million lines', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await clientOf(home);
  await client.call('session/create', { sessionId: 'ses_long' });
  await client.call('message/put', { sessionId: 'ses_long', messageId: 'msg_1', role: 'assistant' });
  const text = 'l\n'.repeat(500_000);
  const tool = { type: 'tool', callId: 'c', tool: 'cat', state: 'completed', output: text } as const;
  await client.call('part/put', { sessionId: 'ses_long', messageId: 'msg_1', part: { type: 'text', text } });
  await client.call('part/put', { sessionId: 'ses_long', messageId: 'msg_1', part: tool });
  const { code, stdout, stderr } = await run(home, ['show', 'ses_long', '--full'], { env: { COLUMNS: '80' } });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.match(/^ +l$/gm)).toHaveLength(1_000_000);
});

test('show takes the start of an id: one match is shown, several are listed (2), none is not found (5)', async () => {
  const home = cliHome();
  await startDaemon(home);
  for (const id of ['ses_one', 'ses_once', 'ses_two', 'ses_on']) await seedSession(home, id, `title of ${id}`);
  expect((await run(home, ['show', 'ses_tw'])).stdout).toContain('title of ses_two');
  expect((await run(home, ['show', 'ses_on'])).stdout).toContain('title of ses_on\n');
  const several = await run(home, ['show', 'ses_o']);
  expect(several).toMatchObject({ code: 2, stdout: '' });
  for (const id of ['ses_one', 'ses_once', 'ses_on']) expect(several.stderr).toContain(`  ${id}  title of ${id}\n`);
  expect(several.stderr).not.toContain('ses_two');
  expect(await run(home, ['show', 'ses_nothing'])).toMatchObject({ code: 5, stdout: '' });
  expect(await run(home, ['show', 'no id'])).toMatchObject({ code: 2, stdout: '' });
});

test('no escape of a transcript reaches the output of any verb raw', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await clientOf(home);
  const evil = 'x\x1b]52;c;cm0=\x07\x1b[2J\x9b31m\u202ey\x07';
  await client.call('session/create', {
    sessionId: 'ses_evil',
    title: evil,
    agent: evil,
    directory: `/${evil}`,
    model: { providerId: evil, modelId: evil },
  });
  await client.call('message/put', {
    sessionId: 'ses_evil',
    messageId: 'msg_evil',
    role: 'assistant',
    model: { providerId: evil, modelId: evil },
    error: { message: evil },
  });
  const parts = [
    { type: 'text', text: evil },
    { type: 'reasoning', text: evil },
    { type: 'tool', callId: evil, tool: evil, state: 'error', title: evil, input: evil, output: evil, error: evil },
    { type: 'file', mime: evil, filename: evil, url: evil },
    { type: 'patch', files: evil },
    { type: 'step', phase: 'finish', reason: evil },
    { type: 'data', kind: evil, value: evil },
  ] as const;
  for (const part of parts) await client.call('part/put', { sessionId: 'ses_evil', messageId: 'msg_evil', part });
  for (const args of [
    ['ls'],
    ['ls', '--json'],
    ['show', 'ses_evil'],
    ['show', 'ses_evil', '--full', '--records'],
    ['show', 'ses_evil', '--json'],
    ['status'],
    ['rpc', 'session/list'],
    ['rpc', 'nope\x1b[2J'],
    ['show', 'ev\x1b[2J'],
  ]) {
    const { stdout, stderr } = await run(home, args);
    expect(stdout + stderr, args.join(' ')).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]/);
  }
});

test('rpc takes params as an argument or from stdin, and prints the result as one line', async () => {
  const home = cliHome();
  const created = await run(home, ['rpc', 'session/create', '{"sessionId":"ses_r","title":"by hand"}']);
  expect(created).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(created.stdout)).toMatchObject({ duplicate: false });
  expect(created.stdout.trimEnd()).not.toContain('\n');
  const read = await run(home, ['rpc', 'session/get', '-'], { input: '{"sessionId":"ses_r"}' });
  expect(JSON.parse(read.stdout).session.title).toBe('by hand');
});

test('rpc: what was typed wrong exits 2, what is not there 5', async () => {
  const home = cliHome();
  expect(await run(home, ['rpc', 'session/get', '{'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('not JSON'),
  });
  expect(await run(home, ['rpc', 'no/method'])).toMatchObject({ code: 2, stdout: '' });
  expect(await run(home, ['rpc', 'session/get', '{"unknown":1}'])).toMatchObject({ code: 2, stdout: '' });
  const missing = await run(home, ['rpc', 'session/get', '{"sessionId":"ses_none"}', '--json']);
  expect(missing.code).toBe(5);
  expect(JSON.parse(missing.stderr)).toMatchObject({ error: { code: 5, kind: 'NotFound' } });
});

// resume: the command of each agent, quoted; run here with --exec; and what stands in its way.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findResumeCommand, isSubagent, resumeLine } from '../../cli/resume-command.ts';
import { shellQuote } from '../../cli/shell-quote.ts';
import { startDaemon } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import { clientOf, cliHome, run, shownProgram, start } from './run-cli.ts';

const id = '11111111-2222-4333-8444-555555555555';
const origin = (source: string, externalId = id, path = '/t/x.jsonl') => ({ source, externalId, path });

describe('the command', () => {
  test.each([
    ['claude-code', ['claude', '--resume', id]],
    ['codex', ['codex', 'resume', id]],
    ['opencode', ['opencode', '--session', id]],
    ['gemini', ['gemini', '--resume', id]],
    ['copilot', ['copilot', '--resume', id]],
    ['qwen', ['qwen', '--resume', id]],
    ['pi', ['pi', '--session', '/t/x.jsonl']],
  ])('of %s', (source, command) => {
    expect(findResumeCommand({ origin: origin(source), directory: '/src' })).toEqual({ directory: '/src', command });
  });

  test('is none for a session that no agent wrote, or one that is not known', () => {
    expect(findResumeCommand({ origin: null, directory: '/' })).toEqual({ none: 'noAgent' });
    expect(findResumeCommand({ origin: origin('toString'), directory: '/' })).toEqual({ none: 'unknownAgent' });
  });

  test('takes no id from a transcript that would be an option or a word of a shell', () => {
    for (const bad of ['--dangerously-skip-permissions', '-p', '', 'a b', '$(id)', 'a\nb', '../x', '\x1b[2J']) {
      expect(findResumeCommand({ origin: origin('claude-code', bad), directory: '/' })).toEqual({ none: 'badId' });
      expect(findResumeCommand({ origin: origin('pi', bad, bad), directory: '/' })).toEqual({ none: 'badId' });
    }
  });

  test('is for a fork too, but not for a subagent', () => {
    const child = (source: string, metadata = {}) => ({ parentId: 'ses_p', origin: origin(source), metadata });
    expect(isSubagent({ ...child('claude-code'), parentId: null })).toBe(false);
    for (const source of ['claude-code', 'gemini', 'opencode', 'codex', 'toString']) {
      expect([source, isSubagent(child(source))]).toEqual([source, true]);
    }
    for (const source of ['pi', 'qwen']) expect([source, isSubagent(child(source))]).toEqual([source, false]);
    expect(isSubagent(child('codex', { forkedFrom: id }))).toBe(false);
    expect(isSubagent(child('codex', { forkedFrom: id, agentRole: 'explorer' }))).toBe(true);
  });

  test('leaves out a folder that is not absolute', () => {
    expect(resumeLine({ directory: null, command: ['claude', '--resume', id] })).toBe(`claude --resume ${id}`);
    expect(findResumeCommand({ origin: origin('codex'), directory: '-x' })).toMatchObject({ directory: null });
  });
});

test('a quoted word is what bash reads back, and holds nothing that a terminal would obey', () => {
  for (const word of ['/src/a', "/it's here", '/a b/$(id)`x`', '/a\x1b[2J\u202eb\nc', '/漢字 é', "/'\x07'"]) {
    const quoted = shellQuote(word);
    expect(quoted).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/);
    expect(execFileSync('bash', ['-c', `printf %s ${quoted}`], { encoding: 'utf8' })).toBe(word);
  }
});

/** A home with a session `ses_s` of Claude Code in a folder that is there, and a `claude` that tells how it was run. */
async function claudeHome(script = 'echo "$PWD $@"; read line; echo "read $line"; exit 7') {
  const home = cliHome();
  await startDaemon(home);
  const directory = realpathSync(home.folder).concat("/it's a project");
  mkdirSync(directory);
  const client = await clientOf(home);
  const transcript = join(home.folder, 'x.jsonl');
  writeFileSync(transcript, '');
  const session = { sessionId: 'ses_s', directory, origin: origin('claude-code', id, transcript) };
  await client.call('session/create', session);
  const bin = join(home.folder, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'claude'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, 'claude'), 0o755);
  const withClaude: Home = { ...home, env: { ...home.env, PATH: `${bin}:${home.env.PATH}` } };
  return { home: withClaude, directory, client, bin, transcript };
}

test('resume prints the command quoted for a shell, and with --json as words', async () => {
  const { home, directory } = await claudeHome();
  const { code, stdout, stderr } = await run(home, ['resume', 's']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toBe(`cd '${directory.replace("'", "'\\''")}' && claude --resume ${id}\n`);
  expect(JSON.parse((await run(home, ['resume', 's', '--json'])).stdout)).toEqual({
    directory,
    command: ['claude', '--resume', id],
  });
});

test('resume --exec runs it in its folder with our own streams, and ends with its exit code', async () => {
  const { home, directory } = await claudeHome();
  expect(await run(home, ['resume', 's', '--exec'], { input: 'hello\n' })).toEqual({
    code: 7,
    stdout: `${directory} --resume ${id}\nread hello\n`,
    stderr: '',
  });
});

test('resume --exec hands a signal on, and ends as a shell would tell it', async () => {
  const { home } = await claudeHome('echo ready; exec sleep 60');
  const running = start(home, ['resume', 's', '--exec']);
  await running.printed(/ready/);
  running.child.kill('SIGTERM');
  expect((await running.ended).code).toBe(128 + 15);
});

test('a folder that is gone, or a program that is not there, is told; the command is printed all the same', async () => {
  const { home, directory, bin } = await claudeHome();
  rmSync(join(bin, 'claude'));
  home.env.PATH = `${bin}:/nowhere`;
  // The program's own path, for node is not in that PATH.
  const missing = await run(home, ['resume', 's']);
  expect(missing).toMatchObject({ code: 0, stdout: expect.stringContaining(`claude --resume ${id}\n`) });
  expect(missing.stderr).toContain('claude is not in PATH\nhint: install claude-code');
  expect(await run(home, ['resume', 's', '--exec'])).toMatchObject({ code: 1, stdout: '' });
  rmSync(directory, { recursive: true });
  const gone = await run(home, ['resume', 's', '--exec']);
  expect(gone).toMatchObject({ code: 1, stdout: '' });
  expect(gone.stderr).toContain('the folder of this session is gone');
  expect(gone.stderr).toContain('hint: make it again');
});

test('what cannot be resumed is told with what to do: no agent wrote it, or it is a subagent of another', async () => {
  const { home, client } = await claudeHome();
  await client.call('session/create', { sessionId: 'ses_mine' });
  await client.call('session/create', { sessionId: 'ses_sub', parentId: 'ses_s', origin: origin('claude-code') });
  const mine = await run(home, ['resume', 'mine']);
  expect(mine).toMatchObject({ code: 1, stdout: '' });
  expect(mine.stderr).toContain(
    `no agent wrote ses_mine, so none can go on with it\nhint: read it: ${shownProgram} show`,
  );
  const sub = await run(home, ['resume', 'sub']);
  expect(sub).toMatchObject({ code: 1, stdout: '' });
  expect(sub.stderr).toContain(`hint: ${shownProgram} resume ses_s\n`);
  expect(await run(home, ['resume', 'nothing'])).toMatchObject({ code: 5, stdout: '' });
});

test("a transcript that its agent has deleted is told; the agent's command is printed or run all the same", async () => {
  const { home, transcript } = await claudeHome('exit 7');
  rmSync(transcript);
  const printed = await run(home, ['resume', 's']);
  expect(printed).toMatchObject({ code: 0, stdout: expect.stringContaining('claude --resume') });
  expect(printed.stderr).toMatch(/^the transcript is gone: .*x\.jsonl\nhint: the agent has deleted it/);
  const executed = await run(home, ['resume', 's', '--exec']);
  expect(executed).toMatchObject({ code: 7, stderr: printed.stderr });
});

test('of a subagent whose parent is not in the store no hint fails when it is typed', async () => {
  const { home, client } = await claudeHome();
  const path = join(home.folder, 'p', id, 'subagents', 'agent-x.jsonl');
  mkdirSync(join(path, '..'), { recursive: true });
  await client.call('session/create', { sessionId: 'ses_gone' });
  const orphan = { sessionId: 'ses_o', parentId: 'ses_gone', origin: origin('claude-code', 'agent-x', path) };
  await client.call('session/create', orphan);
  await client.call('session/delete', { sessionId: 'ses_gone' });
  const first = await run(home, ['resume', 'o']);
  expect(first).toMatchObject({ code: 1, stdout: '' });
  expect(first.stderr).toContain('which is not in the store\n');
  expect(first.stderr).toContain(`hint: read it: ${shownProgram} show ses_o\n`);
  writeFileSync(join(home.folder, 'p', `${id}.jsonl`), '');
  expect((await run(home, ['resume', 'o'])).stderr).toContain(`hint: claude --resume ${id}\n`);
});

test("the agent's own id of a session names it, or the start of that id when no other has it", async () => {
  const { home, client } = await claudeHome();
  const other = { sessionId: 'ses_t', origin: origin('pi', '11111111-9') };
  await client.call('session/create', other);
  for (const given of [id, id.slice(0, 10)]) {
    expect((await run(home, ['show', given])).stdout, given).toMatch(/^id +ses_s$/m);
  }
  const several = await run(home, ['show', '1111']);
  expect(several).toMatchObject({ code: 2, stdout: '' });
  expect(several.stderr).toContain('2 sessions have ids that start with 1111:\n');
  expect(several.stderr).toContain('hint: give more of the id\n');
  await client.call('session/create', { sessionId: 'ses_u', origin: origin('codex', '11111111-9') });
  const shared = await run(home, ['show', '11111111-9']);
  expect(shared).toMatchObject({ code: 2, stdout: '' });
  expect(shared.stderr).toMatch(/^ {2}ses_t$/m);
  expect(shared.stderr).toMatch(/^ {2}ses_u$/m);
  expect(shared.stderr).toContain("hint: they share their agent's id: give the one that begins with ses_\n");
  await client.call('session/create', { sessionId: 'ses_1111-own' });
  expect((await run(home, ['show', '1111'])).stdout).toMatch(/^id +ses_1111-own$/m);
});

// rm, rename and archive over the real daemon.
import { existsSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { configure as configureRm } from '../../cli/commands/rm.ts';
import { startDaemon } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import { append, line, transcriptPath } from '../support/transcript.ts';
import { fakeTerminal } from './fake-terminal.ts';
import { cliHome, run, seedSession, shownProgram } from './run-cli.ts';

async function homeWith(...ids: string[]): Promise<Home> {
  const home = cliHome();
  await startDaemon(home);
  for (const id of ids) await seedSession(home, id, `title of ${id}`);
  return home;
}

const listed = async (home: Home, ...args: string[]) =>
  (JSON.parse((await run(home, ['ls', '--json', ...args])).stdout) as { id: string; title: string }[]).map(
    ({ id }) => id,
  );

test('rm without a terminal deletes nothing unless --yes is given, and never waits', async () => {
  const home = await homeWith('ses_one', 'ses_two', 'ses_three');
  for (const args of [
    ['rm', 'one'],
    ['rm', 'one', '--json'],
  ]) {
    const { code, stdout, stderr } = await run(home, args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`${shownProgram} rm one --yes`);
  }
  const { code, stdout } = await run(home, ['rm', 'one', 'ses_tw', 'two', '--yes']);
  expect(code).toBe(0);
  expect(stdout).toContain('deleted ses_one  title of ses_one\ndeleted ses_two  title of ses_two\n');
  expect(stdout).toContain('transcripts are left alone');
  expect(await listed(home, '--all')).toEqual(['ses_three']);
  expect(JSON.parse((await run(home, ['rm', 'three', '--yes', '--json'])).stdout)).toEqual({
    deleted: ['ses_three'],
    subagentsLeft: [],
  });
});

test('rm of several deletes none when one of them is not known', async () => {
  const home = await homeWith('ses_one');
  expect(await run(home, ['rm', 'one', 'nothing', '--yes'])).toMatchObject({ code: 5, stdout: '' });
  expect(await listed(home)).toEqual(['ses_one']);
});

test('rm asks on a terminal: only a yes deletes', async () => {
  const home = await homeWith('ses_one');
  const ask = async (answer: string) => {
    const input = Object.assign(new PassThrough(), { isTTY: true });
    input.end(answer);
    const { context, err } = fakeTerminal(home, { input });
    const command = new Command();
    configureRm(command, context);
    const asked = command.parseAsync(['one'], { from: 'user' });
    return { asked, err };
  };
  for (const answer of ['', '\n', 'no\n', 'yesterday\n']) {
    const { asked, err } = await ask(answer);
    await expect(asked).rejects.toMatchObject({ exitCode: 1, message: 'nothing was deleted' });
    expect(err.text).toContain('  ses_one  title of ses_one\n');
    expect(err.text).toMatch(/Delete it\? \[y\/N\] $/);
  }
  expect(await listed(home)).toEqual(['ses_one']);
  await (await ask('Y\n')).asked;
  expect(await listed(home)).toEqual([]);
});

test('rm of a parent tells how many sessions of subagents stay, and --subagents deletes them too', async () => {
  const home = await homeWith('ses_top', 'ses_other');
  await seedSession(home, 'ses_sub', 'below', 'ses_top');
  await seedSession(home, 'ses_subsub', 'below that', 'ses_sub');
  const refused = await run(home, ['rm', 'top', '--subagents']);
  expect(refused.stderr).toContain(`${shownProgram} rm top --subagents --yes`);
  expect((await run(home, ['rm', 'top'])).stderr).toContain('2 sessions of subagents stay without --subagents');
  const { stdout } = await run(home, ['rm', 'ses_sub', '--yes']);
  expect(stdout).toContain(`1 session of a subagent stays (${shownProgram} rm ses_subsub)\n`);
  await seedSession(home, 'ses_new', 'below anew', 'ses_top');
  await seedSession(home, 'ses_newest', 'below that', 'ses_new');
  const all = await run(home, ['rm', 'ses_top', '--subagents', '--yes', '--json']);
  expect(JSON.parse(all.stdout)).toEqual({ deleted: ['ses_newest', 'ses_new', 'ses_top'], subagentsLeft: [] });
  expect((await listed(home)).sort()).toEqual(['ses_other', 'ses_subsub']);
});

test("rm leaves the agent's transcript alone, and the session stays deleted when that grows", async () => {
  const home = cliHome();
  const id = '11111111-2222-4333-8444-555555555555';
  const path = transcriptPath(home.claude, id);
  append(path, line(id, 'user', 'fix the login') + line(id, 'assistant', 'done'));
  await run(home, ['start']);
  const [session] = await listed(home);
  expect(await run(home, ['rm', session!, '--yes'])).toMatchObject({ code: 0 });
  expect(existsSync(path)).toBe(true);
  append(path, line(id, 'user', 'and now?'));
  await run(home, ['rpc', 'source/rescan']);
  expect(await listed(home, '--all')).toEqual([]);
});

test('rename takes a title in quotes or not, and refuses an empty one', async () => {
  const home = await homeWith('ses_one');
  const { code, stdout } = await run(home, ['rename', 'one', 'fix', 'the  login']);
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'renamed ses_one  fix the login\n' });
  expect((await run(home, ['ls'])).stdout).toContain('fix the login');
  expect(JSON.parse((await run(home, ['rename', 'one', 'again', '--json'])).stdout)).toEqual({
    sessionId: 'ses_one',
    title: 'again',
  });
  expect(await run(home, ['rename', 'one', ' '])).toMatchObject({ code: 2, stdout: '' });
  expect(await run(home, ['rename', 'one'])).toMatchObject({ code: 2, stdout: '' });
});

test('a title given by rename stays when the agent gives one later', async () => {
  const home = cliHome();
  const id = '11111111-2222-4333-8444-555555555555';
  const path = transcriptPath(home.claude, id);
  append(path, line(id, 'user', 'hello'));
  await run(home, ['start']);
  const [session] = await listed(home);
  await run(home, ['rename', session!, 'my own words']);
  const title = { type: 'custom-title', customTitle: "the agent's", sessionId: id };
  append(path, `${JSON.stringify(title)}\n${line(id, 'assistant', 'hi')}`);
  await run(home, ['source', 'rescan']);
  const { stdout } = await run(home, ['ls']);
  expect(stdout).toMatch(/ 2 {2}my own words\n/);
});

test('archive hides sessions from the list, --undo brings them back', async () => {
  const home = await homeWith('ses_one', 'ses_two');
  const { code, stdout } = await run(home, ['archive', 'one', 'two']);
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: 'archived ses_one  title of ses_one\narchived ses_two  title of ses_two\n',
  });
  expect(await listed(home)).toEqual([]);
  expect((await run(home, ['show', 'one'])).stdout).toMatch(/\narchived {3}\d{4}-/);
  expect(JSON.parse((await run(home, ['archive', '--undo', 'one', '--json'])).stdout)).toEqual({
    unarchived: ['ses_one'],
  });
  expect(await listed(home)).toEqual(['ses_one']);
});

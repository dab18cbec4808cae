// source: the places that transcripts are read from, by the real command over its real daemon.
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeStyle } from '../../cli/render/style.ts';
import { sourceTable } from '../../cli/source-table.ts';
import { sourceKindNames } from '../../daemon/source-kinds.ts';
import type { SourceStatus } from '../../protocol/methods.ts';
import { startDaemon } from '../support/daemon.ts';
import { line } from '../support/transcript.ts';
import { cliHome, run, shownProgram } from './run-cli.ts';

const id = '11111111-2222-4333-8444-555555555555';

/** A folder with one transcript, below the folder that commands of a test run in. */
function transcripts(folder: string, name: string): string {
  mkdirSync(join(folder, name, '-src'), { recursive: true });
  writeFileSync(join(folder, name, '-src', `${id}.jsonl`), line(id, 'user', 'hello') + line(id, 'assistant', 'hi'));
  return join(realpathSync(folder), name);
}

test('source add reads one more folder, named as the shell would, and says what it found', async () => {
  const home = cliHome();
  await startDaemon(home);
  const path = transcripts(home.folder, 'more');
  const added = await run(home, ['source', 'add', 'claude-code', 'more']);
  expect(added).toEqual({
    code: 0,
    stdout: `claude-code-2 reads ${path}\nread 1 transcript: 1 session\n`,
    stderr: '',
  });
  expect((await run(home, ['ls', '--json'])).stdout).toContain('hello');

  const listed = await run(home, ['source', 'ls']);
  expect(listed.stdout).toMatch(/^name +state +files read +behind +sessions +not understood +path\n/);
  expect(listed.stdout).toMatch(new RegExp(`^claude-code-2 +watching +1/1 +0 +1 +0 +${path}$`, 'm'));
  const named = (name: string) => (item: { name: string }) => item.name === name;
  const items = JSON.parse((await run(home, ['source', 'ls', '--json'])).stdout) as SourceStatus[];
  expect(items.find(named('claude-code'))).toMatchObject({ state: 'absent' });
  expect(items.find(named('claude-code-2'))).toMatchObject({ files: 1, filesDone: 1 });
});

test('source ls lists every agent that is looked for, those that are not there last', async () => {
  const home = cliHome();
  mkdirSync(join(home.env.HOME!, '.codex'));
  await run(home, ['start']);
  const names = (await run(home, ['source', 'ls'])).stdout.match(/^[\w-]+(?= +(?:watching|absent))/gm);
  expect(names).toEqual(['codex', ...sourceKindNames.filter((kind) => kind !== 'codex')]);
});

test('source add of a folder that is not there yet says so, and reads it when it appears', async () => {
  const home = cliHome();
  await startDaemon(home);
  const { stdout } = await run(home, ['source', 'add', 'claude-code', 'later']);
  expect(stdout).toMatch(/^claude-code-2 reads .*\/later, which does not exist yet: it is read as soon as it does\n$/);
  transcripts(home.folder, 'later');
  expect(await run(home, ['source', 'rescan', 'claude-code-2'])).toEqual({
    code: 0,
    stdout: 'looked at 1 file; what was new is taken in\n',
    stderr: '',
  });
  expect((await run(home, ['ls'])).stdout).toContain('hello');
});

test('source add takes a path below ~ also where the shell has not resolved it', async () => {
  const home = cliHome();
  await startDaemon(home);
  const { stdout } = await run(home, ['source', 'add', 'claude-code', '~/later']);
  expect(stdout).toMatch(/^claude-code-2 reads ~\/later, which does not exist yet/);
});

test('a kind that there is not is wrong usage, and the kinds are listed', async () => {
  const home = cliHome();
  await startDaemon(home);
  const { code, stderr } = await run(home, ['source', 'add', 'nonsense', '.']);
  expect(code).toBe(2);
  expect(stderr).toMatch(/there is no kind nonsense: it is one of claude-code/);
});

test('source rm stops reading and keeps what was taken in; a name that there is not is not found', async () => {
  const home = cliHome();
  await startDaemon(home);
  transcripts(home.folder, 'more');
  await run(home, ['source', 'add', 'claude-code', 'more']);
  expect(await run(home, ['source', 'rm', 'claude-code-2'])).toEqual({
    code: 0,
    stdout: 'claude-code-2 is not read any more; what was taken in from it stays\n',
    stderr: '',
  });
  expect((await run(home, ['source', 'ls'])).stdout).not.toContain('claude-code-2');
  expect((await run(home, ['ls'])).stdout).toContain('hello');
  const again = await run(home, ['source', 'rm', 'claude-code-2']);
  expect(again.code).toBe(5);
  expect(again.stderr).toContain(`hint: the sources there are: ${shownProgram} source ls`);
});

test('source without a command, or with one that there is not, is wrong usage', async () => {
  const home = cliHome();
  expect(await run(home, ['source'])).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(/error: no command is given\nhint: .* source --help\n$/),
  });
  expect((await run(home, ['source', 'lss'])).stderr).toContain('Did you mean ls?');
});

const source: SourceStatus = {
  name: 'codex',
  kind: 'codex',
  path: '/home/me/.codex\x1b[2J',
  state: 'reading',
  files: 7500,
  filesDone: 120,
  bytesBehind: 1_200_000_000,
  sessions: 118,
  badRecords: 3,
  lastError: 'EACCES: permission denied\x1b[31m, open x',
};

test('the table dims the whole row of a source that is not there', () => {
  const absent: SourceStatus = { ...source, name: 'pi', state: 'absent', lastError: null };
  const style = makeStyle(true);
  const [, first, , last] = sourceTable([absent, source], { width: 200, style, home: '/home/me' });
  expect(first).toMatch(/^\x1b\[36mcodex/);
  expect(last).toMatch(/^\x1b\[2mpi +\x1b\[22m/);
  expect(last).not.toContain('\x1b[36m');
});

test('the table tells how far a read has come in numbers, and what went wrong last below the row', () => {
  const lines = (width: number) => sourceTable([source], { width, style: makeStyle(false), home: '/home/me' });
  expect(lines(Number.POSITIVE_INFINITY).slice(1)).toEqual([
    'codex  reading   120/7,500  1.2 GB       118               3  ~/.codex',
    '  EACCES: permission denied, open x',
  ]);
  expect(lines(40)).toEqual([
    'codex reading',
    '  ~/.codex',
    '  120 of 7,500 files, 1.2 GB to go, 118',
    '  sessions, 3 records not understood',
    '  EACCES: permission denied, open x',
  ]);
});

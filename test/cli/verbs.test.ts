// The real command over its real daemon: start, stop and status; usage, help and errors.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { verbs } from '../../cli/verbs.ts';
import { sourceKindNames } from '../../daemon/source-kinds.ts';
import { startDaemon } from '../support/daemon.ts';
import { line } from '../support/transcript.ts';
import { cliHome, daemonPid, run, seedSession, shownProgram } from './run-cli.ts';

test('status never starts a daemon: it tells that none runs, and exits 3', async () => {
  const home = cliHome();
  const { code, stdout, stderr } = await run(home, ['status']);
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
  expect(stderr).toContain('no daemon is running');
  expect(stderr).toContain(`hint: start it: ${shownProgram} start`);
  expect(existsSync(home.paths.socket)).toBe(false);
});

test('with --json an error is one JSON object on stderr', async () => {
  const { code, stdout, stderr } = await run(cliHome(), ['status', '--json']);
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
  expect(JSON.parse(stderr)).toEqual({ error: { code: 3, message: expect.any(String), hint: expect.any(String) } });
});

test('socket prints the path without a daemon', async () => {
  const home = cliHome();
  expect(await run(home, ['socket'])).toEqual({ code: 0, stdout: `${home.paths.socket}\n`, stderr: '' });
  expect(JSON.parse((await run(home, ['--json', 'socket'])).stdout)).toEqual({ socket: home.paths.socket });
  expect(await daemonPid(home)).toBeUndefined();
});

test.each(['start', 'run', 'ls', 'status', 'socket'])(
  '%s with a socket path that is too long says the limit, without a trace',
  async (verb) => {
    const home = cliHome();
    home.env.SESSIOND_SOCKET = `/tmp/${'x'.repeat(120)}`;
    const { code, stderr } = await run(home, [verb]);
    expect(code).toBe(2);
    expect(stderr).toContain('the limit is 103: set SESSIOND_SOCKET to a shorter one');
    expect(stderr).not.toMatch(/^\s+at /m);
  },
);

test('start returns when the daemon answers, starting again says so, stop returns when it is gone (P23)', async () => {
  const home = cliHome();
  const started = await run(home, ['start']);
  expect(started).toMatchObject({ code: 0, stderr: '' });
  expect(started.stdout).toMatch(/^sessiond started \(version .*, pid \d+, /);
  expect(started.stdout).toContain(`${shownProgram} stop`);
  expect(started.stdout).toContain(`${shownProgram} demo`);
  const pid = await daemonPid(home);
  expect(started.stdout).toContain(`pid ${pid}`);

  const again = await run(home, ['start']);
  expect(again.code).toBe(0);
  expect(again.stdout).toContain(`already running (version`);
  expect(await daemonPid(home)).toBe(pid);

  const status = await run(home, ['status']);
  expect(status.code).toBe(0);
  expect(status.stdout).toMatch(new RegExp(`is running, pid ${pid}, up `));
  expect(JSON.parse((await run(home, ['status', '--json'])).stdout)).toMatchObject({
    pid,
    sessions: 0,
    sources: sourceKindNames.map((name) => ({ name, state: 'absent' })),
  });

  expect(await run(home, ['stop'])).toEqual({ code: 0, stdout: `sessiond stopped (pid ${pid})\n`, stderr: '' });
  expect(existsSync(home.paths.socket)).toBe(false);
  expect(await run(home, ['stop'])).toEqual({ code: 0, stdout: 'sessiond is not running\n', stderr: '' });
  expect(JSON.parse((await run(home, ['stop', '--json'])).stdout)).toEqual({ stopped: false, running: false });
});

test('status and an empty list tell of the agents that are there, and name the others in one line', async () => {
  const home = cliHome();
  mkdirSync(join(home.env.HOME!, '.codex'));
  const started = await run(home, ['start']);
  const others = 'claude-code, opencode, gemini, copilot, qwen, pi';
  expect(started.stdout).toContain(
    `Looked in:\n  ~/.codex (codex: holds no transcripts)\nNot found: ${others}\n` +
      `Where each was looked for: ${shownProgram} source ls\n`,
  );
  const { stdout } = await run(home, ['status']);
  expect(stdout).toMatch(/\nsources +codex watching {2}~\/\.codex\n +0 of 0 files, 0 sessions\n/);
  expect(stdout.trimEnd().split('\n').at(-1)).toMatch(new RegExp(`^not found +${others}$`));
});

test('status fits a narrow terminal, and leaves nothing out for it', async () => {
  const home = cliHome();
  mkdirSync(join(home.env.HOME!, '.codex'));
  await run(home, ['start']);
  const { stdout } = await run(home, ['status'], { env: { COLUMNS: '40' } });
  for (const text of stdout.split('\n')) expect(text.length).toBeLessThanOrEqual(40);
  const words = (text: string) => text.replace(/\s+/g, '');
  expect(words(stdout)).toContain(words(home.paths.socket.replace(home.env.HOME!, '~')));
  expect(stdout).toContain('codex watching  ~/.codex\n');
  expect(words(stdout)).toContain('claude-code,opencode,gemini,copilot,qwen,pi');
});

test('start does not say that there are no sessions when the folders of those that were taken in are gone', async () => {
  const home = cliHome();
  await startDaemon(home);
  await seedSession(home, 'ses_kept', 'kept');
  const { stdout } = await run(home, ['start']);
  expect(stdout).toContain('already running');
  expect(stdout).not.toContain('No sessions');
});

test('of starts at the same time all succeed, with one daemon (P22, P23)', async () => {
  const home = cliHome();
  const runs = await Promise.all([1, 2, 3].map(() => run(home, ['start', '--json'])));
  expect(runs.map(({ code, stderr }) => [code, stderr])).toEqual(runs.map(() => [0, '']));
  const told = runs.map(({ stdout }) => JSON.parse(stdout) as { pid: number; started: boolean });
  expect(new Set(told.map(({ pid }) => pid)).size).toBe(1);
  expect(told.filter(({ started }) => started)).toHaveLength(1);
});

test.each(['start', 'run'])(
  '%s tells what is wrong with the config itself and what to do, and exits 1',
  async (verb) => {
    const home = cliHome();
    mkdirSync(home.env.SESSIOND_HOME!, { recursive: true });
    writeFileSync(home.paths.config, '[sources]\nnonsense = true\n');
    const { code, stdout, stderr } = await run(home, [verb]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    const message = /config\.toml:2: there is no setting sources\.nonsense; allowed here: .*/;
    const hint = `put that right, then: ${shownProgram} ${verb}`;
    expect(stderr).toMatch(new RegExp(`^error: .*${message.source}\nhint: ${hint}\n$`));
    const asJson = await run(home, [verb, '--json']);
    expect(JSON.parse(asJson.stderr)).toEqual({ error: { code: 1, message: expect.stringMatching(message), hint } });
  },
);

test('what nobody foresaw while the daemon starts in the background is in its log with the stack', async () => {
  const home = cliHome();
  mkdirSync(home.paths.config, { recursive: true });
  const { code, stderr } = await run(home, ['start']);
  expect(code).toBe(1);
  expect(stderr).toContain(`EISDIR: illegal operation on a directory, read`);
  expect(stderr).toContain(`${home.paths.log}/sessiond.log`);
  const logged = (await run(home, ['logs'])).stdout;
  expect(logged).toMatch(/ error .*could not start.*EISDIR/);
  expect(logged).toMatch(/^ +at .*loadConfig/m);
});

test('what nobody foresaw while run starts the daemon is told with the stack', async () => {
  const home = cliHome();
  mkdirSync(home.paths.config, { recursive: true });
  const { code, stderr } = await run(home, ['run']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^error: EISDIR: illegal operation on a directory, read\n/);
  expect(stderr).toMatch(/^ +at .*loadConfig/m);
});

test('a value or method that there is not is told by its name', async () => {
  const home = cliHome();
  expect((await run(home, ['completion', 'tcsh'])).stderr).toContain(
    "<shell> is one of these, not 'tcsh': bash, zsh, fish",
  );
  await startDaemon(home);
  const { code, stderr } = await run(home, ['rpc', 'session/lisst']);
  expect(code).toBe(2);
  expect(stderr).toContain('the daemon knows no method session/lisst');
});

test('--help before a verb lists all verbs', async () => {
  const home = cliHome();
  expect((await run(home, ['--help', 'ls'])).stdout).toBe((await run(home, ['--help'])).stdout);
});

test('with --json a verb that lacks its command prints the error alone', async () => {
  const { code, stdout, stderr } = await run(cliHome(), ['source', '--json']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(JSON.parse(stderr)).toEqual({
    error: { code: 2, message: 'no command is given', hint: `${shownProgram} source --help` },
  });
  expect(JSON.parse((await run(cliHome(), ['--json'])).stderr)).toMatchObject({ error: { code: 2 } });
});

test('start takes in what Claude Code wrote, lists it, and says what to do next', async () => {
  const home = cliHome();
  const folder = join(home.claude, '-src-shop');
  mkdirSync(folder, { recursive: true });
  const id = '11111111-2222-4333-8444-555555555555';
  writeFileSync(join(folder, `${id}.jsonl`), line(id, 'user', 'fix the login') + line(id, 'assistant', 'done'));
  const { code, stdout, stderr } = await run(home, ['start', '--list']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('read 1 transcript: 1 session\n');
  expect(stdout).toMatch(/claude-code .* fix the login\n/);
  expect((await run(home, ['start'])).stdout).toContain('\n1 session from 1 transcript\n');
  await run(home, ['stop']);
  const again = await run(home, ['start']);
  expect(again.stdout).toContain('started');
  expect(again.stdout).toContain('\n1 session from 1 transcript\n');
  expect(stdout).toContain(`${shownProgram} show ID`);
});

test('a verb that needs the daemon starts it, and does not with --no-spawn', async () => {
  const home = cliHome();
  for (const args of [['ls'], ['show', 'ses_x'], ['tail'], ['rpc', 'ping']]) {
    expect(await run(home, [...args, '--no-spawn'])).toMatchObject({ code: 3, stdout: '' });
  }
  expect(await daemonPid(home)).toBeUndefined();
  expect(await run(home, ['rpc', 'ping'])).toEqual({ code: 0, stdout: '{}\n', stderr: '' });
  expect(await daemonPid(home)).toBeTypeOf('number');
});

test('wrong usage exits 2 and says what to type; with --json as JSON', async () => {
  const home = cliHome();
  for (const args of [
    ['nonsense'],
    ['ls', '--nonsense'],
    ['ls', 'extra'],
    ['show'],
    ['ls', '--limit', '0'],
    ['tail', '--from', 'yesterday'],
    [],
  ]) {
    expect(await run(home, args), args.join(' ')).toMatchObject({ code: 2, stdout: '' });
  }
  expect((await run(home, ['lss'])).stderr).toContain('Did you mean ls?');
  expect(JSON.parse((await run(home, ['ls', '--nonsense', '--json'])).stderr)).toMatchObject({ error: { code: 2 } });
});

test('what is wrong is told with the help of the command that it is in', async () => {
  const home = cliHome();
  expect(await run(home, ['help', 'nope'])).toEqual({
    code: 2,
    stdout: '',
    stderr: `error: there is no verb nope\nhint: the verbs there are: ${shownProgram} --help\n`,
  });
  expect((await run(home, ['source', 'rm'])).stderr).toContain(`hint: ${shownProgram} source rm --help\n`);
  expect((await run(home, ['--json', 'ls', '--nope'])).stderr).toContain(`${shownProgram} ls --help`);
  expect((await run(home, ['help', 'ls'])).stdout).toContain('Usage:');
  for (const args of [['ls'], ['source'], ['source', 'rm']]) {
    expect((await run(home, [...args, '-h'])).stdout, args.join(' ')).toMatch(/-h, --help +show this help\n/);
  }
});

test('an option that there is not may have been a word: where a command takes words, the hint says how', async () => {
  const home = cliHome();
  for (const args of [
    ['search', '-x'],
    ['rename', 'ses_a', '-v2'],
    ['answer', 'blk_a', '-first'],
    ['ask', '-ok?'],
    ['source', 'rm', '-x'],
  ]) {
    const { code, stderr } = await run(home, args);
    const words = args[0] === 'source' ? 'source rm' : args[0];
    expect({ args, code }).toEqual({ args, code: 2 });
    expect(stderr).toContain(`hint: ${shownProgram} ${words} --help; a word that begins with - stands behind --\n`);
  }
  expect((await run(home, ['ls', '-x'])).stderr).toContain(`hint: ${shownProgram} ls --help\n`);
  expect((await run(home, ['source', 'rm'])).stderr).not.toContain('behind --');
});

test('rpc of what is not found hints at where it is listed', async () => {
  const home = cliHome();
  await startDaemon(home);
  const { code, stderr } = await run(home, ['rpc', 'subscriber/remove', '{"name":"nope"}']);
  expect(code).toBe(5);
  expect(stderr).toContain(`hint: the names there are: ${shownProgram} rpc subscriber/list\n`);
});

test('rpc events/subscribe says that the subscription ends with the call, and what follows events', async () => {
  const home = cliHome();
  await startDaemon(home);
  const call = (...args: string[]) => run(home, ['rpc', 'events/subscribe', ...args]);
  const said = (words: string) =>
    `the subscription ended with this call; to follow events: ${shownProgram} tail${words}\n`;
  expect(await call()).toMatchObject({ code: 0, stdout: expect.stringContaining('"sub_1"'), stderr: said('') });
  expect((await call('{"name":"my copy"}')).stderr).toBe(said(` --name 'my copy'`));
  const { stderr } = await call('{"name":"n"}', '--json');
  expect(JSON.parse(stderr)).toEqual({ ended: { hint: `${shownProgram} tail --name n` } });
});

test('start with --no-spawn says what to type instead', async () => {
  const { code, stderr } = await run(cliHome(), ['start', '--no-spawn']);
  expect(code).toBe(2);
  expect(stderr).toBe(`error: start does nothing with --no-spawn\nhint: start it: ${shownProgram} start\n`);
});

test('params that are no object are wrong usage like other wrong params', async () => {
  const home = cliHome();
  for (const params of ['null', '5', '"x"', '[]', '{"nonsense":1}', '{']) {
    const { code, stdout, stderr } = await run(home, ['rpc', 'ping', params]);
    expect({ params, code, stdout }).toEqual({ params, code: 2, stdout: '' });
    expect(stderr).toContain(`hint: the methods and their params: ${shownProgram} rpc rpc.discover\n`);
  }
});

test('--help lists the verbs and exit codes, each verb has an example, --version is one line', async () => {
  const home = cliHome();
  const help = await run(home, ['--help']);
  expect(help).toMatchObject({ code: 0, stderr: '' });
  const names = Object.keys(verbs);
  for (const verb of names) expect(help.stdout).toMatch(new RegExp(`^  ${verb} `, 'm'));
  const groups = ['Reading', 'Answering', 'Managing', 'Sharing', 'The daemon', 'Scripting', 'Learning'];
  expect(help.stdout.match(/^[A-Z][\w ]+(?=:\n {2}[a-z]+ {2})/gm)).toEqual(groups);
  expect(help.stdout).toContain('3 daemon not reachable');
  for (const verb of names) {
    const { code, stdout } = await run(home, [verb, '--help']);
    expect({ verb, code }).toEqual({ verb, code: 0 });
    expect(stdout).toMatch(/Examples?:\n/);
    expect(stdout).toContain('--no-spawn');
  }
  expect(JSON.parse((await run(home, ['--version', '--json'])).stdout)).toEqual({ version: expect.any(String) });
  expect((await run(home, ['--version'])).stdout).toMatch(/^sessiond \d+\.\d+\.\d+\S*\n$/);
  expect(await daemonPid(home)).toBeUndefined();
});

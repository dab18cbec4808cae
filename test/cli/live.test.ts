// Verbs that run until they are ended: tail, run, demo; and pipes that their reader closes.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, readdirSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { Client } from '../../protocol/client.ts';
import { connectSocket } from '../../protocol/node/socket.ts';
import { afterTest, startDaemon } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';
import { cli, clientOf, cliHome, daemonPid, run, shownProgram, start } from './run-cli.ts';
import { jsonLines, keepEvents } from './tail-support.ts';

async function createSessions(home: Home, ...names: string[]): Promise<void> {
  const client = await clientOf(home);
  for (const name of names)
    await client.call('session/create', { sessionId: `ses_${name}`, title: `title of ${name}` });
}

test('tail prints what happens, one line an event, and on Ctrl-C the cursor it came to', async () => {
  const home = cliHome();
  await startDaemon(home);
  const tail = start(home, ['tail', '--from', 'start']);
  await createSessions(home, 'a', 'b');
  await tail.printed(/title of b/);
  tail.child.kill('SIGINT');
  const { code, stdout, stderr } = await tail.ended;
  expect(code).toBe(0);
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/).slice(1)),
  ).toEqual([
    ['ses_a', 'session/created', 'title of a'],
    ['ses_b', 'session/created', 'title of b'],
  ]);
  const { head } = await (await clientOf(home)).call('daemon/status', {});
  expect(stderr).toBe(`resume with: ${shownProgram} tail --from ${head}\n`);
});

test('a tail that goes on from the cursor of another misses nothing and repeats nothing', async () => {
  const home = cliHome();
  await startDaemon(home);
  const first = start(home, ['tail', '--from', 'start', '--json']);
  await createSessions(home, 'a');
  await first.printed(/ses_a/);
  first.child.kill('SIGTERM');
  const { stderr, code } = await first.ended;
  expect(code).toBe(0);
  const { cursor } = JSON.parse(stderr) as { cursor: string };
  await createSessions(home, 'b', 'c');
  const second = start(home, ['tail', '--from', cursor, '--json']);
  await second.printed(/ses_c/);
  second.child.kill('SIGINT');
  const lines = (await second.ended).stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { seq: number; sessionId: string });
  expect(lines.map(({ seq, sessionId }) => [seq, sessionId])).toEqual([
    [2, 'ses_b'],
    [3, 'ses_c'],
  ]);
});

test('tail ID prints the events of that session only', async () => {
  const home = cliHome();
  await startDaemon(home);
  await createSessions(home, 'alpha', 'beta');
  const tail = start(home, ['tail', 'alp', '--from', 'start']);
  await tail.printed(/title of alpha/);
  await (await clientOf(home)).call('session/update', { sessionId: 'ses_beta', title: 'not this' });
  await (await clientOf(home)).call('session/update', { sessionId: 'ses_alpha', title: 'but this' });
  await tail.printed(/but this/);
  tail.child.kill('SIGINT');
  const { stdout, stderr } = await tail.ended;
  expect(stdout).not.toMatch(/beta|not this/);
  expect(stderr).toContain(`${shownProgram} tail alp --from `);
});

test('tail from a cursor of another store fails and says how to begin anew, with what was typed', async () => {
  const home = cliHome();
  await startDaemon(home);
  const { code, stdout, stderr } = await run(home, ['tail', '--from', 'abc.1.def', '--json']);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(JSON.parse(stderr)).toMatchObject({
    error: { kind: 'StoreChanged', hint: expect.stringContaining('tail --from start') },
  });
  await createSessions(home, 'a', 'b');
  const { head } = await (await clientOf(home)).call('daemon/status', {});
  const hint = `hint: begin anew, with all events that are kept: ${shownProgram} tail ses_a --from start --name 'my copy'\n`;
  const never = 'this store never gave that cursor: mistyped, or the store was put back to an older state';
  for (const [cursor, message] of [
    ['abc.1.def', 'that cursor is of another store: mistyped, or the store was made anew'],
    [head.replace(/\.\w+$/, '.zzzzz'), never],
    [head.replace(/\.\d+\./, '.99.'), never],
  ]) {
    const tail = await run(home, ['tail', 'ses_a', '--from', cursor!, '--name', 'my copy']);
    expect(tail).toEqual({ code: 1, stdout: '', stderr: `error: ${message}\n${hint}` });
  }
});

test('[P3] tail from a cursor whose events are gone says from where on there are some', async () => {
  const home = cliHome();
  keepEvents(home, { maxEvents: 3 });
  await startDaemon(home);
  await createSessions(home, 'a');
  const { head } = await (await clientOf(home)).call('daemon/status', {});
  await createSessions(home, ...Array.from({ length: 9 }, (_, index) => `s${index}`));
  expect(await run(home, ['tail', '--from', head])).toEqual({
    code: 1,
    stdout: '',
    stderr:
      'error: events 2 to 7 are gone, the journal keeps them no longer ([retention] maxEvents, maxAgeMs)\n' +
      `hint: begin anew, with all events that are kept: ${shownProgram} tail --from start\n`,
  });
});

test('tail --help says what --from takes, what a name keeps, and what --json tells on stderr', async () => {
  const { stdout } = await run(cliHome(), ['tail', '--help']);
  const text = stdout.replace(/\s+/g, ' ');
  expect(text).toContain('"start" for all that are kept, or "now", the default');
  expect(text).toContain('what an ID left out counts as seen');
  for (const is of ['begun', 'lost', 'back', 'gap', 'unacknowledged', 'cursor']) expect(text).toContain(`{"${is}":`);
  const { stderr } = await run(cliHome(), ['tail', '--from', 'yesterday']);
  expect(stderr).toBe('error: --from takes a cursor, "start" or "now", not "yesterday"\n');
});

const tellCode = 'echo "codes $PIPESTATUS"'; // of the first in the pipe

/** Runs a line of shell, in which $S is the command; resolves with its output and exit code. */
async function shell(home: Home, script: string): Promise<{ stdout: string; stderr: string; code: number }> {
  const env = { ...home.env, S: `${process.execPath} ${cli}` };
  const done = promisify(execFile)('bash', ['-c', script], { env, cwd: home.folder }).then(
    (texts) => ({ ...texts, code: 0 }),
    (error: { stdout: string; stderr: string; code: number }) => ({
      stdout: error.stdout,
      stderr: error.stderr,
      code: error.code,
    }),
  );
  return within(script, done, undefined, 40_000);
}

test('a reader that closes the pipe ends a verb quietly, with 0', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await clientOf(home);
  await createSessions(home, ...Array.from({ length: 300 }, (_, index) => `s${index}`));
  await client.call('message/put', { sessionId: 'ses_s1', messageId: 'msg_1', role: 'user' });
  await client.call('part/put', {
    sessionId: 'ses_s1',
    messageId: 'msg_1',
    part: { type: 'text', text: 'word '.repeat(200_000) },
  });
  for (const verb of ['ls', 'ls --json', 'show ses_s1', 'show ses_s1 --json', 'rpc session/list', '--help', 'socket']) {
    for (const reader of ['head -c 10 >/dev/null', 'true']) {
      const ended = await shell(home, `$S ${verb} | ${reader}; ${tellCode}`);
      expect({ verb, reader, ...ended }).toEqual({ verb, reader, stdout: 'codes 0\n', stderr: '', code: 0 });
    }
  }
});

test('a tail whose reader is gone ends at once, though nothing more happens', async () => {
  const home = cliHome();
  await startDaemon(home);
  await createSessions(home, 'a', 'b');
  const tail = await shell(home, `$S tail --from start | head -1; ${tellCode}`);
  expect(tail.stdout).toMatch(/title of a\ncodes 0\n$/);
  expect(tail.stderr).toBe('');
  const quiet = await shell(home, `$S tail | true; ${tellCode}`);
  expect(quiet).toMatchObject({ stdout: 'codes 0\n', stderr: '' });
});

test('outbox --watch whose reader is gone ends at once, though nothing changes', async () => {
  const home = cliHome();
  await startDaemon(home);
  expect(await shell(home, `$S outbox --watch | head -1; ${tellCode}`)).toMatchObject({
    stdout: 'Nothing is sent anywhere.\ncodes 0\n',
    stderr: '',
  });
});

test('a tail tells no cursor of what lay in a pipe whose reader is gone: nobody knows how much of it was read', async () => {
  const home = cliHome();
  await startDaemon(home);
  await createSessions(home, ...Array.from({ length: 300 }, (_, index) => `s${index}`));
  for (const options of ['', ' --json', ' --name n --json']) {
    const { stdout, stderr } = await shell(home, `$S tail --from start${options} | head -2; ${tellCode}`);
    expect(stdout).toMatch(/^.*title of s0.*\n.*title of s1\b.*\ncodes 0\n$/);
    expect(jsonLines(stderr).flatMap(Object.keys)).toEqual(options.includes('name') ? ['begun'] : []);
  }
});

test('a tail whose stdout is closed fails before it acknowledges anything; into /dev/null it goes on', async () => {
  const home = cliHome();
  await startDaemon(home);
  await createSessions(home, 'a');
  const closed = await shell(home, '$S tail --from start --name n >&-');
  expect(closed).toEqual({
    code: 1,
    stdout: '',
    stderr: `error: stdout is closed: nobody can read what is printed\nhint: to throw it away: ${shownProgram} tail … >/dev/null\n`,
  });
  expect((await (await clientOf(home)).call('subscriber/list', {})).items).toEqual([]);
  const dropped = spawn(process.execPath, [cli, 'tail', '--from', 'start', '--name', 'n'], {
    env: home.env,
    stdio: ['ignore', openSync('/dev/null', 'w'), 'pipe'],
  });
  afterTest(() => void dropped.kill('SIGKILL'));
  const ended = once(dropped, 'exit');
  await within('the tail to begin', once(dropped.stderr!, 'data'));
  dropped.kill('SIGINT');
  expect(await within('the tail to end', ended)).toEqual([0, null]);
});

test('logs -f whose reader is gone ends at once', async () => {
  const home = cliHome();
  await run(home, ['start', '--no-wait']);
  const logs = await shell(home, `$S logs -f | head -1; ${tellCode}`);
  expect(logs).toMatchObject({ stdout: expect.stringMatching(/(listening|search index) .*\ncodes 0\n$/), stderr: '' });
});

test('run is the daemon in the foreground: SIGINT stops it with 0, a second one exits 7', async () => {
  const home = cliHome();
  const first = start(home, ['run']);
  const ready = new Promise<void>((resolve) => {
    first.child.stderr!.on('data', () => first.stderr().includes('listening') && resolve());
  });
  await within('the daemon to listen', ready, first.stderr);
  expect(await daemonPid(home)).toBe(first.child.pid);
  const second = await run(home, ['run']);
  const message = `a daemon is running already (pid ${first.child.pid})`;
  const hint = `stop that one first: ${shownProgram} stop`;
  expect(second).toEqual({ code: 7, stdout: '', stderr: `error: ${message}\nhint: ${hint}\n` });
  expect(JSON.parse((await run(home, ['run', '--json'])).stderr)).toEqual({ error: { code: 7, message, hint } });
  first.child.kill('SIGINT');
  expect((await first.ended).code).toBe(0);
  expect(await daemonPid(home)).toBeUndefined();
});

/** The environment of a demo whose throwaway home lies in a folder that the test can look into. */
function demoEnv(home: Home): { temp: string; env: NodeJS.ProcessEnv } {
  const temp = join(home.folder, 't');
  mkdirSync(temp);
  // A socket named by the user must not be used by the demo.
  return { temp, env: { TMPDIR: temp, SESSIOND_SOCKET: home.paths.socket } };
}

test('demo plays two agents in a throwaway home, lists them, and leaves nothing behind', async () => {
  const home = cliHome();
  const { temp, env } = demoEnv(home);
  const { code, stdout, stderr } = await run(home, ['demo'], { env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/claude-code +user +The login test fails/);
  expect(stdout).toMatch(/codex +assistant +Added --retry below --timeout, with its default/);
  expect(stdout).toMatch(/ses_\S+ +codex +just now +2 /);
  expect(stdout).toContain(`${shownProgram} start`);
  expect(readdirSync(temp)).toEqual([]);
  expect(await daemonPid(home)).toBeUndefined();
});

test('demo --json is the events, one a line', async () => {
  const home = cliHome();
  const { code, stdout } = await run(home, ['demo', '--json'], demoEnv(home));
  expect(code).toBe(0);
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { seq: number; type: string });
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  expect(new Set(events.map(({ type }) => type))).toEqual(
    new Set(['session/created', 'message/updated', 'part/updated', 'part/delta']),
  );
});

test('a demo that is ended by a signal or a closed pipe leaves nothing behind', async () => {
  const home = cliHome();
  const { temp, env } = demoEnv(home);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const demo = start(home, ['demo'], env);
    await demo.printed(/A daemon of its own/);
    demo.child.kill(signal);
    expect((await demo.ended).code).toBe(0);
    expect(readdirSync(temp)).toEqual([]);
  }
  const piped = await shell(home, `export TMPDIR=${temp}; $S demo | head -1; ${tellCode}`);
  expect(piped).toMatchObject({ stdout: expect.stringMatching(/codes 0\n$/), stderr: '' });
  expect(readdirSync(temp)).toEqual([]);
});

test('the daemon of a demo that is killed ends with it, and the next demo removes its folder, and only such', async () => {
  const home = cliHome();
  const { temp, env } = demoEnv(home);
  const demo = start(home, ['demo'], env);
  await demo.printed(/A daemon of its own/);
  const [folder] = readdirSync(temp);
  const client = new Client(await connectSocket(join(temp, folder!, 'run', 'sessiond.sock')));
  demo.child.kill('SIGKILL');
  await within('the daemon of the demo to end', client.closed);
  await demo.ended;

  const alive = `sessiond-demo-${process.pid}-abcdef`;
  const gone = folder!.split('-')[2]!;
  const others = [alive, 'sessiond-demo-mine', `other-demo-${gone}-abcdef`];
  for (const name of others) mkdirSync(join(temp, name));
  const link = `sessiond-demo-${gone}-linked`;
  symlinkSync(join(temp, 'sessiond-demo-mine'), join(temp, link));
  // One in which a daemon still listens, as in another container: its process is not seen here.
  const listened = `sessiond-demo-${gone}-listen`;
  mkdirSync(join(temp, listened, 'run'), { recursive: true });
  const server = createServer().listen(join(temp, listened, 'run', 'sessiond.sock'));
  afterTest(() => void server.close());
  await within('the server to listen', once(server, 'listening'));
  expect((await run(home, ['demo', '--json'], { env })).code).toBe(0);
  expect(readdirSync(temp).sort()).toEqual([...others, link, listened].sort());
});

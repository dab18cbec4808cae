// ask: what a hook gets, and that nothing is left in the inbox when it ends without an answer.
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import type { Client } from '../../protocol/client.ts';
import type { Blocker, Event } from '../../protocol/schema.ts';
import { afterTest, startDaemon, subscribe } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import { cli, clientOf, cliHome, daemonPid, endDaemon, run, start } from './run-cli.ts';

/** What is asked next, in a daemon that runs. */
async function nextAsked(client: Client): Promise<() => Promise<Blocker>> {
  const { collector } = await subscribe(client, { from: 'now', filter: { types: ['blocker/*'] } });
  return async () => {
    await collector.until('something to be asked', ({ events }) => events.length > 0);
    return collector.events[0]!.data as Blocker;
  };
}

async function begin(home: Home) {
  await startDaemon(home);
  const client = await clientOf(home);
  await client.initialize('phone', '1');
  return { client, next: await nextAsked(client) };
}

const stateOf = async (client: Client, blockerId: string) => {
  const { state, resolution } = (await client.call('blocker/wait', { blockerId, timeoutMs: 0 })).blocker;
  return { state, resolution };
};

test('a question asked in a folder without a session is put into one that is made for it, and the answer is printed', async () => {
  const home = cliHome();
  const { client, next } = await begin(home);
  const ask = start(home, ['ask', 'Deploy now?', '--option', 'yes', '--option', 'no', '--header', 'Deploy']);
  const { id: blockerId, sessionId, request } = await next();
  const options = [{ label: 'yes' }, { label: 'no' }];
  expect(request).toEqual({ questions: [{ question: 'Deploy now?', header: 'Deploy', options }] });
  const { session } = await client.call('session/get', { sessionId });
  expect(session).toMatchObject({ agent: 'shell', directory: home.folder, status: 'waiting' });
  await client.call('blocker/answer', { sessionId, blockerId, answer: { answers: [['no']] } });
  expect(await ask.ended).toEqual({ code: 0, stdout: 'no\n', stderr: '' });
});

test('it asks in the newest session of the folder that is not archived and no subagent; --session names one', async () => {
  const home = cliHome();
  const { client } = await begin(home);
  const directory = join(home.folder, 'shop');
  mkdirSync(directory);
  const create = (sessionId: string, more: object = {}) =>
    client.call('session/create', { sessionId, directory, ...more });
  await create('ses_old');
  await create('ses_new');
  await create('ses_below', { parentId: 'ses_new' });
  await create('ses_archived');
  await client.call('session/update', { sessionId: 'ses_archived', archived: true });
  await client.call('session/create', { sessionId: 'ses_other', origin: { source: 'codex', externalId: 'own-id-1' } });
  for (const [args, expected] of [
    [['--dir', directory], 'ses_new'],
    [['--session', 'ses_ol'], 'ses_old'],
    [['--session', 'own-id'], 'ses_other'],
  ] as const) {
    const { code, stdout } = await run(home, ['ask', '--permission', 'x', '--timeout', '1', '--json', ...args]);
    expect({ code, stdout }).toEqual({ code: 12, stdout: '' });
    const { items } = await client.call('blocker/list', { sessionId: expected });
    expect(items).toHaveLength(1);
  }
  expect((await run(home, ['ask', 'x', '--session', 'nope'])).code).toBe(5);
});

test.each([
  ['once', 0, 'once\n', ''],
  ['always', 0, 'always\n', ''],
  ['deny', 9, 'deny\n', /^error: denied by phone\/\w+: not today\n$/],
] as const)('the exit code tells that a permission was answered with %s', async (decision, code, stdout, stderr) => {
  const home = cliHome();
  const { client, next } = await begin(home);
  const ask = start(home, ['ask', '--permission', 'run', '--pattern', 'rm -rf build', '--pattern', 'x']);
  const { id: blockerId, sessionId, request } = await next();
  expect(request).toEqual({ permission: 'run', patterns: ['rm -rf build', 'x'] });
  const answer = decision === 'deny' ? { decision, message: 'not today' } : { decision };
  await client.call('blocker/answer', { sessionId, blockerId, answer });
  expect(await ask.ended).toEqual({ code, stdout, stderr: stderr === '' ? '' : expect.stringMatching(stderr) });
});

test('what is rejected exits 10 with the reason, and --json prints the whole blocker', async () => {
  const home = cliHome();
  const { client, next } = await begin(home);
  const ask = start(home, ['ask', 'why?', '--json']);
  const { id: blockerId, sessionId } = await next();
  await client.call('blocker/reject', { sessionId, blockerId, reason: 'ask tomorrow' });
  const { code, stdout, stderr } = await ask.ended;
  expect(code).toBe(10);
  expect(JSON.parse(stdout)).toMatchObject({
    id: blockerId,
    state: 'rejected',
    resolution: { reason: 'ask tomorrow' },
  });
  expect(JSON.parse(stderr).error.message).toMatch(/^rejected by phone\/\w+: ask tomorrow$/);
});

test('several labels are one line, and a text of several lines too', async () => {
  const home = cliHome();
  const { client, next } = await begin(home);
  const ask = start(home, ['ask', 'which?', '--option', 'a', '--option', 'b  c', '--multiple']);
  const { id: blockerId, sessionId } = await next();
  await client.call('blocker/answer', { sessionId, blockerId, answer: { answers: [['a', 'b  c', 'x\ny']] } });
  expect((await ask.ended).stdout).toBe('a, b  c, x y\n');
});

test('when nobody answers in time it exits 12, and nothing waits any more', async () => {
  const home = cliHome();
  const { code, stdout, stderr } = await run(home, ['ask', 'anybody?', '--timeout', '1']);
  expect({ code, stdout }).toEqual({ code: 12, stdout: '' });
  expect(stderr).toBe('error: nobody answered within 1 s; the question is taken back\n');
  const client = await clientOf(home);
  const { items } = await client.call('blocker/list', {});
  expect(items).toMatchObject([{ state: 'rejected', resolution: { reason: 'nobody answered within 1 s' } }]);
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s takes the question back and exits %i', async (signal, code) => {
  const home = cliHome();
  const { client, next } = await begin(home);
  const ask = start(home, ['ask', 'still there?']);
  const { id } = await next();
  ask.child.kill(signal);
  expect(await ask.ended).toMatchObject({ code, stdout: '' });
  expect(await stateOf(client, id)).toEqual({ state: 'rejected', resolution: { reason: `ended by ${signal}` } });
});

test('what a command asked that was killed outright stays, and can be rejected', async () => {
  const home = cliHome();
  const { client, next } = await begin(home);
  const ask = start(home, ['ask', 'still there?']);
  const { id } = await next();
  ask.child.kill('SIGKILL');
  await ask.ended;
  expect(await stateOf(client, id)).toEqual({ state: 'pending', resolution: null });
  expect(await run(home, ['reject', id])).toMatchObject({ code: 0 });
});

test('when whoever reads the answer is gone the question is taken back', async () => {
  const home = cliHome();
  const { client, next } = await begin(home);
  const { collector } = await subscribe(client, { from: 'now', filter: { types: ['blocker/*'] } });
  // A reader that ends when its other input does.
  const script = '"$0" "$1" ask "still there?" | sh -c "read line <&3"';
  const stdio = ['ignore', 'ignore', 'ignore', 'pipe'] as const;
  const shell = spawn('sh', ['-c', script, process.execPath, cli], {
    env: home.env,
    cwd: home.folder,
    stdio: [...stdio],
  });
  afterTest(() => void shell.kill());
  await next();
  (shell.stdio[3] as Writable).end('\n');
  const state = ({ data }: Event) => (data as Blocker).state;
  await collector.until('the question to be taken back', ({ events }) =>
    events.some((event) => state(event) === 'rejected'),
  );
});

test('a daemon that is killed meanwhile is started again, and the question is there once', async () => {
  const home = cliHome();
  const { next } = await begin(home);
  const ask = start(home, ['ask', 'still there?']);
  const { id } = await next();
  await endDaemon(home);
  const again = await restarted(home);
  const { items } = await again.call('blocker/list', {});
  expect(items).toMatchObject([{ id, state: 'pending' }]);
  await again.call('blocker/answer', { sessionId: items[0]!.sessionId, blockerId: id, answer: { answers: [['yes']] } });
  expect(await ask.ended).toEqual({ code: 0, stdout: 'yes\n', stderr: '' });
});

/** A client of the daemon that the waiting command has started. */
async function restarted(home: Home): Promise<Client> {
  while ((await daemonPid(home)) === undefined) await new Promise((resolve) => setImmediate(resolve));
  return clientOf(home);
}

test('a session that is deleted meanwhile ends the waiting with 5', async () => {
  const home = cliHome();
  const { client, next } = await begin(home);
  const ask = start(home, ['ask', 'still there?']);
  const { sessionId } = await next();
  await client.call('session/delete', { sessionId });
  expect((await ask.ended).code).toBe(5);
});

test.each([
  [[]],
  [['  ']],
  [['x', '--permission', 'y']],
  [['--permission', 'y', '--option', 'z']],
  [['x', '--pattern', 'y']],
  [['x', '--option', '']],
  [['x', '--option', 'y', '--option', 'n', '--option', ' y']],
  [['x', '--multiple']],
  [['x', '--dir', '/nonexist']],
  [['x', '--dir', '/dev/null']],
  [['x', '--timeout', '0']],
  [['x', '--timeout', '2147484']],
])('ask %j is wrong usage, and asks nothing', async (args) => {
  const home = cliHome();
  expect(await run(home, ['ask', ...args])).toMatchObject({ code: 2, stdout: '' });
  expect(await daemonPid(home)).toBeUndefined();
});

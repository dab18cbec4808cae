// What a verb shows to who sees only some of the sessions; stdin, which gives one thing; more of the audit than a page.
import { expect, test } from 'vitest';
import { auditTable } from '../../cli/render/audit.ts';
import { makeStyle } from '../../cli/render/style.ts';
import type { AuditEntry, Capability } from '../../protocol/capability.ts';
import { RpcError } from '../../protocol/errors.ts';
import { hold, homeWith } from './capability-support.ts';
import { clientOf, cliHome, daemonPid, run } from './run-cli.ts';
import { jsonLines, range } from './tail-support.ts';

test('status and source ls show no row that the daemon hides from a token for some of the sessions', async () => {
  const home = await homeWith('a', 'b');
  await hold(home, 'some');
  await hold(home, 'all', { sessions: '*' });
  const labels = async (...args: string[]) =>
    (await run(home, ['status', ...args])).stdout
      .split('\n')
      .slice(1)
      .flatMap((line) => line.match(/^\w+/)?.[0] ?? []);
  const own = await labels();
  expect(own).toEqual(expect.arrayContaining(['store', 'connections']));
  expect(await labels('--token-file', 'all')).toEqual(own);
  expect(await labels('--token-file', 'some')).toEqual(['socket', 'sessions', 'events', 'head', 'memory']);
  expect(await run(home, ['source', 'ls', '--token-file', 'some'])).toEqual({
    code: 0,
    stdout: 'No folders that this token may know of.\n',
    stderr: '',
  });
});

test('a token is not taken from stdin where the verb itself takes it, and no daemon is started for that', async () => {
  const home = cliHome();
  const verbs = [
    ['rpc', 'ping', '-'],
    ['import', '-'],
    ['import', '--copy', '-'],
    ['resume', 'ses_a', '--exec'],
  ];
  for (const args of verbs) {
    expect(await run(home, ['--token-file', '-', ...args], { input: 'cap_x.very-secret\n{}' })).toEqual({
      code: 2,
      stdout: '',
      stderr:
        `error: stdin cannot give the token: ${args[0]} takes it itself\n` +
        'hint: put the token into a file of yours alone: --token-file PATH\n',
    });
  }
  expect(await daemonPid(home)).toBeUndefined();
});

test('stdin gives the token to all other verbs, once to attenuate, and to rpc and import beside a file', async () => {
  const home = await homeWith('a');
  const { token } = await hold(home, 'it', { rights: ['read', 'append'] });
  const less = await run(home, ['attenuate', 'less', '--rights', 'read', '--token-file', '-'], { input: token });
  expect(less).toMatchObject({ code: 0, stdout: expect.stringMatching(/^cap_/) });
  for (const args of [
    ['rpc', 'ping', '{}'],
    ['import', 'none.json'],
    ['resume', 'ses_a'],
  ]) {
    const { stderr } = await run(home, [...args, '--token-file', '-'], { input: token });
    expect(stderr).not.toContain('stdin cannot');
  }
  expect((await run(home, ['rpc', 'ping', '-', '--token-file', 'it'], { input: '{}' })).stdout).toBe('{}\n');
});

test('audit reads as many pages as --limit asks for: the newest so many, the oldest of them first', async () => {
  const home = await homeWith('a');
  const { capability, token } = await hold(home, 'it', { rights: ['append'] });
  const client = await clientOf(home);
  await client.call('capability/redeem', { token });
  const put = (number: number) => ({
    opId: `op_${number}`,
    type: 'message/put' as const,
    params: { sessionId: 'ses_a', messageId: `msg_of_${number}`, role: 'user' as const },
  });
  // Told apart by how they end: each 100th is refused, for it is of no session.
  const none = (number: number) => ({ ...put(number), params: { ...put(number).params, sessionId: 'ses_none' } });
  for (const first of [1, 1001]) {
    await client.call('ops/append', {
      ops: range(first, first + 999).map((number) => (number % 100 === 0 ? none(number) : put(number))),
    });
  }
  await expect(client.call('capability/list', {})).rejects.toThrow(RpcError);
  const audit = async (limit: number) =>
    jsonLines(
      (await run(home, ['audit', capability.id, '--json', '--limit', `${limit}`])).stdout,
    ) as unknown as AuditEntry[];
  const all = await audit(5000);
  const told = all.map(({ method, outcome }) => `${method} ${outcome}`);
  expect(told.slice(0, 2)).toEqual(['capability/grant ok', 'capability/redeem ok']);
  expect(told.slice(2)).toEqual([
    ...range(1, 2000).map((number) => `message/put ${number % 100 === 0 ? 'NotFound' : 'ok'}`),
    'capability/list Forbidden',
  ]);
  expect(all.map(({ at }) => at)).toEqual(all.map(({ at }) => at).sort((a, b) => a - b));
  for (const limit of [999, 1000, 1001, 1950, 2003]) expect(await audit(limit)).toEqual(all.slice(-limit));
  const { stdout } = await run(home, ['audit', '--limit', '1050']);
  const lines = stdout.trimEnd().split('\n');
  expect(lines).toHaveLength(1 + 1050);
  expect(lines.at(-1)).toMatch(/ capability\/list +Forbidden$/);
});

test('ask says that its question stays where the token does not give the right to take it back', async () => {
  const home = await homeWith('a');
  await hold(home, 'it', { rights: ['read', 'append'] });
  const args = ['ask', 'Now?', '--session', 'ses_a', '--timeout', '1', '--token-file', 'it'];
  expect(await run(home, args)).toEqual({
    code: 12,
    stdout: '',
    stderr: 'error: nobody answered within 1 s; the question could not be taken back and stays in the inbox\n',
  });
  expect((await run(home, ['inbox'])).stdout).toContain('Now?');
});

test('on a narrow terminal the audit leaves out the time before it cuts ids to what they all share', async () => {
  const id = `cap_${'0'.repeat(9)}${'x'.repeat(16)}`;
  const entry = { at: 0, capabilityId: id, actorId: `${id}/c1`, sessionId: 'ses_a', outcome: 'InvalidParams' };
  const entries = [{ ...entry, method: 'capability/redeem' }];
  const known = { id, label: '' } as Capability;
  const headers = async (width: number) =>
    (await auditTable(entries, [known], { width, style: makeStyle(false) }))[0]!.split(/ +/);
  expect(await headers(100)).toEqual(['at', 'capability', 'by', 'method', 'session', 'outcome']);
  expect(await headers(70)).toEqual(['at', 'capability', 'method', 'outcome']);
  expect(await headers(60)).toEqual(['capability', 'method', 'outcome']);
  expect((await auditTable(entries, [known], { width: 60, style: makeStyle(false) }))[1]).toContain('cap_00000000');
});

// Verbs with a token that may do something and read nothing: with whole ids they do it, and ask nothing of the daemon first.
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { AuditEntry } from '../../protocol/capability.ts';
import type { Home } from '../support/home.ts';
import { hold, homeWith, pathOf } from './capability-support.ts';
import { clientOf, run } from './run-cli.ts';
import { jsonLines } from './tail-support.ts';

const hint = 'hint: the capability cannot read, so the full id is needed: ask whoever gave it\n';

/** What the capability did and was refused, the oldest first, without its redeeming. */
async function doneWith(home: Home, capabilityId: string): Promise<string[]> {
  const { stdout } = await run(home, ['audit', capabilityId, '--json']);
  return (jsonLines(stdout) as unknown as AuditEntry[])
    .map(({ method, outcome }) => `${method} ${outcome}`)
    .filter((line) => !/^capability\/(grant|redeem) ok$/.test(line));
}

async function ask(home: Home, blockerId: string, request: 'permission' | 'question'): Promise<void> {
  const client = await clientOf(home);
  const options = [{ label: 'yes' }, { label: 'no' }];
  await client.call('blocker/ask', {
    sessionId: 'ses_a',
    blockerId,
    kind: request,
    request:
      request === 'permission' ? { permission: 'Bash' } : { questions: [{ question: 'Now?', header: '', options }] },
  });
}

async function blockerOf(home: Home, blockerId: string) {
  const client = await clientOf(home);
  return (await client.call('blocker/wait', { blockerId, timeoutMs: 0 })).blocker;
}

test('rename, archive, rm, fork and import with a token that only appends do so by whole ids, and read nothing', async () => {
  const home = await homeWith('a', 'b', 'c');
  writeFileSync(pathOf(home, 'doc.json'), (await run(home, ['export', 'ses_b'])).stdout);
  const { capability } = await hold(home, 'it', { rights: ['append'], sessions: '*' });
  const as = (...args: string[]) => run(home, [...args, '--token-file', 'it']);
  const ok = (stdout: unknown) => ({ code: 0, stdout, stderr: '' });
  expect(await as('rename', 'ses_a', 'new')).toEqual(ok('renamed ses_a  new\n'));
  expect(await as('archive', 'ses_a', 'ses_b')).toEqual(ok('archived ses_a\narchived ses_b\n'));
  expect(await as('fork', 'ses_b', '--at', 'msg_b1')).toEqual(ok(expect.stringMatching(/^forked ses_\S+\n$/)));
  expect(await as('import', 'doc.json')).toEqual(ok(expect.stringMatching(/^imported ses_\S+\n$/)));
  expect(await as('rm', 'ses_b', '--yes')).toEqual(ok(expect.stringMatching(/^deleted ses_b\nThe agents' own/)));
  expect(JSON.parse((await as('rm', 'ses_c', '--yes', '--json')).stdout)).toEqual({
    deleted: ['ses_c'],
    subagentsLeft: null,
  });
  expect(await doneWith(home, capability.id)).toEqual([
    'session/update ok',
    'session/update ok',
    'session/update ok',
    'session/fork ok',
    'session/import ok',
    'session/delete ok',
    'session/delete ok',
  ]);
});

test('without the right to read what is no whole id is refused with the reason, before or by the daemon', async () => {
  const home = await homeWith('a');
  const { capability } = await hold(home, 'it', { rights: ['append', 'answer'] });
  const as = (...args: string[]) => run(home, [...args, '--token-file', 'it']);
  const refused = (message: string, code = 2) => ({ code, stdout: '', stderr: `error: ${message}\n${hint}` });
  expect(await as('rename', 'a', 'new')).toEqual(refused('"a" is not the full id of a session'));
  expect(await as('archive', 'ses_a', 'a')).toEqual(refused('"a" is not the full id of a session'));
  expect(await as('fork', 'ses_a', '--at', '1')).toEqual(refused('"1" is not the full id of a message'));
  expect(await as('answer', 'blk_0mwqouwg', 'once')).toEqual(refused('"blk_0mwqouwg" may be only the start of an id'));
  expect(await as('rm', 'ses_a', '--subagents', '--yes')).toMatchObject({ code: 4, stdout: '' });
  expect(await doneWith(home, capability.id)).toEqual([]);
  expect(await as('rename', 'ses_', 'new')).toEqual(refused('"ses_" is not the full id of a session'));
  expect(await as('rename', 'ses_0', 'new')).toEqual(refused('there is no session ses_0', 5));
  const asJson = await as('rename', 'ses_0', 'new', '--json');
  expect(JSON.parse(asJson.stderr)).toMatchObject({ error: { code: 5, kind: 'NotFound' } });
});

test('answer and reject with a token that only answers do so by whole ids and --session, and read nothing', async () => {
  const home = await homeWith('a');
  const ids = ['one', 'two', 'three'].map((name) => `blk_${name.padEnd(22, '0')}`);
  const [one, two, three] = ids as [string, string, string];
  await ask(home, one, 'permission');
  await ask(home, two, 'question');
  await ask(home, three, 'question');
  const { capability } = await hold(home, 'it', { rights: ['answer'] });
  const as = (...args: string[]) => run(home, [...args, '--token-file', 'it']);
  const there = ['--session', 'ses_a'];
  expect(await as('answer', one, 'deny')).toEqual({
    code: 2,
    stdout: '',
    stderr:
      'error: the capability cannot read in which session it waits\n' +
      'hint: give the full id of that: --session ID\n',
  });
  expect((await as('answer', one, ...there)).stderr).toContain('nothing was answered: no choice is given');
  expect((await as('answer', two, '1', ...there)).stderr).toContain('cannot read which option 1 is: give its label');
  expect((await as('answer', two, 'once', ...there)).code).toBe(2);
  expect(await doneWith(home, capability.id)).toEqual(['blocker/answer InvalidParams']);
  expect(await as('answer', one, 'deny', '--message', 'not now', ...there)).toEqual({
    code: 0,
    stdout: `${one} is answered: deny · not now\n`,
    stderr: '',
  });
  expect(JSON.parse((await as('answer', two, 'yes', '--json', ...there)).stdout)).toEqual({
    id: two,
    sessionId: 'ses_a',
    state: 'answered',
    resolution: { answers: [['yes']] },
  });
  expect((await as('reject', three, '--reason', 'later', ...there)).stdout).toBe(`${three} is rejected\n`);
  expect((await as('reject', three, '--reason', 'later', ...there)).stdout).toBe(`${three} was rejected before\n`);
  const late = await as('answer', one, 'once', ...there);
  expect(late).toMatchObject({ code: 8, stdout: '' });
  expect(late.stderr).toMatch(new RegExp(`^error: ${one} was answered by ${capability.id}/c\\d+: deny · not now\n$`));
  expect((await blockerOf(home, one)).resolution).toEqual({ decision: 'deny', message: 'not now' });
  expect((await blockerOf(home, two)).resolution).toEqual({ answers: [['yes']] });
  expect((await blockerOf(home, three)).resolution).toEqual({ reason: 'later' });
  expect((await doneWith(home, capability.id)).filter((line) => !/^blocker\/(answer|reject) /.test(line))).toEqual([]);
});

test('a token that only shares hands out its session by the whole id', async () => {
  const home = await homeWith('a');
  const { capability } = await hold(home, 'it', { rights: ['share'] });
  const grant = (id: string) =>
    run(home, ['grant', 'less', '--rights', 'share', '--session', id, '--token-file', 'it', '--output', 'new']);
  expect(await grant('a')).toMatchObject({ code: 2, stderr: expect.stringContaining(hint) });
  expect(await grant('ses_a')).toMatchObject({ code: 0 });
  expect(await doneWith(home, capability.id)).toEqual([]);
});

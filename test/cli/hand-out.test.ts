// What grant, attenuate and revoke refuse, so that nobody hands out what is of no use or believes what is not so.
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { opFamilies, opTypes, rightOfOp } from '../../cli/op-types.ts';
import { capabilityTable } from '../../cli/render/capability.ts';
import { makeStyle } from '../../cli/render/style.ts';
import type { Capability } from '../../protocol/capability.ts';
import { methods } from '../../protocol/methods.ts';
import { opTypes as protocolOpTypes } from '../../protocol/schema.ts';
import { hold, homeWith, pathOf } from './capability-support.ts';
import { cliHome, daemonPid, run } from './run-cli.ts';
import { range } from './tail-support.ts';

test('the op types that the command line knows, and the rights that they need, are those of the protocol', () => {
  expect(opTypes).toEqual(protocolOpTypes);
  expect(rightOfOp).toEqual(Object.fromEntries(protocolOpTypes.map((type) => [type, methods[type].right])));
  expect(opFamilies).toEqual(['session/*', 'turn/*', 'message/*', 'part/*', 'blocker/*', 'artifact/*']);
});

test('--ops that stand for no op type are refused with those there are, and no daemon is started for that', async () => {
  const home = cliHome();
  for (const ops of ['session/rename', 'foo/*', 'part/*,part/putt', '*', '*/*', '/*']) {
    const { code, stdout, stderr } = await run(home, [
      ...['grant', 'x', '--rights', 'read,append', '--all-sessions'],
      ...['--ops', ops],
    ]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(
      `error: --ops takes ${[...opTypes, ...opFamilies].join(', ')}, with commas between them, not "${ops}"`,
    );
    expect((await run(home, ['attenuate', 'x', '--ops', ops], { input: 'cap_x.y' })).code).toBe(2);
  }
  expect(await daemonPid(home)).toBeUndefined();
});

test('--ops beside rights that allow none of them are refused', async () => {
  const home = cliHome();
  for (const [rights, ops] of [
    ['read', 'part/*'],
    ['read,share', 'part/put,session/update'],
    ['read,append', 'blocker/answer'],
    ['answer', 'message/*'],
  ]) {
    expect(await run(home, ['grant', 'x', '--rights', rights!, '--all-sessions', '--ops', ops!])).toEqual({
      code: 2,
      stdout: '',
      stderr:
        `error: --ops narrows append and answer, and --rights ${rights} allows none of these ops\n` +
        'hint: leave --ops out, or give the right that they need\n',
    });
  }
  expect(await daemonPid(home)).toBeUndefined();
});

test('every op type and family of them is taken, with a right that it needs', async () => {
  const home = await homeWith('a');
  const ops = [...opTypes, ...opFamilies].join(',');
  const args = ['grant', 'x', '--rights', 'answer', '--session', 'a', '--ops', ops, '--json'];
  const { capability } = JSON.parse((await run(home, args)).stdout) as { capability: Capability };
  expect(capability.ops).toEqual([...opTypes, ...opFamilies]);
});

test('--output - is stdout, and makes no file of that name', async () => {
  const home = await homeWith('a');
  const { token } = await hold(home, 'it');
  const granted = await run(home, ['grant', 'x', '--rights', 'read', '--session', 'a', '--output', '-']);
  expect(granted).toMatchObject({ code: 0, stdout: expect.stringMatching(/^cap_[\w-]+\.[\w-]+\n$/) });
  expect(granted.stderr).toContain('This is its token, shown this once');
  const less = await run(home, ['attenuate', 'x', '--output', '-', '--json'], { input: token });
  expect(JSON.parse(less.stdout)).toMatchObject({ token: expect.stringMatching(/^cap_/) });
  expect(existsSync(pathOf(home, '-'))).toBe(false);
});

test('a label that is empty is refused', async () => {
  const home = cliHome();
  for (const label of ['', '  ']) {
    const grant = await run(home, ['grant', label, '--rights', 'read', '--all-sessions']);
    const attenuate = await run(home, ['attenuate', label], { input: 'cap_x.y' });
    const refused = { code: 2, stdout: '', stderr: expect.stringContaining('error: the label is empty') };
    expect([grant, attenuate]).toEqual([refused, refused]);
  }
  expect(await daemonPid(home)).toBeUndefined();
});

test('a time that is none is refused with all that --help says is taken', async () => {
  const home = cliHome();
  const allowed = '30m, 2h, 30d, 2w (from now), 2030-11-01 or "2030-11-01 14:30", local time';
  const { code, stderr } = await run(home, ['grant', 'x', '--rights', 'read', '--all-sessions', '--expires', '1s']);
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: `error: --expires: "1s" is not a time\nhint: allowed are ${allowed}\n`,
  });
  const help = (await run(home, ['grant', '--help'])).stdout.replace(/\s+/g, ' ');
  expect(help).toContain(allowed);
});

test('revoke --bump-epoch says of what is revoked or expired that it stays so, and fails', async () => {
  const home = await homeWith('a');
  const { capability } = await hold(home, 'it');
  const { capability: late } = await hold(home, 'late', { expiresAt: 1 });
  await run(home, ['revoke', capability.id]);
  const bump = (id: string, ...more: string[]) => run(home, ['revoke', id, '--bump-epoch', ...more]);
  const message = `${capability.id}  it was revoked already, and stays so: nobody can redeem it`;
  expect(await bump(capability.id)).toEqual({ code: 1, stdout: '', stderr: `error: ${message}\n` });
  expect(JSON.parse((await bump(capability.id, '--json')).stderr)).toEqual({ error: { code: 1, message } });
  expect((await bump(late.id)).stderr).toBe(
    `error: ${late.id}  late has expired, and stays so: nobody can redeem it\n`,
  );
  expect(await run(home, ['revoke', capability.id])).toEqual({
    code: 0,
    stdout: `was revoked before: ${capability.id}  it\n`,
    stderr: '',
  });
});

test('who asks for more than a token has is told so, and not that they may not share', async () => {
  const home = await homeWith('a', 'b');
  const { token } = await hold(home, 'it', { rights: ['read', 'share'], expiresAt: Date.now() + 3_600_000 });
  await hold(home, 'reads');
  const hint = 'hint: a token gives at most what it has itself: rights, sessions, ops, time\n';
  const refused = (message: string, code = 4) => ({ code, stdout: '', stderr: `error: ${message}\n${hint}` });
  const attenuate = (...args: string[]) => run(home, ['attenuate', 'x', ...args], { input: token });
  expect(await attenuate('--all-sessions')).toEqual(refused('all sessions are not yours to give'));
  expect(await attenuate('--rights', 'append')).toEqual(refused('the right append is not yours to give'));
  expect(await attenuate('--session', 'ses_b')).toEqual(refused('there is no session ses_b', 5));
  expect((await attenuate('--expires', '2h')).stderr).toContain(hint);
  const grant = (file: string) => run(home, ['grant', 'x', '--rights', 'read', '--all-sessions', '--token-file', file]);
  expect(await grant('it')).toEqual(refused('all sessions are not yours to give'));
  expect(await grant('reads')).toEqual({
    code: 4,
    stdout: '',
    stderr:
      'error: the capability does not allow capability/grant\n' +
      'hint: a token must give the right share for this, not narrowed to other ops or sessions\n',
  });
});

test('of many capabilities that an id may mean the first ten are listed, and how many more there are', async () => {
  const home = await homeWith('a');
  for (const number of range(1, 12)) await hold(home, `n${number}`);
  const { code, stderr } = await run(home, ['revoke', 'cap_0']);
  expect(code).toBe(2);
  const lines = stderr.trimEnd().split('\n');
  expect(lines[0]).toBe('error: 12 capabilities have ids that start with cap_0:');
  expect(lines.slice(1, 11)).toEqual(range(1, 10).map((number) => expect.stringMatching(`^ +cap_\\S+ {2}n${number}$`)));
  expect(lines.slice(11)).toEqual(['  and 2 more', 'hint: give more of the id']);
});

test('on a narrow terminal caps leaves out when it was used, then how long it holds, and last for which sessions', async () => {
  const capability: Capability = {
    id: 'cap_0mwqouwgu2_t5qNDdKK-Vwsl8',
    parentId: null,
    label: 'a reviewer of the shop',
    rights: ['read', 'append'],
    sessions: ['ses_shop'],
    epoch: 1,
    expiresAt: Date.UTC(2030, 0, 1),
    revokedAt: null,
    createdAt: 0,
    lastUsedAt: null,
  };
  const headers = async (width: number) =>
    (await capabilityTable([capability], [capability], { width, style: makeStyle(false), now: 0 }))[0]!.split(/ +/);
  const most = ['id', 'label', 'rights', 'sessions'];
  expect(await headers(90)).toEqual([...most, 'valid', 'last', 'used']);
  expect(await headers(80)).toEqual([...most, 'valid']);
  expect(await headers(50)).toEqual(most);
  expect(await headers(38)).toEqual(['id', 'label', 'rights']);
});

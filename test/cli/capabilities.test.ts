// grant, attenuate, revoke, caps, audit and --token-file: the real command over its real daemon. Wherever something was
// printed, the secret of a token is looked for in it.
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { configure as configureAttenuate } from '../../cli/commands/attenuate.ts';
import type { AuditEntry, Capability } from '../../protocol/capability.ts';
import { startDaemon } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import { hold, homeWith, pathOf, secretOf, tokenIn } from './capability-support.ts';
import { fakeTerminal } from './fake-terminal.ts';
import type { Run } from './run-cli.ts';
import { clientOf, cliHome, daemonPid, endDaemon, run, shownProgram, start } from './run-cli.ts';
import { createSessions, interrupt, jsonLines } from './tail-support.ts';

const capsOf = async (home: Home) => JSON.parse((await run(home, ['caps', '--all', '--json'])).stdout) as Capability[];

test('what was granted is what a verb with its token does: those sessions, those rights, until it is revoked', async () => {
  const home = await homeWith('a', 'b');
  const granted = await run(home, ['grant', 'a reviewer', '--rights', 'read', '--session', 'a', '--output', 'it']);
  const [held] = await capsOf(home);
  const { id } = held!;
  expect(granted).toEqual({
    code: 0,
    stdout: '',
    stderr:
      `${id}  a reviewer\nmay read\nin ses_a\nuntil it is taken back\n` +
      `Its token is in it: whoever has it may do so. To take it back:\n  ${shownProgram} revoke ${id}\n`,
  });
  const as = (...args: string[]) => run(home, [...args, '--token-file', 'it']);
  const titles = async () => (JSON.parse((await as('ls', '--json')).stdout) as { id: string }[]).map((each) => each.id);
  expect(await titles()).toEqual(['ses_a']);
  expect((await as('show', 'ses_a')).stdout).toContain('why does it fail?');
  expect(await as('show', 'ses_b')).toMatchObject({ code: 5, stdout: '' });
  expect(await as('show', 'ses_b')).toEqual({
    ...(await as('show', 'ses_none')),
    stderr: (await as('show', 'ses_none')).stderr.replaceAll('ses_none', 'ses_b'),
  });
  const refused = await as('rename', 'ses_a', 'x', '--json');
  expect(refused.code).toBe(4);
  expect(JSON.parse(refused.stderr)).toEqual({
    error: {
      code: 4,
      kind: 'Forbidden',
      message: 'the capability does not allow session/update in ses_a',
      hint: 'a token must give the right append for this, not narrowed to other ops or sessions',
    },
  });
  expect(await run(home, ['revoke', id.slice(4, 12)])).toEqual({
    code: 0,
    stdout: `revoked ${id}  a reviewer\n`,
    stderr: '',
  });
  expect(await as('ls')).toEqual({
    code: 4,
    stdout: '',
    stderr: 'error: the capability was revoked: ask whoever gave it for another\n',
  });
});

test('the token goes to stdout alone, and stdin takes it; the file that --output makes nobody else may read', async () => {
  const home = await homeWith('a', 'b');
  const args = [
    'grant',
    'x',
    '--rights',
    'read,append',
    '--ops',
    'part/*',
    '--all-sessions',
    '--expires',
    '2030-01-01',
  ];
  const { code, stdout, stderr } = await run(home, args);
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^cap_[\w-]+\.[\w-]+\n$/) });
  expect(stderr).toMatch(/^may read, append \(part\/\* only\)\nin all sessions\nuntil 2030-01-01 00:00\n/m);
  expect(stderr).not.toContain(secretOf(stdout.trim()));
  const piped = await run(home, ['--token-file', '-', 'ls', '--json'], { input: `  ${stdout}\n` });
  expect(JSON.parse(piped.stdout)).toHaveLength(2);
  const asJson = await run(home, ['grant', 'y', '--rights', 'read', '--session', 'a,b', '--json']);
  expect(asJson.stderr).toBe('');
  expect(JSON.parse(asJson.stdout)).toEqual({
    capability: expect.objectContaining({ label: 'y', sessions: ['ses_a', 'ses_b'] }),
    token: expect.stringMatching(/^cap_/),
  });
  await run(home, ['grant', 'z', '--rights', 'read', '--session', 'a', '--output', 'z', '--json']);
  expect(statSync(pathOf(home, 'z')).mode & 0o777).toBe(0o600);
  expect((await run(home, ['--token-file', 'z', 'ls'])).stdout).toContain('title of a');
});

test('--output never writes over a file, and where nothing is granted leaves none', async () => {
  const home = await homeWith('a');
  writeFileSync(pathOf(home, 'there'), 'mine');
  const grant = (...args: string[]) => run(home, ['grant', 'x', '--rights', 'read', ...args]);
  expect(await grant('--session', 'a', '--output', 'there')).toEqual({
    code: 1,
    stdout: '',
    stderr: 'error: there is there already, and is left as it is\nhint: name another file, or remove that one\n',
  });
  expect(readFileSync(pathOf(home, 'there'), 'utf8')).toBe('mine');
  expect((await grant('--session', 'none', '--output', 'new')).code).toBe(5);
  expect(existsSync(pathOf(home, 'new'))).toBe(false);
  expect((await grant('--output', 'new')).code).toBe(2);
  expect((await grant('--session', 'a', '--all-sessions')).code).toBe(2);
  expect(await capsOf(home)).toEqual([]);
});

test('a file that others may read, or that holds no token, is refused before a daemon is started for it', async () => {
  const home = cliHome();
  const file = (name: string, text: string, mode = 0o600) => {
    writeFileSync(pathOf(home, name), text);
    chmodSync(pathOf(home, name), mode);
  };
  file('open', 'cap_x.very-secret\n', 0o640);
  file('empty', '\n');
  file('prose', 'it is very-secret');
  file('long', 'very-secret'.repeat(1000));
  mkdirSync(pathOf(home, 'folder'));
  const expected: [string, number, string][] = [
    ['open', 2, 'error: others may get at open (its mode is 640)\nhint: chmod 600 open\n'],
    ['empty', 2, 'error: empty is empty: there is no token\n'],
    ['prose', 2, 'error: what prose holds is no token\n'],
    ['long', 2, 'error: what long holds is no token\n'],
    ['none', 5, 'error: cannot read none: ENOENT: no such file or directory\n'],
    ['folder', 1, 'error: cannot read folder: EISDIR: illegal operation on a directory\n'],
  ];
  for (const [name, code, start] of expected) {
    for (const args of [
      ['ls', '--token-file', name],
      [`--token-file=${name}`, 'rpc', 'ping', '--json'],
    ]) {
      const ended = await run(home, args);
      expect({ args, code: ended.code, stdout: ended.stdout }).toEqual({ args, code, stdout: '' });
      expect(ended.stderr).not.toContain('very-secret');
      if (args[0] === 'ls') expect(ended.stderr.startsWith(start), ended.stderr).toBe(true);
    }
  }
  expect((await run(home, ['ls', '--token-file', '-'], { input: '' })).stderr).toContain('stdin is empty');
  expect(await daemonPid(home)).toBeUndefined();
});

test('a token that is not good is not authorised (4), with a sentence for each reason, and is never shown', async () => {
  const home = await homeWith('a');
  const { token } = await hold(home, 'unknown');
  writeFileSync(pathOf(home, 'unknown'), `${token}x`);
  await hold(home, 'expired', { expiresAt: 1 });
  const { capability } = await hold(home, 'revoked');
  await run(home, ['revoke', capability.id]);
  const sentences: Record<string, string> = {
    unknown: 'the token is not known here\nhint: is the token whole, and of this daemon? ask whoever gave it',
    expired: 'the time of the capability is over: ask whoever gave it for another',
    revoked: 'the capability was revoked: ask whoever gave it for another',
  };
  for (const [name, sentence] of Object.entries(sentences)) {
    const secret = secretOf(tokenIn(home, name));
    const told = await run(home, ['ls', '--token-file', name]);
    expect(told).toEqual({ code: 4, stdout: '', stderr: `error: ${sentence}\n` });
    const asJson = await run(home, ['ls', '--token-file', name, '--json']);
    expect(JSON.parse(asJson.stderr)).toMatchObject({ error: { code: 4, kind: 'Unauthorized' } });
    expect(asJson.stderr).not.toContain(secret);
  }
});

test('attenuate makes less out of the token on stdin or of --token-file, never more, and it ends with that one', async () => {
  const home = await homeWith('a', 'b');
  const { token, capability } = await hold(home, 'all', { rights: ['read', 'append'], sessions: '*' });
  const less = await run(home, ['attenuate', 'less', '--session', 'a', '--rights', 'read'], { input: `${token}\n` });
  expect(less).toMatchObject({ code: 0, stdout: expect.stringMatching(/^cap_[\w-]+\.[\w-]+\n$/) });
  expect(less.stderr).toMatch(/^may read\nin ses_a\n/m);
  const fromFile = ['attenuate', 'by file', '--token-file', 'all', '--ops', 'part/*', '--output', 'parts'];
  expect((await run(home, fromFile)).code).toBe(0);
  const listed = await run(home, ['ls', '--json', '--token-file', '-'], { input: less.stdout });
  expect(JSON.parse(listed.stdout)).toHaveLength(1);
  const more = await run(home, ['attenuate', 'more', '--rights', 'admin', '--token-file', 'all']);
  expect(more).toMatchObject({ code: 4, stdout: '' });
  expect(more.stderr).toContain('the right admin is not yours to give');
  const held = await capsOf(home);
  expect(held.map(({ label, parentId }) => [label, parentId])).toEqual([
    ['all', null],
    ['less', capability.id],
    ['by file', capability.id],
  ]);
  const revoked = await run(home, ['revoke', capability.id]);
  expect(revoked.stdout).toBe(`revoked ${capability.id}  all\nwith 2 others made out of it\n`);
  expect((await run(home, ['ls', '--token-file', 'parts'])).code).toBe(4);
});

/** attenuate on a terminal, on which this is typed. */
async function attenuateTyping(home: Home, typed: string) {
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const { context, out, err } = fakeTerminal(home, { input });
  const command = new Command().exitOverride();
  configureAttenuate(command, context);
  const done = command.parseAsync(['typed'], { from: 'user' }).then(
    () => undefined,
    (error: unknown) => error,
  );
  input.write(typed);
  return { error: await done, out: out.text, err: err.text };
}

test('attenuate on a terminal says what it waits for, and does not show what is typed', async () => {
  const home = await homeWith('a');
  const { token } = await hold(home, 'all');
  const { error, out, err } = await attenuateTyping(home, `${token}\r`);
  expect(error).toBeUndefined();
  expect(err).toMatch(/^the token, which is not shown as you type or paste it: \n/);
  expect(out).toMatch(/^cap_[\w-]+\.[\w-]+\n$/);
  expect(out + err).not.toContain(secretOf(token));
  expect((await attenuateTyping(home, '\x03')).error).toMatchObject({ exitCode: 130 });
  expect((await attenuateTyping(home, '\x04')).error).toMatchObject({ message: 'stdin is empty: there is no token' });
});

test('a token is in no argument, environment or log, neither of the verb nor of the daemon that it starts', async () => {
  const home = await homeWith('a');
  const { token } = await hold(home, 'it');
  await endDaemon(home);
  expect((await run(home, ['ls', '--token-file', 'it'])).code).toBe(0);
  const tail = start(home, ['tail', '--token-file', 'it', '--from', 'start', '--json']);
  await tail.printed(/title of a/);
  const pid = (await daemonPid(home))!;
  for (const process of [pid, tail.child.pid!]) {
    for (const file of ['cmdline', 'environ']) {
      const text = readFileSync(`/proc/${process}/${file}`, 'utf8');
      expect(text).not.toContain(secretOf(token));
      expect(text).not.toBe('');
    }
  }
  await interrupt(tail);
  expect((await run(home, ['logs', '--json'])).stdout).not.toContain(secretOf(token));
});

test('a tail with a token sees its session alone, also of a daemon that came back, and ends with 4 when it is revoked', async () => {
  const home = cliHome();
  const daemon = await startDaemon(home);
  await createSessions(home, 'a', 'b');
  const { capability } = await hold(home, 'it');
  const tail = start(home, ['tail', '--token-file', 'it', '--from', 'start', '--json']);
  await tail.printed(/is a/);
  await daemon.kill('SIGKILL');
  await tail.told(/"lost"/);
  await startDaemon(home);
  const client = await clientOf(home);
  const rename = async (title: string) => {
    for (const name of ['b', 'a']) await client.call('session/update', { sessionId: `ses_${name}`, title });
  };
  await rename('after the crash');
  await tail.printed(/after the crash/);
  expect(await run(home, ['revoke', capability.id, '--bump-epoch'])).toEqual({
    code: 0,
    stdout: `must be redeemed again: ${capability.id}  it\n`,
    stderr: '',
  });
  await rename('of a new epoch');
  await tail.printed(/of a new epoch/);
  await run(home, ['revoke', capability.id]);
  const { code, stdout, stderr }: Run = await tail.ended;
  expect(code).toBe(4);
  expect(jsonLines(stdout).map(({ sessionId, type }) => [sessionId, type])).toEqual([
    ['ses_a', 'session/created'],
    ['ses_a', 'session/updated'],
    ['ses_a', 'session/updated'],
  ]);
  expect(jsonLines(stderr).at(-1)).toEqual({
    error: {
      code: 4,
      kind: 'Unauthorized',
      message: 'the capability was revoked: ask whoever gave it for another',
    },
  });
});

test('inbox --watch ends with 4 when its capability is revoked', async () => {
  const home = await homeWith('a');
  const { capability } = await hold(home, 'it');
  const watch = start(home, ['inbox', '--watch', '--token-file', 'it']);
  await watch.printed(/watching/);
  await run(home, ['revoke', capability.id]);
  expect(await watch.ended).toMatchObject({ code: 4, stderr: expect.stringContaining('was revoked') });
});

test('caps lists what can be used, below that out of which it was made; with --all what is over too', async () => {
  const home = await homeWith('a', 'b');
  expect((await run(home, ['caps'])).stdout).toBe(
    `Nothing is handed out. To do so: ${shownProgram} grant LABEL --rights read --session ID\n`,
  );
  const { token } = await hold(home, 'parent', { rights: ['read', 'append'], sessions: '*', ops: ['part/*'] });
  const { capability: gone } = await hold(home, 'gone');
  await hold(home, 'late', { expiresAt: 1 });
  await run(home, ['revoke', gone.id]);
  await run(home, ['attenuate', 'child', '--session', 'a,b'], { input: token });
  const caps = await run(home, ['caps']);
  expect(caps).toMatchObject({ code: 0, stderr: '' });
  const lines = caps.stdout.split('\n');
  expect(lines[0]).toMatch(/^id +label +rights +sessions +valid +last used$/);
  expect(lines[1]).toMatch(/^cap_\S+ +parent +read, append \(part\/\*\) +all +until revoked +never$/);
  expect(lines[2]).toMatch(/^cap_\S+ +└ child +read, append \(part\/\*\) +ses_a, ses_b +until revoked +never$/);
  expect(lines.slice(3)).toEqual([`2 revoked or expired: ${shownProgram} caps --all`, '']);
  const all = (await run(home, ['caps', '--all'])).stdout;
  expect(all).toMatch(/^cap_\S+ +gone +read +ses_a +revoked just now +never$/m);
  expect(all).toMatch(/^cap_\S+ +late +read +ses_a +expired 1970-01-01 +never$/m);
  expect(all + caps.stdout).not.toContain(secretOf(token));
});

test('audit tells who did what in which session and how that ended, the newest last', async () => {
  const home = await homeWith('a', 'b');
  const { capability } = await hold(home, 'it', { rights: ['read', 'append'] });
  await hold(home, 'other');
  await run(home, ['rename', 'ses_a', 'new', '--token-file', 'it']);
  await run(home, ['show', 'ses_b', '--token-file', 'it']);
  await run(home, ['ls', '--token-file', 'other']);
  const entries = async (...args: string[]) =>
    jsonLines((await run(home, ['audit', '--json', ...args])).stdout) as unknown as AuditEntry[];
  const ofIt = await entries(capability.id);
  expect(new Set(ofIt.map(({ capabilityId }) => capabilityId))).toEqual(new Set([capability.id]));
  const told = ofIt.map(({ method, sessionId, outcome }) => `${method} ${sessionId} ${outcome}`);
  expect(told[0]).toBe('capability/grant null ok');
  expect(told).toContain('session/update ses_a ok');
  expect(told).toContain('session/get ses_b NotFound');
  const all = await entries();
  expect(all.length).toBeGreaterThan(ofIt.length);
  expect(await entries('--limit', '2')).toEqual(all.slice(-2));
  const { stdout } = await run(home, ['audit', capability.id.slice(0, 14)]);
  expect(stdout).toMatch(/^at +capability +by +method +session +outcome\n/);
  expect(stdout).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}cap_\S+ it +itself\/c\d+ +session\/update +ses_a +ok$/m);
  expect(stdout).toMatch(/ +local\/c\d+ +capability\/grant +ok$/m);
});

test('an id that nothing or more than one begins with is told, as of sessions', async () => {
  const home = await homeWith('a');
  await hold(home, 'one');
  await hold(home, 'two');
  const none = await run(home, ['revoke', 'nope']);
  expect(none).toMatchObject({
    code: 5,
    stderr: expect.stringContaining(`hint: what was handed out: ${shownProgram} caps --all`),
  });
  const both = await run(home, ['audit', 'cap_0']);
  expect(both.code).toBe(2);
  expect(both.stderr).toMatch(/2 capabilities have ids that start with cap_0:\n +cap_\S+ {2}one\n +cap_\S+ {2}two\n/);
});

test('an id that is empty, as of a variable that is not set, revokes nothing, also where there is one capability', async () => {
  const home = await homeWith('a');
  await hold(home, 'only');
  for (const given of ['', 'cap_']) {
    expect(await run(home, ['revoke', given])).toEqual({
      code: 2,
      stdout: '',
      stderr: `error: "${given}" is not an id\nhint: what was handed out: ${shownProgram} caps --all\n`,
    });
  }
  expect((await capsOf(home)).map(({ revokedAt }) => revokedAt)).toEqual([null]);
});

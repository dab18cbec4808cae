// share and unshare: by the real command, from one real daemon to another.
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { findingTable, shareTable } from '../../cli/render/share.ts';
import { makeStyle } from '../../cli/render/style.ts';
import type { Share } from '../../protocol/outbox.ts';
import type { Home } from '../support/home.ts';
import { attacks, expectSafe } from '../support/hostile.ts';
import { homeWith, pathOf, secretOf } from './capability-support.ts';
import type { Host } from './outbox-support.ts';
import { holdHostToken, hostDaemon, nobody, until } from './outbox-support.ts';
import { clientOf, endDaemon, run, seedSession, shownProgram } from './run-cli.ts';

const sharesOf = async (home: Home) => JSON.parse((await run(home, ['share', '--list', '--json'])).stdout) as Share[];
const shareArgs = (host: Host, id: string) => ['share', id, '--host', host.url, '--host-token-file', 'host.token'];

/** A home with a session, and a host whose token lies in it. */
async function homeAndHost(): Promise<{ home: Home; host: Host }> {
  const host = await hostDaemon();
  const home = await homeWith('shop');
  await holdHostToken(host, home);
  return { home, host };
}

test('share prints the link alone on stdout, and on stderr what it allows and how to take it back', async () => {
  const { home, host } = await homeAndHost();
  const { code, stdout, stderr } = await run(home, [
    ...shareArgs(host, 'shop'),
    '--answer',
    '--append',
    '--expires',
    '2d',
  ]);
  expect(code).toBe(0);
  expect(stdout).toMatch(new RegExp(`^${host.url}/#cap_[\\w-]+\\.[\\w-]+\n$`));
  const [share] = await sharesOf(home);
  expect(share).toMatchObject({ sessionId: 'ses_shop', rights: ['read', 'append', 'answer'], host: host.url });
  expect(stderr).toMatch(
    /^shared ses_shop {2}title of shop\nWhoever has the link may read it, append to it, answer what waits in it\.\nIt is good until \d{4}-\d\d-\d\d \d\d:\d\d\.\n/,
  );
  for (const words of ['share ses_shop --dry-run', 'share --list', `unshare ${share!.id}`])
    expect(stderr).toContain(`\n  ${shownProgram} ${words}\n`);
  const [link] = stdout.trim().split('#').slice(1);
  expect(stderr).not.toContain(secretOf(link!));
  for (const words of [
    ['share', '--list', '--json'],
    ['sink', 'ls', '--json'],
    ['logs', '--json'],
  ]) {
    const told = (await run(home, words)).stdout;
    expect(told).not.toContain(secretOf(link!));
    expect(told).not.toContain(secretOf(readFileSync(pathOf(home, 'host.token'), 'utf8').trim()));
  }
  const guest = await clientOf(host.home);
  const redeemed = () => guest.call('capability/redeem', { token: link! });
  const { sessions } = await until('it to arrive', redeemed, (found) => found.sessions.length > 0);
  expect(sessions).toMatchObject([{ id: 'ses_shop', title: 'title of shop' }]);
  const listed = (await run(home, ['share', '--list'])).stdout;
  expect(listed).toMatch(
    /^id +session +title +allows +state +valid +host\nshr_\S+ +ses_shop +title of shop +read, append, answer +active\S* .*until \d{4}-/,
  );
});

test('of a host that is a sink no token is needed; with --json the link is an object', async () => {
  const { home, host } = await homeAndHost();
  await seedSession(home, 'ses_other', 'other');
  await run(home, ['sink', 'add', 'box', host.url, '--host-token-file', 'host.token', '--session', 'other']);
  const { code, stdout, stderr } = await run(home, ['share', 'shop', '--host', host.url, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const made = JSON.parse(stdout) as { shareId: string; url: string; token: string };
  expect(made.url).toBe(`${host.url}/#${made.token}`);
  expect((await sharesOf(home)).map(({ id }) => id)).toEqual([made.shareId]);
});

test('what the host does not do is told with what to do, and nothing is shared', async () => {
  const { home, host } = await homeAndHost();
  const again = (url: string) => `${shownProgram} share ses_shop --host ${url} --host-token-file PATH\n`;
  const none = await run(home, ['share', 'shop', '--host', host.url]);
  expect(none).toMatchObject({ code: 2, stdout: '' });
  expect(none.stderr).toContain(`hint: ${again(host.url)}`);
  for (const url of [host.url, nobody]) {
    const refused = await run(home, ['share', 'shop', '--host', `${url}/#cap_x.hidden`]);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain(`hint: nothing was shared; to try again: ${again(`${url}/`)}`);
    expect(refused.stderr).not.toContain('hidden');
  }
  expect(await sharesOf(home)).toEqual([]);
  await run(home, shareArgs(host, 'shop'));
  const twice = await run(home, shareArgs(host, 'shop'));
  expect(twice).toMatchObject({ code: 1, stdout: '' });
  expect(twice.stderr).toMatch(/shared there already.*sessiond unshare shr_/);
});

test('unshare takes back by the share, by its session or by the start of either, and its host knows at once', async () => {
  const { home, host } = await homeAndHost();
  for (const given of ['ses_shop', 'sho', 'shr_']) {
    const link = (await run(home, shareArgs(host, 'shop'))).stdout.trim();
    const [{ id }] = (await sharesOf(home)) as [Share];
    const { code, stdout, stderr } = await run(home, ['unshare', given === 'shr_' ? id.slice(0, 14) : given]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(
      `taken back: ${id}, ses_shop  title of shop\nthe link is good for nothing any more, at ${host.url} too\n`,
    );
    expect(await sharesOf(home)).toEqual([]);
    const token = link.split('#')[1]!;
    await expect((await clientOf(host.home)).call('capability/redeem', { token })).rejects.toMatchObject({
      kind: 'Unauthorized',
    });
  }
});

test('[P29] unshare works when the session is deleted and its host is away: it says so, and where to look', async () => {
  const { home, host } = await homeAndHost();
  await run(home, shareArgs(host, 'shop'));
  await run(home, ['rm', 'ses_shop', '--yes']);
  await endDaemon(host.home);
  const { code, stdout } = await run(home, ['unshare', 'ses_shop']);
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^taken back: shr_\S+, ses_shop\nnothing more is sent; http:\S+ could not be told yet \(.*\), and is as soon as it can be: /,
  );
  expect(stdout).toContain(`: ${shownProgram} share --list\n`);
  const listed = (await run(home, ['share', '--list'])).stdout;
  expect(listed).toMatch(
    /^shr_\S+ +ses_shop +\(no title\) +read +ending .*\n {2}.*ECONNREFUSED.*\n {2}taken back here; its host is told as soon as it can be reached\n$/m,
  );
  expect((await run(home, ['unshare', 'shop'])).stdout).toMatch(/^was taken back before: shr_/);
  await host.restart();
  await until(
    'the host to be told',
    () => sharesOf(home),
    (shares) => shares.length === 0,
  );
});

test('what is not shared, and an id that is none, take nothing back, also where there is one share', async () => {
  const { home, host } = await homeAndHost();
  await run(home, shareArgs(host, 'shop'));
  await seedSession(home, 'ses_mine', 'mine');
  const hint = `hint: what is shared: ${shownProgram} share --list\n`;
  for (const [given, code, message] of [
    ['', 2, '"" is not an id'],
    ['mine', 5, 'ses_mine is not shared'],
    ['nope', 5, 'nothing is shared whose id, or whose session, starts with nope'],
    ['shr_nope', 5, 'nothing is shared whose id, or whose session, starts with shr_nope'],
  ] as const) {
    const { stderr, ...rest } = await run(home, ['unshare', given]);
    expect({ given, ...rest }).toEqual({ given, code, stdout: '' });
    expect(stderr).toBe(`error: ${message}\n${hint}`);
  }
  expect(await sharesOf(home)).toHaveLength(1);
});

test('a share whose sink is asked to be removed says what takes it back, and completion offers what is shared', async () => {
  const { home, host } = await homeAndHost();
  expect((await run(home, ['share', '--list'])).stdout).toBe(
    `Nothing is shared. To do so: ${shownProgram} share ID --host URL\n`,
  );
  await run(home, shareArgs(host, 'shop'));
  const [{ id }] = (await sharesOf(home)) as [Share];
  expect(await run(home, ['sink', 'rm', id])).toMatchObject({
    code: 4,
    stderr: `error: it sends a share: take that back with \`sessiond unshare ${id}\`\n`,
  });
  expect((await run(home, ['__complete', 'shares'])).stdout).toBe(`${id}\ttitle of shop\nses_shop\ttitle of shop\n`);
});

test('share --dry-run shares nothing and says what would be masked; of a session without secrets that all goes out', async () => {
  const home = await homeWith('shop');
  const goesOut = `goes out as it is: ${shownProgram} share ses_shop --host`;
  expect(await run(home, ['share', 'shop', '--dry-run'])).toEqual({
    code: 0,
    stdout: `No secret was found in ses_shop  title of shop.\nAll of it ${goesOut} URL\n`,
    stderr: '',
  });
  const client = await clientOf(home);
  const secret = `ghp_${'k3Xz9QmR7tBvW2nLpY4s'.repeat(2).slice(0, 36)}`;
  const part = { type: 'text' as const, text: `take ${secret} for it` };
  await client.call('part/put', { sessionId: 'ses_shop', messageId: 'msg_shop1', partId: 'prt_it', part });
  const { code, stdout } = await run(home, ['share', 'shop', '--dry-run', '--host', 'https://box.example/#a.hidden']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^secret +in +where +around it\n\S+ +prt_it +\S+ .*take \[masked:\S+\] for it\n/);
  expect(stdout).toContain(
    `\n1 secret would be masked in ses_shop  title of shop.\nThe rest of it ${goesOut} https://box.example/\n`,
  );
  const asJson = await run(home, ['share', 'shop', '--dry-run', '--json']);
  expect(JSON.parse(asJson.stdout)).toMatchObject({ items: [{ partId: 'prt_it' }], more: false });
  expect(stdout + asJson.stdout).not.toContain(secret);
  expect(stdout).not.toContain('hidden');
  expect(await sharesOf(home)).toEqual([]);
});

test('with a token that may share one session, that is shared and listed, and no other', async () => {
  const { home, host } = await homeAndHost();
  await seedSession(home, 'ses_other', 'other');
  await run(home, shareArgs(host, 'other'));
  await run(home, ['grant', 'x', '--rights', 'read,share', '--session', 'shop', '--output', 'it']);
  const asHolder = (...args: string[]) => run(home, [...args, '--token-file', 'it']);
  expect((await asHolder('share', 'other', '--dry-run')).code).toBe(5);
  expect((await asHolder(...shareArgs(host, 'shop'))).stderr).toContain(' --token-file it\n');
  const listed = JSON.parse((await asHolder('share', '--list', '--json')).stdout) as Share[];
  expect(listed.map(({ sessionId }) => sessionId)).toEqual(['ses_shop']);
  expect((await asHolder('unshare', 'other')).code).toBe(5);
  expect((await asHolder('unshare', 'shop')).code).toBe(0);
});

test('what others say is safe to print, and fits a narrow terminal', async () => {
  const hostile = attacks.join('x');
  const share: Share = {
    ...{ id: 'shr_1', sessionId: 'ses_a', title: hostile, host: `https://h/${hostile}`, rights: ['read'], lag: 3 },
    ...{ state: 'paused', lastError: hostile, createdAt: 0, expiresAt: null },
  };
  const finding = { rule: hostile, partId: 'prt_1', where: hostile, excerpt: hostile };
  for (const width of [40, 80, Number.POSITIVE_INFINITY]) {
    const options = { width, style: makeStyle(false), commandLine: (words: string) => `s ${words}` };
    const lines = [...(await shareTable([share], options)), ...(await findingTable([finding], options))];
    expectSafe(lines.join('\n'), `at ${width}`, false);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
  }
});

test('answer and reject at the host go to the home of the session, by its owner and by a guest', async () => {
  const { home, host } = await homeAndHost();
  const { stdout } = await run(home, [...shareArgs(host, 'shop'), '--answer']);
  const client = await clientOf(home);
  const ask = (blockerId: string) => {
    const request = { permission: 'deploy' };
    return client.call('blocker/ask', { sessionId: 'ses_shop', blockerId, kind: 'permission', request });
  };
  for (const id of ['blk_one00000', 'blk_two00000']) await ask(id);
  const there = () => host.client.call('blocker/list', { sessionId: 'ses_shop' });
  await until('the questions to arrive', there, ({ items }) => items.length === 2);
  writeFileSync(pathOf(host.home, 'link.token'), stdout.trim().split('#')[1]!, { mode: 0o600 });
  const answered = await run(host.home, ['answer', 'blk_one00000', 'once', '--token-file', 'link.token']);
  expect(answered).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^blk_one00000 is answered by cap_.*: once/),
  });
  const rejected = await run(host.home, ['reject', 'blk_two00000']);
  expect(rejected).toMatchObject({ code: 0, stdout: expect.stringMatching(/^blk_two00000 is rejected/) });
  const late = await run(host.home, ['answer', 'blk_one00000', 'deny']);
  expect(late.code).toBe(8);
  const { items } = await client.call('blocker/list', { sessionId: 'ses_shop' });
  expect(items.map(({ state }) => state)).toEqual(['answered', 'rejected']);
});

test('grant --replica names a session that is not here yet, by its whole id', async () => {
  const host = await hostDaemon();
  const granted = await run(host.home, [
    'grant',
    'x',
    '--rights',
    'read,append,share',
    '--replica',
    'ses_there000',
    '--json',
  ]);
  expect(JSON.parse(granted.stdout).capability.sessions).toEqual(['ses_there000']);
  const both = await run(host.home, ['grant', 'x', '--rights', 'read', '--replica', 'ses_there000', '--all-sessions']);
  expect(both.code).toBe(2);
});

// sink and outbox: the places that the record is sent to, by the real command over its real daemon.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import type { Waiting } from '../../cli/outbox.ts';
import { outboxLines } from '../../cli/render/batch.ts';
import { sinkTable } from '../../cli/render/sink.ts';
import { makeStyle } from '../../cli/render/style.ts';
import type { Batch, SinkStatus } from '../../protocol/outbox.ts';
import { attacks, expectSafe } from '../support/hostile.ts';
import { homeWith, pathOf, tokenIn } from './capability-support.ts';
import {
  addTo,
  batchesOf,
  fakeHost,
  holdHostToken,
  hostDaemon,
  nobody,
  sinkOf,
  sinksOf,
  until,
} from './outbox-support.ts';
import { cliHome, daemonPid, run, shownProgram } from './run-cli.ts';

test('nothing is sent anywhere at first, and sink ls and outbox say how it could be', async () => {
  const home = await homeWith();
  const stdout = `Nothing is sent anywhere.\nTo add a place: ${shownProgram} sink add NAME URL\n`;
  for (const args of [['sink', 'ls'], ['outbox']])
    expect(await run(home, args)).toEqual({ code: 0, stdout, stderr: '' });
  expect((await run(home, ['sink', 'ls', '--json'])).stdout).toBe('[]\n');
  expect(await run(home, ['outbox', '--json'])).toEqual({ code: 0, stdout: '', stderr: '' });
  expect((await run(home, ['status'])).stdout).not.toMatch(/^sinks/m);
});

test('sink add of a path, named as the shell would, sends the record there; what arrived is in outbox --all', async () => {
  const home = await homeWith('a');
  const path = join(resolve(home.folder), 'archive', 'all.jsonl');
  const added = await run(home, ['sink', 'add', 'arch', 'archive/all.jsonl']);
  expect(added).toEqual({
    code: 0,
    stdout: `arch is sent all sessions, secrets too: ${path}\nhow it goes: ${shownProgram} sink ls\n`,
    stderr: '',
  });
  await until(
    'all to arrive',
    () => sinkOf(home, 'arch'),
    ({ lag }) => lag === 0,
  );
  expect(readFileSync(path, 'utf8')).toContain('title of a');
  expect((await run(home, ['sink', 'ls'])).stdout).toMatch(
    new RegExp(`^name +kind +state +behind +sessions +secrets +to\narch +file +active +0 +all +sent +${path}\n$`),
  );
  expect((await run(home, ['outbox'])).stdout).toBe('Nothing waits for arch.\n');
  expect((await run(home, ['outbox', '--all'])).stdout).toMatch(
    /^arch {2}active, has everything {2}.*\n {2}bat_[\w-]+ {2}arrived\n/,
  );
  expect((await batchesOf(home, '--all')).every(({ state }) => state === 'acked')).toBe(true);
  expect(await batchesOf(home)).toEqual([]);
  expect((await run(home, ['status'])).stdout).toMatch(/^sinks +1$/m);
});

test('a sink may be sent a part only, and what it is sent is told', async () => {
  const home = await homeWith('a', 'b');
  const options = ['--session', 'a', '--dir', '.', '--agent', 'tester,other', '--mask'];
  const { stdout } = await run(home, ['sink', 'add', 'part', '~/part.jsonl', ...options]);
  const filter = { sessions: ['ses_a'], directory: resolve(home.folder), agents: ['tester', 'other'] };
  expect(stdout).toMatch(
    new RegExp(
      `^part is sent sessions ses_a in ${filter.directory} of tester, other, with secrets masked: ~/part.jsonl\n`,
    ),
  );
  const asJson = await run(home, ['sink', 'add', 'more', 'file:///tmp/never/x', '--session', 'b', '--json']);
  expect(JSON.parse(asJson.stdout)).toMatchObject({ name: 'more', kind: 'file', filter: { sessions: ['ses_b'] } });
  expect(await sinkOf(home, 'part')).toMatchObject({ filter, mask: true, url: join(home.env.HOME!, 'part.jsonl') });
});

test('the token of the other side is read from a file, from stdin or behind #, and printed nowhere', async () => {
  const host = await hostDaemon();
  const home = await homeWith('a');
  const tokens: string[] = [];
  const texts: string[] = [];
  const add = async (name: string, args: (token: string) => string[], input = false) => {
    const { token } = await holdHostToken(host, home, name);
    tokens.push(token);
    const added = await run(home, ['sink', 'add', name, ...args(token)], input ? { input: token } : {});
    expect(added.code).toBe(0);
    texts.push(added.stdout, added.stderr);
  };
  await add('file', () => [host.url, '--host-token-file', 'file', '--kind', 'capnweb']);
  await add('stdin', () => [host.url, '--host-token-file', '-'], true);
  await add('link', (token) => [`${host.url}/#${token}`]);
  const isWell = ({ state, lag }: SinkStatus) => state === 'active' && lag === 0;
  const sinks = await until(
    'all to arrive',
    () => sinksOf(home),
    (all) => all.every(isWell),
  );
  expect(sinks.map(({ kind }) => kind).sort()).toEqual(['capnweb', 'http', 'http']);
  for (const args of [
    ['sink', 'ls', '--json'],
    ['outbox', '--all', '--json'],
    ['logs', '--json'],
    ['status', '--json'],
  ]) {
    texts.push((await run(home, args)).stdout);
  }
  for (const token of tokens) expect(texts.join()).not.toContain(token.split('.')[1]);
  expect((await host.client.call('session/get', { sessionId: 'ses_a' })).session.title).toBe('title of a');
});

test('what is typed wrong is wrong usage, in words that show no token, and no daemon is started for it', async () => {
  const home = cliHome();
  writeFileSync(pathOf(home, 'host.token'), 'a.secret', { mode: 0o600 });
  const both = ['--host-token-file', 'host.token'];
  for (const [args, words] of [
    [['sink', 'add', 'x', 'ftp://nowhere'], 'nothing can be sent to "ftp://nowhere"'],
    [['sink', 'add', 'x', 'https://h#a.secret', ...both], 'the token is given twice'],
    [['sink', 'add', 'x', 'https://h#a%20secret'], 'what the url behind # holds is no token'],
    [['sink', 'add', 'x', 'https://h', '--kind', 'mail'], '--kind takes http, capnweb, file'],
    [['share', 'ses_a'], 'the host to share it through is not given'],
    [['share'], 'the session to share is not given'],
    [['share', 'ses_a', '--host', 'box#a.secret'], '--host takes the url of another sessiond, not "box"'],
    [['share', 'ses_a', '--host', 'https://h', '--expires', 'never'], '--expires: "never" is not a time'],
    [['sink', 'resume', 'x', '--host-token-file', '-', '--token-file', '-'], 'stdin cannot give the token'],
  ] as const) {
    const { code, stdout, stderr } = await run(home, [...args]);
    expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' });
    expect(stderr).toContain(words);
    expect(stderr).not.toContain('secret');
  }
  expect((await run(home, ['sink', 'add', 'x', 'https://h', '--host-token-file', 'none'])).code).toBe(5);
  expect(await daemonPid(home)).toBeUndefined();
});

test('a name that is taken or is none, and a url that needs a token, are told as the daemon does', async () => {
  const home = await homeWith();
  await run(home, ['sink', 'add', 'arch', 'a.jsonl']);
  expect(await run(home, ['sink', 'add', 'arch', 'b.jsonl'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('there is a sink arch'),
  });
  for (const args of [
    ['no/name', 'a.jsonl'],
    ['x', 'https://box.example'],
  ]) {
    const { code, stderr } = await run(home, ['sink', 'add', ...args]);
    expect(code).toBe(2);
    expect(stderr).toContain(`hint: ${shownProgram} sink add --help\n`);
  }
  for (const verb of ['pause', 'resume', 'rm']) {
    expect(await run(home, ['sink', verb, 'nope'])).toEqual({
      code: 5,
      stdout: '',
      stderr: `error: there is no sink nope\nhint: the sinks there are: ${shownProgram} sink ls\n`,
    });
  }
  expect((await run(home, ['outbox', '--sink', 'nope'])).code).toBe(5);
});

test('a sink whose other side is away is failing: when it is tried next is told, and status names it in one line', async () => {
  const home = await homeWith('a');
  await addTo(home, 'away', nobody);
  await until(
    'it to fail',
    () => sinkOf(home, 'away'),
    ({ state }) => state === 'failing',
  );
  const { stdout } = await run(home, ['outbox']);
  expect(stdout).toMatch(
    /^away {2}failing, \d+ events behind {2}http:\/\/127\.0\.0\.1:9\n {2}bat_[\w-]{9,} {2}\d+ ops, (waiting, tried (once|\d+ times), next try (now|in .*)|on its way.*)\n/,
  );
  expect(stdout).toContain(`  it is tried again by itself; when: ${shownProgram} outbox\n`);
  expect((await run(home, ['sink', 'ls'])).stdout).toMatch(
    /^away +http +failing +\d+ .*\n {2}http:.*\n {2}it is tried again/m,
  );
  expect((await run(home, ['status'])).stdout).toContain(`\nsinks        1: away failing (${shownProgram} sink ls)\n`);
});

test('a sink that was refused is paused: it is told why and what to do, and goes on with another token', async () => {
  const host = await hostDaemon();
  const home = await homeWith('a');
  const { capability } = await holdHostToken(host, home);
  await run(home, ['sink', 'add', 'box', host.url, '--host-token-file', 'host.token']);
  await until(
    'all to arrive',
    () => sinkOf(home, 'box'),
    ({ lag }) => lag === 0,
  );
  await host.client.call('capability/revoke', { capabilityId: capability.id, mode: 'revoke' });
  await run(home, ['rename', 'a', 'another title']);
  await until(
    'it to be paused',
    () => sinkOf(home, 'box'),
    ({ state }) => state === 'paused',
  );
  const [batch] = await batchesOf(home);
  expect(batch).toMatchObject({ state: 'failed', sink: 'box' });
  const outbox = (await run(home, ['outbox'])).stdout;
  expect(outbox).toMatch(/^ {2}bat_\S+ {2}1 op, set aside, tried once\n {4}\S.*revoked/m);
  expect(outbox.match(/revoked/g)).toHaveLength(1);
  const id = batch!.batchId.slice(0, 16);
  expect(outbox).toContain(`    to send it again: ${shownProgram} outbox retry ${id}`);
  expect(outbox).toContain(`    to give it up: ${shownProgram} outbox discard ${id}`);
  const todo = `  nothing is sent until that is put right and: ${shownProgram} sink resume box (--host-token-file PATH for another token)\n`;
  expect(outbox).toContain(todo);
  expect((await run(home, ['sink', 'ls'])).stdout).toContain(todo);
  await holdHostToken(host, home, 'new.token');
  expect(await run(home, ['sink', 'resume', 'box', '--host-token-file', 'new.token'])).toEqual({
    code: 0,
    stdout: `box goes on\nhow it goes: ${shownProgram} sink ls\n`,
    stderr: '',
  });
  await until(
    'all to arrive',
    () => sinkOf(home, 'box'),
    ({ lag, state }) => lag === 0 && state === 'active',
  );
  expect((await host.client.call('session/get', { sessionId: 'ses_a' })).session.title).toBe('another title');
});

test('a batch is sent again, or given up, by the start of its id; one that is not there says where to look', async () => {
  // What is refused at once is not added; what is away may come.
  let answer: { status: number } | { rejected: [] } = { status: 503 };
  const url = await fakeHost(() => answer);
  const home = await homeWith('a');
  await addTo(home, 'other', url);
  answer = { status: 404 };
  const failed = async () =>
    (
      await until(
        'it to be refused',
        () => batchesOf(home),
        ([first]) => first?.state === 'failed',
      )
    )[0]!;
  const { batchId, attempts: before } = await failed();
  const again = await run(home, ['outbox', 'retry', batchId.slice(4, 20)]);
  expect(again).toEqual({
    code: 0,
    stdout: `${batchId} is sent to other again\nhow it goes: ${shownProgram} outbox\n`,
    stderr: '',
  });
  await until('it to be tried again', failed, ({ attempts }) => attempts === before + 1);
  expect(await run(home, ['outbox', 'discard', batchId])).toEqual({
    code: 0,
    stdout: `${batchId} is given up: it is not sent to other\nother is paused; to go on: ${shownProgram} sink resume other\n`,
    stderr: '',
  });
  for (const [given, code] of [
    ['nope', 5],
    ['', 2],
    [batchId, 5],
  ] as const) {
    expect(await run(home, ['outbox', 'retry', given])).toMatchObject({
      code,
      stderr: expect.stringContaining(`hint: what waits to be sent: ${shownProgram} outbox\n`),
    });
  }
  answer = { rejected: [] };
  await run(home, ['sink', 'resume', 'other']);
  await run(home, ['rename', 'a', 'another']);
  const [arrived] = await until(
    'the next to arrive',
    () => batchesOf(home, '--all'),
    ([first]) => first?.state === 'acked',
  );
  expect(await run(home, ['outbox', 'retry', arrived!.batchId])).toMatchObject({
    code: 1,
    stderr: 'error: it has arrived\n',
  });
});

test('what the other side did not take of what arrived is told, with its reasons', async () => {
  const url = await fakeHost((items) => ({ rejected: items.slice(0, 1) }));
  const home = await homeWith('a');
  await addTo(home, 'picky', url);
  await until(
    'all to arrive',
    () => sinkOf(home, 'picky'),
    ({ lag }) => lag === 0,
  );
  expect((await run(home, ['outbox'])).stdout).toMatch(
    /^picky {2}active, has everything .*\n {2}1 op that arrived was not taken: .* outbox --all --sink picky\n$/,
  );
  expect((await run(home, ['outbox', '--all', '--sink', 'picky'])).stdout).toMatch(
    /^ {2}bat_\S+ {2}arrived, 1 op of it not taken\n {4}\S+: AlreadyExists: it is at home here\n/m,
  );
});

test('sink pause sends nothing more, and resume all that came meanwhile; rm leaves what arrived', async () => {
  const home = await homeWith('a');
  await run(home, ['sink', 'add', 'arch', 'arch.jsonl']);
  await until(
    'all to arrive',
    () => sinkOf(home, 'arch'),
    ({ lag }) => lag === 0,
  );
  expect(await run(home, ['sink', 'pause', 'arch'])).toEqual({
    code: 0,
    stdout: `arch is paused\n  nothing is sent until: ${shownProgram} sink resume arch\n`,
    stderr: '',
  });
  await run(home, ['rename', 'a', 'meanwhile']);
  expect(await sinkOf(home, 'arch')).toMatchObject({ state: 'paused', lag: 1 });
  expect((await run(home, ['outbox'])).stdout).toMatch(
    /^arch {2}paused, 1 event behind .*\n {2}nothing is sent until: /,
  );
  expect((await run(home, ['sink', 'resume', 'arch', '--json'])).stdout).toContain('"state":"active"');
  await until(
    'all to arrive',
    () => sinkOf(home, 'arch'),
    ({ lag }) => lag === 0,
  );
  expect(readFileSync(pathOf(home, 'arch.jsonl'), 'utf8')).toContain('meanwhile');
  expect(await run(home, ['sink', 'rm', 'arch'])).toEqual({
    code: 0,
    stdout: 'nothing is sent to arch any more; what arrived there stays there\n',
    stderr: '',
  });
  expect(existsSync(pathOf(home, 'arch.jsonl'))).toBe(true);
  expect(await sinksOf(home)).toEqual([]);
});

test('a token without the right admin may not look at what is sent, and the hint says so', async () => {
  const home = await homeWith('a');
  await run(home, ['grant', 'x', '--rights', 'read', '--all-sessions', '--output', 'it']);
  expect(tokenIn(home, 'it')).not.toBe('');
  for (const args of [['sink', 'ls'], ['outbox']]) {
    const { code, stderr } = await run(home, [...args, '--token-file', 'it']);
    expect(code).toBe(4);
    expect(stderr).toContain('hint: a token must give the right admin for this');
  }
});

const hostile = attacks.join('x');
const sink: SinkStatus = {
  ...{ name: 'n', kind: 'http', url: `http://h/${hostile}`, mask: true, state: 'paused', cursor: 'c', lag: 12345 },
  ...{ filter: { sessions: ['ses_a'], directory: `/d${hostile}`, agents: [hostile] }, lastError: `no ${hostile}` },
};
const batch: Batch = {
  ...{ batchId: 'bat_1', sink: 'n', fromSeq: 1, toSeq: 2, state: 'failed', attempts: 3, nextRetryAt: null },
  ...{ lastError: `why ${hostile}`, items: 2, rejected: [] },
};
const waiting: Waiting = { sinks: [sink], batches: [batch] };

test('what others say is safe to print, and fits a narrow terminal', async () => {
  const arrived: Batch = { ...batch, batchId: 'bat_0', state: 'acked', rejected: [{ opId: hostile, reason: hostile }] };
  for (const width of [30, 80, Number.POSITIVE_INFINITY]) {
    const options = {
      width,
      style: makeStyle(false),
      home: '/h',
      commandLine: (words: string) => `s ${words}`,
      now: 0,
    };
    const lines = [
      ...(await sinkTable([sink], options)),
      ...outboxLines(waiting, [arrived], { ...options, whole: true }),
      ...outboxLines(waiting, [arrived], options),
    ];
    expectSafe(lines.join('\n'), `at ${width}`, false);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
  }
});

test('when a batch is tried next is told in words', () => {
  const options = { width: 200, style: makeStyle(false), home: '/h', commandLine: String, now: 1_000_000 };
  const lineOf = (changes: Partial<Batch>) =>
    outboxLines({ sinks: [{ ...sink, state: 'failing' }], batches: [{ ...batch, ...changes }] }, [], options)[1];
  expect(lineOf({ state: 'pending', nextRetryAt: 1_075_000 })).toBe(
    '  bat_1  2 ops, waiting, tried 3 times, next try in 1m 15s',
  );
  expect(lineOf({ state: 'pending', nextRetryAt: 999 })).toBe('  bat_1  2 ops, waiting, tried 3 times, next try now');
  expect(lineOf({ state: 'pending', attempts: 0, items: 1 })).toBe('  bat_1  1 op, waiting');
  expect(lineOf({ state: 'inFlight', attempts: 1, nextRetryAt: 999 })).toBe('  bat_1  2 ops, on its way, tried once');
  expect(lineOf({ state: 'failed' })).toBe('  bat_1  2 ops, set aside, tried 3 times');
});

test('completion offers sinks and the batches that wait', async () => {
  const home = await homeWith('a');
  await addTo(home, 'away', nobody);
  const [{ batchId }] = (await until(
    'a batch',
    () => batchesOf(home),
    (all) => all.length > 0,
  )) as [Batch];
  expect((await run(home, ['__complete', 'sinks', 'a'])).stdout).toBe(`away\t${nobody}\n`);
  expect((await run(home, ['__complete', 'batches'])).stdout).toContain(`${batchId}\taway\n`);
});

test('sink add of a place that refuses already is an error, and adds nothing', async () => {
  const url = await fakeHost(() => ({ status: 404 }));
  const home = await homeWith('a');
  const added = await addTo(home, 'other', url);
  expect(added.code).not.toBe(0);
  expect(added.stderr).toContain('there is no sessiond at');
  expect(await sinksOf(home)).toEqual([]);
});

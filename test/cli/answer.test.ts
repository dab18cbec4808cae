// answer and reject: what is typed and what becomes of it.
import { expect, test } from 'vitest';
import { readAnswer } from '../../cli/answer-choices.ts';
import { CliError } from '../../cli/exit.ts';
import type { BlockerRequest } from '../../protocol/blocker.ts';
import type { Client } from '../../protocol/client.ts';
import { startDaemon } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import { clientOf, cliHome, run, shownProgram } from './run-cli.ts';

const one = (labels: string[], multiple?: boolean): BlockerRequest => ({
  questions: [
    { question: 'Which?', header: '', options: labels.map((label) => ({ label })), ...(multiple && { multiple }) },
  ],
});
const permission: BlockerRequest = { permission: 'Bash', patterns: ['npm test'] };

async function asked(home: Home, request: BlockerRequest, blockerId = 'blk_asked'): Promise<Client> {
  const client = await clientOf(home);
  await client.call('session/create', { sessionId: `ses_${blockerId.slice(4)}` });
  const kind = 'questions' in request ? 'question' : 'permission';
  await client.call('blocker/ask', { sessionId: `ses_${blockerId.slice(4)}`, blockerId, kind, request });
  return client;
}

async function resolutionOf(client: Client, blockerId = 'blk_asked') {
  const { state, resolution } = (await client.call('blocker/wait', { blockerId, timeoutMs: 0 })).blocker;
  return { state, resolution };
}

test.each<[string, BlockerRequest, string[], unknown]>([
  ['a number', one(['unit', 'e2e']), ['2'], [['e2e']]],
  ['a label', one(['unit', 'e2e']), ['unit'], [['unit']]],
  ['a label in other letters', one(['Unit', 'E2E']), ['e2e'], [['E2E']]],
  ['a label that is a number goes before the number', one(['2', '1']), ['1'], [['1']]],
  ['words of the own', one(['unit', 'e2e']), ['both, one after the other'], [['both, one after the other']]],
  ['a number where there are no options', one([]), ['42'], [['42']]],
  ['several numbers', one(['a', 'b', 'c'], true), ['1, 3'], [['a', 'c']]],
  ['numbers and labels, each once', one(['a', 'b', 'c'], true), ['a,1,c'], [['a', 'c']]],
  ['a label with a comma', one(['a, b', 'c'], true), ['a, b'], [['a, b']]],
  ['words with a comma, of several', one(['a', 'b'], true), ['a, but slowly'], [['a, but slowly']]],
])('a choice can be %s', (_what, request, choices, answers) => {
  expect(readAnswer(request, choices, undefined, '')).toEqual({ answers });
});

test.each<[BlockerRequest, string[], string]>([
  [one(['a', 'b']), ['3'], 'there is no option 3: there are 2'],
  [one(['a', 'b']), ['0'], 'there is no option 0: there are 2'],
  [one(['a', 'b']), ['1,2'], 'the question takes one option, not 2'],
  [one(['a', 'b'], true), ['1,9'], 'there is no option 9: there are 2'],
  [one(['a', 'b']), ['a', 'b'], 'it takes 1 choice, not 2; put words that belong together in quotes'],
  [one(['a', 'b']), [' '], 'an answer is empty'],
  [permission, ['yes'], 'a permission is answered with once, always or deny, not "yes"'],
  [permission, ['once', 'always'], 'a permission is answered with once, always or deny, not "once always"'],
])('a choice that does not fit %j says what would: %j', (request, choices, message) => {
  const read = () => readAnswer(request, choices, undefined, 'see');
  expect(read).toThrow(new CliError(2, message, 'see'));
});

test('answer takes the start of an id, and the same answer again is none too late', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await asked(home, permission);
  const first = await run(home, ['answer', 'as', 'deny', '--message', 'not on a Friday']);
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(first.stdout).toMatch(/^blk_asked is answered by sessiond-cli\/\w+: deny · not on a Friday\n$/);
  expect(await resolutionOf(client)).toEqual({
    state: 'answered',
    resolution: { decision: 'deny', message: 'not on a Friday' },
  });
  const again = await run(home, ['answer', 'blk_asked', 'deny', '--message', 'not on a Friday']);
  expect(again.stdout).toMatch(/^blk_asked was answered by /);
  expect(again.code).toBe(0);
});

test('an answer to several questions takes one choice each; words that are no option are told to be none', async () => {
  const home = cliHome();
  await startDaemon(home);
  const questions = ['a', 'b'].map((name) => ({ question: name, header: '', options: [{ label: `${name}1` }] }));
  const client = await asked(home, { questions });
  const { code, stdout } = await run(home, ['answer', 'blk_asked', '1', 'none of it']);
  expect(code).toBe(0);
  expect(stdout).toContain(': a1; none of it\nin your own words: none of its options\n');
  expect((await resolutionOf(client)).resolution).toEqual({ answers: [['a1'], ['none of it']] });
});

test('answer without a choice shows what is asked and answers nothing', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await asked(home, one(['unit', 'e2e']));
  const { code, stdout, stderr } = await run(home, ['answer', 'blk_asked']);
  expect(code).toBe(2);
  expect(stdout).toMatch(/Which\?\n {4}1\. unit\n {4}2\. e2e\n/);
  expect(stderr).toBe(`error: nothing was answered: no choice is given\nhint: ${shownProgram} answer --help\n`);
  expect((await resolutionOf(client)).state).toBe('pending');
});

test('an unknown id exits 5, several that fit exit 2 with each of them', async () => {
  const home = cliHome();
  await startDaemon(home);
  await asked(home, permission, 'blk_one1');
  await asked(home, one([]), 'blk_one2');
  for (const verb of ['answer', 'reject']) {
    const unknown = await run(home, [verb, 'blk_none', ...(verb === 'answer' ? ['once'] : [])]);
    expect(unknown).toMatchObject({ code: 5, stdout: '' });
    expect(unknown.stderr).toContain(`hint: what waits for an answer: ${shownProgram} inbox\n`);
  }
  const { code, stderr } = await run(home, ['answer', 'one', 'once']);
  expect(code).toBe(2);
  expect(stderr).toContain('blk_one1  Bash (npm test)\n');
  expect(stderr).toContain('blk_one2  Which?\n');
});

test('the same answer is one with the same message: without it somebody else was first', async () => {
  const home = cliHome();
  await startDaemon(home);
  await asked(home, permission);
  const deny = ['answer', 'blk_asked', 'deny'];
  const message = ['--message', 'not today'];
  expect(await run(home, [...deny, ...message])).toMatchObject({ code: 0 });
  expect(await run(home, [...deny, ...message])).toMatchObject({ code: 0 });
  expect(await run(home, deny)).toMatchObject({ code: 8 });
});

test('of two that begin alike, one resolved and one waiting, the start of the id means the one that waits', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await asked(home, permission, 'blk_two1');
  await asked(home, permission, 'blk_two2');
  await run(home, ['reject', 'blk_two1']);
  expect(await run(home, ['answer', 'blk_two', 'once'])).toMatchObject({ code: 0 });
  expect((await resolutionOf(client, 'blk_two2')).state).toBe('answered');
});

test('[P16] who was first is told with what and when, also when the late answer would not fit, and exits 8', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await asked(home, permission);
  await client.initialize('phone', '1');
  await client.call('blocker/answer', {
    sessionId: 'ses_asked',
    blockerId: 'blk_asked',
    answer: { decision: 'always' },
  });
  const told = /^error: blk_asked was answered by phone\/\w+: always, \d{4}-\d\d-\d\d \d\d:\d\d \(just now\)\n$/;
  for (const args of [
    ['answer', 'blk_asked', 'once'],
    ['answer', 'blk_asked', 'maybe'],
    ['answer', 'blk_asked'],
    ['reject', 'blk_asked'],
  ]) {
    const { code, stdout, stderr } = await run(home, args);
    expect({ args, code, stdout }).toEqual({ args, code: 8, stdout: '' });
    expect(stderr).toMatch(told);
  }
  expect((await resolutionOf(client)).resolution).toEqual({ decision: 'always' });
});

test('reject turns down with a reason, and again with the same one it is none too late', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await asked(home, one(['a']));
  const first = await run(home, ['reject', 'asked', '--reason', 'not now']);
  expect(first).toEqual({ code: 0, stdout: 'blk_asked is rejected\n', stderr: '' });
  expect(await resolutionOf(client)).toEqual({ state: 'rejected', resolution: { reason: 'not now' } });
  const again = await run(home, ['reject', 'asked', '--reason', 'not now', '--json']);
  expect(again).toMatchObject({ code: 0, stdout: '{"blockerId":"blk_asked","reason":"not now"}\n' });
  expect((await run(home, ['reject', 'asked', '--reason', 'other'])).code).toBe(8);
});

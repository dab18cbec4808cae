// What a verb with --token-file says: hints that can be typed as they are, and what a token cannot give.
import { mkdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { commandLine } from '../../cli/command-line.ts';
import { verbs } from '../../cli/verbs.ts';
import { hold, homeWith, pathOf } from './capability-support.ts';
import { cliHome, daemonPid, run, shownProgram } from './run-cli.ts';

test('a command that a hint names has the token file, but for what the owner does, and help', () => {
  const typed = (words: string, tokenFile?: string) => commandLine({ program: 'sessiond', tokenFile }, words);
  expect(typed('ls --all')).toBe('sessiond ls --all');
  expect(typed('ls --all', 'rd.token')).toBe('sessiond ls --all --token-file rd.token');
  expect(typed('ls', 'my tokens/rd')).toBe("sessiond ls --token-file 'my tokens/rd'");
  expect(typed("search --limit 5 -- '-x'", 'rd')).toBe("sessiond search --limit 5 --token-file rd -- '-x'");
  for (const words of ['start', 'stop', 'demo', 'logs --level warn', 'answer --help']) {
    expect(typed(words, 'rd')).toBe(`sessiond ${words}`);
  }
});

test('hints under --token-file name commands with that token file', async () => {
  const home = await homeWith('a');
  await hold(home, 'it', { rights: ['read', 'append', 'answer', 'share'] });
  const token = '--token-file it';
  const expected: [string[], string][] = [
    [['show', 'nope'], `hint: the sessions there are: ${shownProgram} ls --all ${token}\n`],
    [['answer', 'nope', '1'], `hint: what waits for an answer: ${shownProgram} inbox ${token}\n`],
    [['caps', '--all', '--limit'], `hint: ${shownProgram} caps --help\n`],
    [['revoke', 'nope'], `hint: what was handed out: ${shownProgram} caps --all ${token}\n`],
    [['rpc', 'nope/nope'], `hint: the methods and their params: ${shownProgram} rpc rpc.discover ${token}\n`],
    [['rm', 'ses_a'], `hint: ${shownProgram} rm ses_a --yes ${token}\n`],
    [['resume', 'ses_a'], `hint: read it: ${shownProgram} show ses_a ${token}\n`],
    [['tail', '--from', 'abc.1.def'], `${shownProgram} tail --from start ${token}\n`],
    [['grant', 'x', '--rights', 'read', '--session', 'a'], `  ${shownProgram} revoke cap_`],
  ];
  for (const [args, end] of expected) {
    const { stderr } = await run(home, [...args, '--token-file', 'it']);
    expect(stderr).toContain(end);
  }
  const granted = await run(home, ['grant', 'x', '--rights', 'read', '--session', 'a', '--token-file', 'it']);
  expect(granted.stderr).toMatch(/ revoke cap_\S+ --token-file it\n$/);
  // Who may not share cannot take back what they made less out of their token.
  await hold(home, 'reads');
  const less = await run(home, ['attenuate', 'less', '--token-file', 'reads']);
  expect(less.stderr).toMatch(/ revoke cap_\S+\n$/);
});

test('a verb that acts with no capability refuses a token, and does nothing', async () => {
  const home = cliHome();
  await hold(await homeWith('a'), 'unused');
  const expected: Record<string, string> = {
    logs: "the log is a file of the daemon's owner, which no capability gives",
    run: 'the daemon runs as its owner',
    doctor: "it looks at the files of the daemon's owner",
    'restore b.db': "it puts a file in the place of the daemon owner's store",
    demo: 'it has a daemon of its own, which knows no token of yours',
    socket: 'it asks nothing of the daemon',
    'completion bash': 'it asks nothing of the daemon',
  };
  for (const [words, why] of Object.entries(expected)) {
    const args = words.split(' ');
    expect(await run(home, [...args, '--token-file', 'none'])).toEqual({
      code: 2,
      stdout: '',
      stderr: `error: ${args[0]} takes no --token-file: ${why}\n`,
    });
  }
  expect(await daemonPid(home)).toBeUndefined();
  const refusing = await Promise.all(
    Object.entries(verbs).map(async ([name, { load }]) => ((await load()).withoutToken === undefined ? [] : [name])),
  );
  expect(refusing.flat().sort()).toEqual([
    'completion',
    'demo',
    'doctor',
    'logs',
    'restore',
    'run',
    'service',
    'socket',
  ]);
});

test('ask with a token that has no session in the folder says how to name one', async () => {
  const home = await homeWith('a');
  mkdirSync(pathOf(home, 'elsewhere'));
  await hold(home, 'it', { rights: ['read', 'append', 'answer'] });
  expect(await run(home, ['ask', 'Now?', '--dir', 'elsewhere', '--token-file', 'it'])).toEqual({
    code: 4,
    stdout: '',
    stderr:
      'error: the token has no session in this folder, and may make none\n' +
      'hint: give --session ID, or --dir with the folder of a session that the token has\n',
  });
});

test('ls with a token that cannot read says so of the sessions, which it was asked for', async () => {
  const home = await homeWith('a');
  await hold(home, 'it', { rights: ['append'] });
  for (const args of [['ls'], ['ls', '--json']]) {
    const { code, stderr } = await run(home, [...args, '--token-file', 'it']);
    expect(code).toBe(4);
    expect(stderr).toContain('the capability does not allow session/list');
  }
});

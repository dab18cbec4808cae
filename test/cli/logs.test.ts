// logs: the daemon's log, printed and followed by the real command; most of these write the file by hand.
import { appendFileSync, mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Home } from '../support/home.ts';
import { cliHome, daemonPid, run, start } from './run-cli.ts';

const at = Date.UTC(2025, 10, 21, 14, 3, 22);

function record(msg: string, level = 30, fields: object = {}): string {
  return `${JSON.stringify({ level, time: at, ...fields, msg })}\n`;
}

/** The log file of this home, holding this. */
function logFile(home: Home, text: string): string {
  mkdirSync(home.paths.log, { recursive: true });
  const path = join(home.paths.log, 'sessiond.log');
  writeFileSync(path, text);
  return path;
}

test('logs prints time, level, message and fields, and the stack of an error below, without a daemon', async () => {
  const home = cliHome();
  const err = { type: 'Error', message: 'no such file', stack: 'Error: no such file\n    at read (x.ts:1:2)' };
  logFile(
    home,
    record('listening', 30, { pid: 7, path: '/a b' }) + record('could not read', 50, { err, incident: 'i1' }),
  );
  expect(await run(home, ['logs'])).toEqual({
    code: 0,
    stdout:
      '2025-11-21 14:03:22 info  listening pid=7 path="/a b"\n' +
      '2025-11-21 14:03:22 error could not read err="no such file" incident=i1\n' +
      '    Error: no such file\n    at read (x.ts:1:2)\n',
    stderr: '',
  });
  expect(await daemonPid(home)).toBeUndefined();
});

test('logs prints the log of a real daemon', async () => {
  const home = cliHome();
  await run(home, ['start']);
  expect((await run(home, ['logs'])).stdout).toMatch(/ info {2}listening version=\S+ pid=\d+ socket=\S+\n/);
});

test('nothing that stands in the log reaches the terminal raw', async () => {
  const home = cliHome();
  logFile(home, `${record('a\x1b[2Jb', 30, { 'k\x1b[1m': 'v\u202ew' })}crash\x1b]8;;http://x\x07 here\n`);
  for (const args of [['logs'], ['logs', '--json']]) {
    expect((await run(home, args)).stdout).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
  }
});

test('--last and --level choose; what no logger wrote is shown at every level; --json gives records', async () => {
  const home = cliHome();
  const many = Array.from({ length: 500 }, (_, index) => record(`m${index}`, index % 2 === 0 ? 30 : 40)).join('');
  logFile(home, `${many}last words of a crash\n`);
  const messages = async (...args: string[]) =>
    (await run(home, ['logs', '--json', ...args])).stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { msg: string }).msg);
  expect(await messages('--last', '3')).toEqual(['m498', 'm499', 'last words of a crash']);
  expect(await messages('--last', '3', '--level', 'warn')).toEqual(['m497', 'm499', 'last words of a crash']);
  expect(await messages('--level', 'error')).toEqual(['last words of a crash']);
  expect(await messages()).toHaveLength(100);
  expect((await run(home, ['logs', '--level', 'loud'])).code).toBe(2);
});

test('a last line without its end is shown too', async () => {
  const home = cliHome();
  logFile(home, `${record('whole')}torn`);
  expect((await run(home, ['logs'])).stdout).toMatch(/whole\ntorn\n$/);
});

test('where there is no log yet it says where it would be', async () => {
  const home = cliHome();
  const path = join(home.paths.log, 'sessiond.log');
  expect(await run(home, ['logs'])).toEqual({
    code: 0,
    stdout: '',
    stderr: `there is no log yet; it would be ${path}\n`,
  });
  expect(JSON.parse((await run(home, ['logs', '--json'])).stderr)).toEqual({ noLog: path });
});

test('logs -f goes on with what comes, also when the file appears later, is rotated or emptied', async () => {
  const home = cliHome();
  const following = start(home, ['logs', '-f']);
  const path = logFile(home, record('one'));
  await following.printed(/one\n/);
  const half = record('two');
  appendFileSync(path, half.slice(0, 10));
  appendFileSync(path, half.slice(10));
  await following.printed(/two\n/);

  renameSync(path, `${path}.1`);
  appendFileSync(`${path}.1`, record('three, by one who had it open'));
  writeFileSync(path, record('four'));
  await following.printed(/four\n/);

  truncateSync(path, 0);
  writeFileSync(path, record('5'));
  await following.printed(/ 5\n/);

  rmSync(path);
  writeFileSync(path, record('six'));
  await following.printed(/six\n/);
  following.child.kill('SIGINT');
  const { code, stdout } = await following.ended;
  expect(code).toBe(0);
  expect(stdout.replace(/^.* info {2}/gm, '').split('\n')).toEqual([
    ...['one', 'two', 'three, by one who had it open', 'four', '5', 'six'],
    '',
  ]);
});

test('logs -f begins with the last records, then follows the real daemon', async () => {
  const home = cliHome();
  logFile(home, record('old') + record('newer'));
  const following = start(home, ['logs', '-f', '--last', '1']);
  await following.printed(/newer\n/);
  await run(home, ['start', '--no-wait']);
  await following.printed(/listening/);
  following.child.kill('SIGTERM');
  expect((await following.ended).stdout).not.toContain('old');
});

// backup: the whole store in one file, where it was asked for or beside the store.
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startDaemon } from '../support/daemon.ts';
import { cliHome, daemonPid, run, seedSession, shownProgram } from './run-cli.ts';

test('backup makes a file beside the store, and tells its path, its size, its cursor and the way back', async () => {
  const home = cliHome();
  const { code, stdout, stderr } = await run(home, ['backup']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const folder = join(home.paths.data, 'backups');
  const [name] = readdirSync(folder);
  const path = join(folder, name!);
  expect(name).toMatch(/^sessiond-\d{8}T\d{6}Z\.db$/);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const [first, second, third] = stdout.split('\n');
  expect(first).toMatch(/^backed up to .*sessiond-\d{8}T\d{6}Z\.db \(\d+ kB|\(\d+\.\d kB\)$/);
  expect(second).toMatch(/^up to [0-9a-f]{16}\.0\.[0-9a-z]+$/);
  expect(third).toBe(`to bring it back: ${shownProgram} restore ${path}`);
});

test('backup takes a path, from where it is typed, and --json gives what the daemon answered', async () => {
  const home = cliHome();
  await startDaemon(home);
  await seedSession(home, 'ses_a', 'one');
  const { code, stdout } = await run(home, ['backup', 'my copy.db', '--json']);
  const path = join(home.folder, 'my copy.db');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ path, bytes: statSync(path).size, head: expect.stringMatching(/\.\d+\./) });
  expect(existsSync(join(home.paths.data, 'backups'))).toBe(false);
});

test('backup overwrites nothing, and says what to do', async () => {
  const home = cliHome();
  writeFileSync(join(home.folder, 'b.db'), 'mine');
  const { code, stdout, stderr } = await run(home, ['backup', 'b.db']);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('b.db is there already, and a backup overwrites nothing: name another file');
  const nowhere = await run(home, ['backup', 'no/where.db']);
  expect(nowhere.code).toBe(2);
  expect(nowhere.stderr).toContain('is not there (ENOENT): make it, or name another');
});

test('backup --no-spawn starts nothing and makes no folder', async () => {
  const home = cliHome();
  expect((await run(home, ['backup', '--no-spawn'])).code).toBe(3);
  expect(await daemonPid(home)).toBeUndefined();
  expect(existsSync(home.paths.data)).toBe(false);
});

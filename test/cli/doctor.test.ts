// doctor: each thing is fine, or told with what to do; --fix does what is safe. It never starts a daemon.
import { chmodSync, copyFileSync, existsSync, mkdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import type { Condition } from '../../cli/doctor/condition.ts';
import { checkSources } from '../../cli/doctor/sources.ts';
import { checkVersions } from '../../cli/doctor/versions.ts';
import { openStore } from '../../daemon/store/open.ts';
import { root } from '../support/build.ts';
import { afterTest, startDaemon } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import { hasSmallDisks, mountSmallDisk } from '../support/small-disk.ts';
import { fakeTerminal } from './fake-terminal.ts';
import { cliHome, daemonPid, run, seedSession, shownProgram } from './run-cli.ts';

type Told = { about: string; state: string; text: string; todo?: string; canFix: boolean };

async function doctor(home: Home, ...args: string[]) {
  const { code, stdout } = await run(home, ['doctor', '--json', ...args]);
  const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Told[] };
  expect(code).toBe(ok ? 0 : 1);
  return { ok, findings, of: (about: string) => findings.filter((finding) => finding.about === about) };
}

const subjects = ['versions', 'socket', 'lock', 'modes', 'store', 'sources', 'disk'];

test('all is fine where nothing was ever started, and nothing is made there', async () => {
  const home = cliHome();
  const { ok, findings } = await doctor(home);
  expect(ok).toBe(true);
  expect([...new Set(findings.map(({ about }) => about))]).toEqual(subjects);
  expect(existsSync(home.paths.data)).toBe(false);
  expect(await daemonPid(home)).toBeUndefined();
});

test('all is fine with a daemon that runs, and behind its end', async () => {
  const home = cliHome();
  const { pid } = await startDaemon(home);
  await seedSession(home, 'ses_a', 'one');
  const running = await doctor(home);
  expect(running.findings.filter(({ state }) => state === 'wrong')).toEqual([]);
  expect(running.of('store')).toMatchObject([{ state: 'fine', text: expect.stringMatching(/^whole, 1 sessions?, /) }]);
  expect(running.of('lock')).toMatchObject([{ state: 'fine', text: `the daemon has it, pid ${pid}` }]);
  expect((await run(home, ['stop'])).code).toBe(0);
  const stopped = await doctor(home);
  expect(stopped.ok).toBe(true);
  expect(stopped.of('store')).toMatchObject([{ state: 'fine', text: expect.stringMatching(/^whole, schema \d+$/) }]);
  expect(await daemonPid(home)).toBeUndefined();
});

test('a socket and modes that a killed daemon and a careless copy left are told, and put right by --fix alone', async () => {
  const home = cliHome();
  const daemon = await startDaemon(home);
  await daemon.kill('SIGKILL');
  const store = join(home.paths.data, 'store.db');
  chmodSync(store, 0o644);
  chmodSync(home.paths.data, 0o755);
  const { code, stdout, stderr } = await run(home, ['doctor']);
  expect(code).toBe(1);
  expect(stdout).toContain('was left behind: nobody listens there\n');
  expect(stdout).toContain('to do: remove it\n');
  expect(stdout).toContain(`${store} has mode 0644 and must have 0600\n`);
  expect(stdout).toContain(`to do: chmod 600 ${store}\n`);
  expect(stderr).toBe(`error: 3 things are wrong\nhint: to put it right: ${shownProgram} doctor --fix\n`);
  expect(statSync(store).mode & 0o777).toBe(0o644);
  expect(existsSync(home.paths.socket)).toBe(true);
  const fixed = await run(home, ['doctor', '--fix']);
  expect(fixed).toMatchObject({ code: 0, stderr: '' });
  expect(fixed.stdout).toContain(`done: chmod 600 ${store}\n`);
  expect(statSync(store).mode & 0o777).toBe(0o600);
  expect(statSync(home.paths.data).mode & 0o777).toBe(0o700);
  expect(existsSync(home.paths.socket)).toBe(false);
  expect((await doctor(home)).ok).toBe(true);
});

test('what lies in the place of the socket and is none stays, also with --fix', async () => {
  const home = cliHome();
  mkdirSync(join(home.paths.socket, '..'), { recursive: true, mode: 0o700 });
  writeFileSync(home.paths.socket, 'mine', { mode: 0o600 });
  const { ok, of } = await doctor(home, '--fix');
  expect(ok).toBe(false);
  expect(of('socket')).toMatchObject([{ state: 'wrong', todo: 'move it away', canFix: false }]);
  expect(existsSync(home.paths.socket)).toBe(true);
});

test('a process that has the store and does not answer is named by its pid', async () => {
  const home = cliHome();
  const store = openStore(home.paths.data);
  afterTest(() => store.close());
  const { ok, of } = await doctor(home);
  expect(ok).toBe(false);
  expect(of('lock')).toMatchObject([
    { state: 'wrong', text: expect.stringContaining(`process ${process.pid} has the store, and no daemon answers`) },
  ]);
  expect(of('store')).toMatchObject([{ state: 'note' }]);
});

test('a store that is not whole is told, with the newest backup as the way out, and is not touched by --fix', async () => {
  const home = cliHome();
  await startDaemon(home);
  await seedSession(home, 'ses_a', 'one');
  await run(home, ['backup']);
  await run(home, ['stop']);
  const db = new Database(join(home.paths.data, 'store.db'));
  db.exec('DELETE FROM event WHERE seq = 1');
  db.close();
  const { ok, of } = await doctor(home, '--fix');
  expect(ok).toBe(false);
  expect(of('store')).toMatchObject([
    { state: 'wrong', text: expect.stringMatching(/^events 1 to \d+: 1 missing$/), canFix: false },
  ]);
  const { todo } = of('store')[0]!;
  expect(todo).toContain(' restore ');
  const path = todo!.split(' ').at(-1)!;
  expect((await run(home, ['restore', path])).code).toBe(0);
  expect((await doctor(home)).of('store')).toMatchObject([{ state: 'fine' }]);
});

test('a file that is cut off or no store is told, without a trace', async () => {
  const home = cliHome();
  mkdirSync(home.paths.data, { recursive: true, mode: 0o700 });
  const path = join(home.paths.data, 'store.db');
  copyFileSync(join(root, 'test/fixtures/stores/schema-7.db'), path);
  chmodSync(path, 0o600);
  truncateSync(path, 40_000);
  const cut = await run(home, ['doctor']);
  expect(cut.code).toBe(1);
  expect(cut.stdout).toMatch(/^wrong +store/m);
  writeFileSync(path, 'words '.repeat(2_000));
  const words = await run(home, ['doctor']);
  expect(words.stdout).toContain('it cannot be read: file is not a database\n');
  for (const { stdout, stderr } of [cut, words]) expect(stdout + stderr).not.toMatch(/^\s+at /m);
});

test('an older store is told to be brought up at the next start, a newer one is wrong', async () => {
  const home = cliHome();
  mkdirSync(home.paths.data, { recursive: true, mode: 0o700 });
  const path = join(home.paths.data, 'store.db');
  copyFileSync(join(root, 'test/fixtures/stores/schema-3.db'), path);
  chmodSync(path, 0o600);
  expect((await doctor(home)).of('store')).toMatchObject([
    { state: 'fine', text: 'whole, schema 3' },
    { state: 'note', text: expect.stringContaining('after a copy of it') },
  ]);
  const db = new Database(path);
  db.pragma('user_version = 99');
  db.close();
  expect((await doctor(home)).of('store')).toMatchObject([
    {
      state: 'wrong',
      text: expect.stringContaining('it has schema 99'),
      todo: 'start the newer sessiond that wrote it',
    },
  ]);
});

test('what is kept beside the store is told with its size', async () => {
  const home = cliHome();
  await run(home, ['backup']);
  await run(home, ['stop']);
  await run(home, ['backup', 'b.db']);
  await run(home, ['restore', 'b.db', '--yes']);
  const texts = (await doctor(home)).of('disk').map(({ text }) => text);
  expect(texts).toContainEqual(expect.stringMatching(/^1 backup, \d+(\.\d)? kB: kept until you remove them$/));
  expect(texts).toContainEqual(expect.stringMatching(/^1 store that was replaced, /));
});

const status = (changes: object) =>
  ({ daemon: 'runs', status: { version: '1.0.0', sources: [], ...changes }, problems: [] }) as unknown as Condition;

test('a source that fails and one that could not read all are told', async () => {
  const { context } = fakeTerminal(cliHome());
  const source = {
    kind: 'codex',
    path: '/p',
    state: 'watching',
    files: 1,
    sessions: 1,
    bytesBehind: 0,
    lastError: null,
  };
  const sources = [
    { ...source, name: 'codex', state: 'failing', lastError: 'EACCES: permission denied', badRecords: 0 },
    { ...source, name: 'pi', badRecords: 3 },
  ];
  expect(await checkSources(context, status({ sources }))).toEqual([
    {
      about: 'sources',
      state: 'wrong',
      text: 'codex is failing: EACCES: permission denied',
      todo: 'put that right, then: sessiond source rescan codex',
    },
    { about: 'sources', state: 'note', text: 'pi: 3 records could not be read, kept as they are' },
  ]);
});

test('a daemon of another version than this command is told, with what to do', async () => {
  const { context } = fakeTerminal(cliHome(), { version: '1.1.0' });
  expect(await checkVersions(context, status({}))).toMatchObject([
    {
      state: 'wrong',
      text: 'the daemon is version 1.0.0, this command is 1.1.0',
      todo: 'sessiond stop, then sessiond start',
    },
  ]);
  expect(await checkVersions(context, status({ version: '1.2.0' }))).toMatchObject([{ todo: 'update this command' }]);
  expect(await checkVersions(context, status({ version: '1.1.0' }))).toMatchObject([{ state: 'fine' }]);
});

test.skipIf(!hasSmallDisks)('a disk that is nearly full is wrong', async () => {
  const home = cliHome();
  mountSmallDisk(home.paths.data, 1_000_000);
  const { of } = await doctor(home);
  expect(of('disk')).toMatchObject([{ state: 'wrong', text: expect.stringMatching(/^1\.0 MB are free for /) }]);
});

// restore: a backup becomes the store, as another store (P1); the daemon is stopped for it only when the file is good.
import { copyFileSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { programCommand } from '../../cli/verbs.ts';
import type { RpcError } from '../../protocol/errors.ts';
import { connectTo, startDaemon, subscribe } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import { fakeTerminal } from './fake-terminal.ts';
import { clientOf, cliHome, daemonPid, run, seedSession, shownProgram } from './run-cli.ts';

const replaced = (home: Home) => readdirSync(home.paths.data).filter((name) => name.startsWith('store.replaced'));

const kindOf = (asked: Promise<unknown>) =>
  asked.then(
    () => 'answered',
    (error: RpcError) => error.kind,
  );

test('[P1] after a restore every cursor from before is of another store, wherever it is shown', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await connectTo(home);
  const headOf = async () => (await client.call('daemon/status', {})).head;
  const cursors = [(await client.call('daemon/status', {})).earliest];
  await subscribe(client, { name: 'n' });
  for (const name of ['a', 'b', 'c']) {
    await client.call('session/create', { sessionId: `ses_${name}` });
    cursors.push(await headOf());
  }
  await client.call('events/ack', { name: 'n', cursor: cursors[1]! });
  const backup = await client.call('store/backup', { path: join(home.folder, 'b.db') });
  expect(backup.head).toBe(cursors.at(-1));
  for (const name of ['d', 'e']) {
    await client.call('session/create', { sessionId: `ses_${name}` });
    cursors.push(await headOf());
  }
  const { code } = await run(home, ['restore', 'b.db', '--yes']);
  expect(code).toBe(0);
  await startDaemon(home);
  const after = await connectTo(home);
  const held = async () => (await after.call('session/list', {})).items.map(({ id }) => id).sort();
  expect(await held()).toEqual(['ses_a', 'ses_b', 'ses_c']);
  const head = (await after.call('daemon/status', {})).head;
  expect(head.split('.').slice(1)).toEqual(backup.head.split('.').slice(1));
  const expectTold = async () => {
    for (const cursor of cursors) {
      const op = { opId: 'op_x', type: 'session/create' as const, params: {} };
      expect(await kindOf(after.call('events/read', { after: cursor }))).toBe('StoreChanged');
      expect(await kindOf(after.subscribe({ from: cursor, snapshot: 'never' }, () => {}))).toBe('StoreChanged');
      expect(await kindOf(after.call('ops/append', { ops: [op], expectedCursor: cursor }))).toBe('StoreChanged');
      const { started } = await subscribe(after, { from: cursor, snapshot: 'onGap' });
      expect(started).toMatchObject({ mode: 'snapshot', reason: 'StoreChanged' });
    }
  };
  await expectTold();
  const named = await connectTo(home);
  expect((await subscribe(named, { name: 'n', snapshot: 'onGap' })).started).toMatchObject({
    mode: 'snapshot',
    reason: 'StoreChanged',
  });
  // Also when it has grown past all that was.
  for (const name of ['x', 'y', 'z', 'w']) await after.call('session/create', { sessionId: `ses_${name}` });
  await expectTold();
  expect((await subscribe(await connectTo(home), { from: head, snapshot: 'never' })).started.mode).toBe('resumed');
});

test('restore stops the daemon with --yes, keeps the old store, and says where', async () => {
  const home = cliHome();
  await startDaemon(home);
  await seedSession(home, 'ses_a', 'one');
  expect((await run(home, ['backup', 'b.db'])).code).toBe(0);
  await seedSession(home, 'ses_b', 'two');
  const { code, stdout, stderr } = await run(home, ['restore', 'b.db', '--yes']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [aside] = replaced(home);
  const lines = stdout.split('\n');
  expect(lines[0]).toMatch(/^restored .*\/b\.db \(1 session, \d+(\.\d)? kB\)$/);
  expect(lines[1]).toBe(`the store that was there is kept: ${join(home.paths.data, aside!)}`);
  expect(stdout).toContain(`the daemon is stopped; to start it: ${shownProgram} start\n`);
  expect(await daemonPid(home)).toBeUndefined();
  const list = JSON.parse((await run(home, ['ls', '--json'])).stdout) as { id: string }[];
  expect(list.map(({ id }) => id)).toEqual(['ses_a']);
  // Back again, by the store that was kept.
  const again = await run(home, ['restore', join(home.paths.data, aside!), '--yes', '--json']);
  expect(JSON.parse(again.stdout)).toMatchObject({ sessions: 2, withdrawn: 0, daemonStopped: true });
  expect(replaced(home)).toHaveLength(2);
});

test('restore needs no daemon and no store, and starts none', async () => {
  const home = cliHome();
  await startDaemon(home);
  await seedSession(home, 'ses_a', 'one');
  await run(home, ['backup', 'b.db']);
  const other = cliHome();
  copyFileSync(join(home.folder, 'b.db'), join(other.folder, 'b.db'));
  const { code, stdout } = await run(other, ['restore', 'b.db']);
  expect(code).toBe(0);
  expect(stdout).not.toContain('kept');
  expect(await daemonPid(other)).toBeUndefined();
  expect(JSON.parse((await run(other, ['ls', '--json'])).stdout)).toMatchObject([{ id: 'ses_a' }]);
});

test('restore without a terminal stops no daemon unless --yes is given', async () => {
  const home = cliHome();
  const { pid } = await startDaemon(home);
  await run(home, ['backup', 'b.db']);
  const { code, stdout, stderr } = await run(home, ['restore', 'b.db']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(`nothing was restored: a daemon runs (pid ${pid}), and there is no terminal to ask on`);
  expect(stderr).toContain(`hint: to stop it and restore: ${shownProgram} restore b.db --yes`);
  expect(await daemonPid(home)).toBe(pid);
  expect(replaced(home)).toEqual([]);
  expect(existsSync(join(home.paths.data, 'store.restoring'))).toBe(false);
});

test.each([
  ['y\n', true],
  ['n\n', false],
  ['', false],
])('restore asks on a terminal: %j', async (typed, isDone) => {
  const home = cliHome();
  await startDaemon(home);
  await run(home, ['backup', 'b.db']);
  const input = Object.assign(Readable.from([typed]), { isTTY: true });
  const { context, err } = fakeTerminal(home, { input });
  const root = await programCommand(context, 'restore');
  const done = root.parseAsync(['restore', join(home.folder, 'b.db')], { from: 'user' });
  if (isDone) await done;
  else await expect(done).rejects.toThrow('nothing was restored');
  expect(err.text).toMatch(
    /Stop the daemon \(pid \d+\) and put this in the place of its store, which is kept\? \[y\/N\] /,
  );
  expect(replaced(home)).toHaveLength(isDone ? 1 : 0);
  expect((await daemonPid(home)) === undefined).toBe(isDone);
});

test('a file that cannot be restored stops no daemon, whatever it is', async () => {
  const home = cliHome();
  const { pid } = await startDaemon(home);
  await seedSession(home, 'ses_a', 'one');
  writeFileSync(join(home.folder, 'words.txt'), 'no store at all');
  for (const [file, code, told] of [
    ['nowhere.db', 5, 'cannot read'],
    ['words.txt', 1, 'is not a sessiond store: take another backup'],
    ['.', 1, 'is no file: name a backup'],
    [join(home.paths.data, 'store.db'), 1, 'is the store itself: name a backup of it'],
  ] as const) {
    const result = await run(home, ['restore', file, '--yes']);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toContain(told);
    expect(result.stderr).not.toMatch(/^\s+at /m);
  }
  expect(await daemonPid(home)).toBe(pid);
  expect((await (await clientOf(home)).call('session/list', {})).items).toHaveLength(1);
});

test('[P29] what was revoked since cannot be told from a store that is damaged: it is said, with what to do', async () => {
  const home = cliHome();
  const daemon = await startDaemon(home);
  await (await connectTo(home)).call('store/backup', { path: join(home.folder, 'b.db') });
  await daemon.kill();
  writeFileSync(join(home.paths.data, 'store.db'), 'garbage'.repeat(1000), { flag: 'r+' });
  const { code, stdout } = await run(home, ['restore', 'b.db']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/revoked or unshared since the backup is not known.*\n.*caps and .*share --list/);
  copyFileSync(join(home.folder, 'b.db'), join(home.folder, 'c.db'));
  expect(JSON.parse((await run(home, ['restore', 'c.db', '--json'])).stdout)).toMatchObject({ withdrawn: 0 });
});

test('a file that has the name of what is copied stays', async () => {
  const home = cliHome();
  const daemon = await startDaemon(home);
  const draft = join(home.paths.data, 'store.restoring');
  await (await connectTo(home)).call('store/backup', { path: join(home.folder, 'b.db') });
  await daemon.kill();
  copyFileSync(join(home.folder, 'b.db'), draft);
  const { code, stderr } = await run(home, ['restore', draft]);
  expect([code, stderr]).toEqual([1, expect.stringContaining('give it another name')]);
  expect(existsSync(draft)).toBe(true);
});

// protocol/node/spawn.ts against daemons that misbehave: small programs in place of the bundle.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isRunning } from '../../cli/stopped.ts';
import { spawnDaemon } from '../../protocol/node/spawn.ts';
import { SpawnError } from '../../protocol/node/spawn-error.ts';
import { afterTest, startDaemon } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import { cliHome, daemonBundle, daemonPid, endDaemon, start } from './run-cli.ts';

/** A program to start as the daemon; it has `tell(word)` for the ready pipe. */
function fakeDaemon(home: Home, code: string): string {
  const path = join(home.folder, 'daemon.mjs');
  const tell =
    "import { closeSync, writeSync } from 'node:fs';\nconst tell = (word) => writeSync(3, JSON.stringify(word) + '\\n');\n";
  writeFileSync(path, tell + code);
  return path;
}

async function failure(home: Home, code: string, timeoutMs = 5_000): Promise<SpawnError> {
  const error = await spawnDaemon({ daemonPath: fakeDaemon(home, code), env: home.env, timeoutMs }).then(
    () => new Error('it started'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SpawnError);
  return error as SpawnError;
}

test('the daemon is its own process group, answers, and outlives who started it (P23)', async () => {
  const home = cliHome();
  const { client, started } = await spawnDaemon({ daemonPath: daemonBundle, env: home.env });
  afterTest(() => client.close());
  expect(started).toBe(true);
  const { pid } = await client.call('daemon/status', {});
  expect(() => process.kill(-pid, 0)).not.toThrow();
});

test('a relative SESSIOND_HOME means the folder of who starts it', async () => {
  const home = cliHome();
  const { relative } = await import('node:path');
  const env = { ...home.env, SESSIOND_HOME: relative(process.cwd(), home.env.SESSIOND_HOME!) };
  const { client } = await spawnDaemon({ daemonPath: daemonBundle, env });
  client.close();
  expect(await daemonPid(home)).toBeTypeOf('number');
});

test('a daemon that says why it does not start is believed', async () => {
  const error = await failure(
    cliHome(),
    "tell({ ready: false, message: 'config.toml:3: no', exitCode: 1 }); process.exit(1);",
  );
  expect(error.message).toBe('config.toml:3: no');
  expect(error.reason).toBe('refused');
});

test('of a daemon that ends without a word its last lines are told', async () => {
  const home = cliHome();
  const error = await failure(home, "console.error('cannot find the native module'); process.exit(1);");
  expect(error.message).toBe('the daemon ended before it was ready:\ncannot find the native module');
  expect(error.logFile).toBe(join(home.paths.log, 'sessiond.log'));
});

test('a word that is cut short is no word', async () => {
  const error = await failure(cliHome(), `writeSync(3, '{"ready":tr'); process.exit(1);`);
  expect(error.message).toBe('the daemon ended before it was ready');
});

test('one that closes the pipe and lives on, or is not ready in time, is ended (P23)', async () => {
  for (const code of [
    'closeSync(3); console.error(process.pid); setInterval(() => {}, 1e6);',
    'console.error(process.pid); setInterval(() => {}, 1e6);',
  ]) {
    const error = await failure(cliHome(), code, 1_000);
    const pid = Number(/in time:\n(\d+)$/.exec(error.message)?.[1]);
    expect(pid, error.message).toBeGreaterThan(0);
    afterTest(() => isRunning(pid) && process.kill(pid, 'SIGKILL'));
    await expect.poll(() => isRunning(pid), { timeout: 10_000, interval: 10 }).toBe(false);
  }
});

test('a daemon that says it is ready and does not answer is no success (P23)', async () => {
  const error = await failure(cliHome(), 'tell({ ready: true, pid: process.pid }); setInterval(() => {}, 1e6);', 500);
  expect(error.message).toContain('does not answer');
});

test('where another holds the lock and answers, that one is used', async () => {
  const home = cliHome();
  await startDaemon(home);
  const locked = fakeDaemon(home, "tell({ ready: false, message: 'locked', exitCode: 7 }); process.exit(7);");
  const { client, started } = await spawnDaemon({ daemonPath: locked, env: home.env });
  client.close();
  expect(started).toBe(false);
});

test('where another holds the lock and does not answer, that is told as locked', async () => {
  const error = await failure(
    cliHome(),
    "tell({ ready: false, message: 'held by 42', exitCode: 7 }); process.exit(7);",
    500,
  );
  expect(error).toMatchObject({ reason: 'locked', message: 'held by 42' });
});

test('a daemon that was only just ending is waited for: a new one takes over', async () => {
  const home = cliHome();
  // Says once that the lock is held, as while the other one ends; from then on it is the real daemon.
  const mark = JSON.stringify(join(home.folder, 'tried'));
  const code = `
    const { existsSync, writeFileSync } = await import('node:fs');
    if (!existsSync(${mark})) {
      writeFileSync(${mark}, '');
      tell({ ready: false, message: 'locked', exitCode: 7 });
      process.exit(7);
    }
    await import(${JSON.stringify(daemonBundle)});`;
  const { client, started } = await spawnDaemon({ daemonPath: fakeDaemon(home, code), env: home.env });
  client.close();
  expect(started).toBe(true);
  await endDaemon(home);
});

test('a home that cannot be made is told with its folder, and does not hang', async () => {
  const home = cliHome();
  const file = join(home.folder, 'file');
  writeFileSync(file, '');
  for (const [place, folder] of [
    [join(file, 'below'), join(file, 'below')],
    ['/proc/x', '/proc/x'],
  ] as const) {
    for (const verb of ['ls', 'run']) {
      // One that spins hears no other signal, and is ended by its pid.
      const { child, ended } = start(home, [verb], { SESSIOND_HOME: place });
      const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
      const { code, stderr } = await ended;
      clearTimeout(timer);
      expect({ verb, place, code }).toEqual({ verb, place, code: 2 });
      expect(stderr).toContain(`the folder ${folder} cannot be made`);
      expect(stderr).toContain('set SESSIOND_HOME to a folder');
    }
  }
});

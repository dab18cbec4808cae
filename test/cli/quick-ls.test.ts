// A list without options is asked for before what prints is loaded (cli/ask-ls.ts), and is the same list.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { dist } from '../support/build.ts';
import { startCli, startProgram } from '../support/cli.ts';
import { connectTo, startDaemon, testHome } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';

/** Which of the CLI's bundles a command loads, and how it ends. */
async function bundlesOf(home: Home, args: string[]) {
  const hook = join(home.folder, 'hook.cjs');
  writeFileSync(
    hook,
    `const fs = require('fs'); const { readFileSync } = fs; const seen = [];
     fs.readFileSync = (path, ...rest) => {
       const [, name] = /(cli-[a-z-]*)\\.js$/.exec(String(path)) ?? [];
       if (name) seen.push(name);
       return readFileSync(path, ...rest);
     };
     process.on('exit', () => fs.appendFileSync(${JSON.stringify(join(home.folder, 'seen'))}, seen.join(' ')));`,
  );
  const { code, stdout, stderr } = await startProgram(home, ['--require', hook, join(dist, 'cli.js'), ...args]).exit;
  const bundles = readFileSync(join(home.folder, 'seen'), 'utf8');
  rmSync(join(home.folder, 'seen'));
  return { code, stdout, stderr, bundles };
}

async function withSessions(count: number, more = ''): Promise<Home> {
  const home = testHome();
  await startDaemon(home);
  const client = await connectTo(home);
  for (let n = 0; n < count; n += 1) {
    await client.call('session/create', { title: `Session ${n} 漢字 🙂${more}`, directory: `/src/project-${n % 3}` });
  }
  await client.call('session/create', { sessionId: 'ses_away', title: 'put away', directory: null });
  await client.call('session/update', { sessionId: 'ses_away', archived: true });
  client.close();
  return home;
}

test('ls alone loads what asks and what prints, and prints what the whole command line prints', async () => {
  const home = await withSessions(5);
  const quick = await bundlesOf(home, ['ls']);
  expect(quick).toMatchObject({ code: 0, stderr: '', bundles: 'cli-ls cli-ls-print' });
  const whole = await bundlesOf(home, ['--no-spawn', 'ls']);
  expect(whole.bundles).toBe('cli-main');
  expect(quick.stdout).toBe(whole.stdout);
  expect(quick.stdout).toContain('Session 4 漢字 🙂');
  expect(quick.stdout).not.toContain('put away');
  const all = await bundlesOf(home, ['ls', '--all']);
  expect(all).toMatchObject({ code: 0, stderr: '', bundles: 'cli-ls cli-ls-print' });
  expect(all.stdout).toBe((await startCli(home, ['--no-spawn', 'ls', '--all']).exit).stdout);
  expect(all.stdout).toContain('put away');
});

test('any other option, and any other verb, is for the whole command line', async () => {
  const home = await withSessions(1);
  for (const args of [['ls', '--json'], ['ls', '--limit', '1'], ['ls', '--help'], ['ls', '--nonsense'], ['socket']]) {
    expect((await bundlesOf(home, args)).bundles, args.join(' ')).toBe('cli-main');
  }
});

test('where no daemon runs, one is started by the whole command line', async () => {
  const home = testHome();
  const { code, stdout, bundles } = await bundlesOf(home, ['ls']);
  await startCli(home, ['stop']).exit;
  expect(bundles).toBe('cli-ls cli-main');
  expect(code).toBe(0);
  expect(stdout).toContain('No sessions yet.');
});

test('where there is no session, the whole command line says what else there is to say', async () => {
  const home = testHome();
  await startDaemon(home);
  const { bundles, ...told } = await bundlesOf(home, ['ls']);
  expect(bundles).toBe('cli-ls cli-ls-print cli-main');
  expect(told).toEqual(await startCli(home, ['--no-spawn', 'ls']).exit);
});

test('what no daemon can be asked through is told once, with its exit code', async () => {
  const home = testHome();
  const socket = join(home.folder, 'x'.repeat(120));
  const { code, stderr } = await bundlesOf({ ...home, env: { ...home.env, SESSIOND_SOCKET: socket } }, ['ls']);
  expect(code).toBe(2);
  expect(stderr.match(/SESSIOND_SOCKET/g)).toHaveLength(1);
});

test('a pipe that is full and does not wait gets all of a long list', async () => {
  const home = await withSessions(200, 'x'.repeat(400));
  // The pipe is made so by who has it too, and is small.
  const program = `
import fcntl, os, subprocess, sys
r, w = os.pipe()
fcntl.fcntl(w, 1031, 4096) # F_SETPIPE_SZ
os.set_blocking(w, False)
child = subprocess.Popen(sys.argv[1:], stdout=w, stderr=subprocess.PIPE)
os.close(w)
while True:
    piece = os.read(r, 1024)
    if not piece: break
    sys.stdout.buffer.write(piece)
print(child.stderr.read().decode(), file=sys.stderr, end='')
sys.exit(child.wait())
`;
  const python = spawn('python3', ['-c', program, process.execPath, join(dist, 'cli.js'), 'ls'], { env: home.env });
  let text = '';
  python.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  const [code] = (await once(python, 'close')) as [number];
  expect(code).toBe(0);
  expect(text).toBe((await startCli(home, ['--no-spawn', 'ls']).exit).stdout);
});

test('a list that cannot be written fails, and says so once', async () => {
  const home = await withSessions(1);
  const shell = spawn('sh', ['-c', '"$0" "$@" >/dev/full', process.execPath, join(dist, 'cli.js'), 'ls'], {
    env: home.env,
  });
  let told = '';
  shell.stderr.setEncoding('utf8').on('data', (piece: string) => {
    told += piece;
  });
  const [code] = (await once(shell, 'close')) as [number];
  expect({ code, told }).toEqual({ code: 1, told: expect.stringMatching(/^error: .*ENOSPC/) });
});

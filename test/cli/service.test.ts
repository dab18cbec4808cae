// service: the real command against a stand-in for systemctl; and in this process, with a terminal or as on macOS.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import type { Context } from '../../cli/context.ts';
import { findProgram } from '../../cli/find-program.ts';
import { programCommand } from '../../cli/verbs.ts';
import { afterTest, connectTo, startDaemon } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';
import { fakeTerminal } from './fake-terminal.ts';
import { cliHome, daemonBundle, daemonPid, run, shownProgram } from './run-cli.ts';
import { standIn } from './service-support.ts';

const places = (home: Home) => {
  const folder = join(home.env.HOME!, '.config/systemd/user');
  return { folder, socket: join(folder, 'sessiond.socket'), service: join(folder, 'sessiond.service') };
};
const read = (path: string) => readFileSync(path, 'utf8');
const enabling = [
  '--user daemon-reload',
  '--user stop sessiond.socket sessiond.service',
  '--user reset-failed sessiond.socket sessiond.service',
  '--user enable --now sessiond.socket',
];

/** A home with a stand-in for systemctl, in which the service was installed. */
async function installed() {
  const home = cliHome();
  const systemctl = standIn(home, 'systemctl');
  expect((await run(home, ['service', 'install', '--yes'])).code).toBe(0);
  systemctl.calls();
  return { home, systemctl, ...places(home) };
}

function replaceByLink(path: string): void {
  rmSync(path);
  symlinkSync('/dev/null', path);
}

/** Runs the verb in this process; `answer`: what is typed on the terminal. */
async function here(home: Home, args: string[], changes: Partial<Context> = {}, answer = '') {
  const input = Object.assign(new PassThrough(), { isTTY: true });
  input.end(answer);
  const { context, out, err } = fakeTerminal(home, { input, ...changes });
  const root = await programCommand(context, 'service');
  const failed = await root.parseAsync(['service', ...args], { from: 'user' }).then(
    () => undefined,
    (error: unknown) => error as Error,
  );
  return { out: out.text, err: err.text, failed };
}

test('install without a terminal and without --yes shows each file whole, writes nothing and exits with 2', async () => {
  const home = cliHome();
  const systemctl = standIn(home, 'systemctl');
  const { code, stdout, stderr } = await run(home, ['service', 'install']);
  expect(code).toBe(2);
  expect(stderr).toContain(`hint: ${shownProgram} service install --yes`);
  const { folder, socket, service } = places(home);
  expect(existsSync(folder)).toBe(false);
  expect(systemctl.calls()).toEqual([]);

  const asJson = await run(home, ['service', 'install', '--json']);
  expect(asJson.code).toBe(2);
  const { wouldWrite } = JSON.parse(asJson.stdout) as { wouldWrite: { path: string; text: string }[] };
  await run(home, ['service', 'install', '--yes']);
  expect(wouldWrite).toEqual([socket, service].map((path) => ({ path, text: read(path) })));
  for (const { path, text } of wouldWrite) {
    const shown = text.trimEnd().replace(/^(?=.)/gm, '  ');
    expect(stdout).toContain(`${path.replace(home.env.HOME!, '~')} (new)\n${shown}\n`);
  }
});

test('install --yes writes both units, has systemd listen, and says what it did; twice changes nothing', async () => {
  const home = cliHome();
  const systemctl = standIn(home, 'systemctl');
  const first = await run(home, ['service', 'install', '--yes']);
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(first.stdout).toContain('wrote ~/.config/systemd/user/sessiond.service\n');
  expect(first.stdout).toContain(`systemd listens on ${home.paths.socket}, and starts the daemon with the first use`);
  expect(systemctl.calls()).toEqual(enabling);
  const { folder, socket, service } = places(home);
  expect(readdirSync(folder).sort()).toEqual(['sessiond.service', 'sessiond.socket']);
  expect(read(socket)).toContain(`\nListenStream=${home.paths.socket}\n`);
  expect(read(service)).toContain(`\nExecStart="${process.execPath}" "${daemonBundle}" "--log-file"\n`);
  expect(read(service)).toContain(`\nEnvironment="SESSIOND_HOME=${home.env.SESSIOND_HOME}"\n`);

  const again = await run(home, ['service', 'install']);
  expect(again).toMatchObject({ code: 0, stderr: '' });
  expect(again.stdout).toMatch(/^nothing to change: /);
  const asJson = await run(home, ['service', 'install', '--json']);
  expect(JSON.parse(asJson.stdout)).toEqual({ changed: false, files: [socket, service], stopped: null });
  expect(systemctl.calls()).toEqual([]);
});

test('install asks on a terminal, with the text before the question; nothing is written without a yes', async () => {
  const home = cliHome();
  standIn(home, 'systemctl');
  const no = await here(home, ['install'], {}, 'n\n');
  expect(no.failed?.message).toBe('nothing was written');
  expect(no.err).toContain('Write this and have systemd take it up? [y/N] ');
  expect(no.out).toContain('ListenStream=');
  const nothing = await here(home, ['install'], {}, '');
  expect(nothing.failed?.message).toBe('nothing was written');
  expect(existsSync(places(home).folder)).toBe(false);
  const yes = await here(home, ['install'], {}, 'y\n');
  expect(yes.failed).toBeUndefined();
  expect(existsSync(places(home).service)).toBe(true);
});

test('where systemctl cannot be asked, the files are kept, and it is said why and what to do; the daemon goes on', async () => {
  const home = cliHome();
  const systemctl = standIn(home, 'systemctl');
  systemctl.fails('show', 'Failed to connect to bus: No medium found');
  const { pid } = await startDaemon(home);
  const { code, stderr } = await run(home, ['service', 'install', '--yes']);
  expect(code).toBe(1);
  expect(stderr).toContain('error: systemctl --user is not reachable: Failed to connect to bus: No medium found\n');
  expect(stderr).toMatch(/^hint: the files are written and stay\..* service install --yes$/m);
  expect(existsSync(places(home).service)).toBe(true);
  expect(await daemonPid(home)).toBe(pid);
  const status = await run(home, ['service', 'status']);
  expect(status.stdout).toMatch(/^state +not known: systemctl --user cannot be asked: Failed to connect to bus/m);
  // It is taken up once that can be.
  systemctl.worksAgain('show');
  expect((await run(home, ['service', 'install', '--yes'])).code).toBe(0);
  expect(systemctl.calls()).toEqual(enabling);
});

test('a folder that cannot be made is told, and a daemon that runs goes on', async () => {
  const home = cliHome();
  standIn(home, 'systemctl');
  const { pid } = await startDaemon(home);
  const config = join(home.folder, 'file');
  writeFileSync(config, '');
  const { code, stderr } = await run(home, ['service', 'install', '--yes'], { env: { XDG_CONFIG_HOME: config } });
  expect({ code, stderr }).toEqual({ code: 1, stderr: `error: the folder ${config}/systemd/user cannot be made\n` });
  expect(await daemonPid(home)).toBe(pid);
});

test('without systemctl on the PATH it is told so', async () => {
  const home = cliHome();
  const { failed } = await here(home, ['install', '--yes'], { env: { ...home.env, PATH: '/nowhere' } });
  expect(failed?.message).toBe('systemctl --user is not reachable: systemctl cannot be run: ENOENT');
});

test('what systemd refuses is shown, and the files are kept', async () => {
  const home = cliHome();
  const systemctl = standIn(home, 'systemctl');
  systemctl.fails('enable', 'Job for sessiond.socket failed.');
  const { code, stderr } = await run(home, ['service', 'install', '--yes']);
  expect(code).toBe(1);
  expect(stderr).toContain(
    'error: systemctl --user enable --now sessiond.socket failed: Job for sessiond.socket failed.',
  );
  expect(stderr).toContain('the files are written and stay; put that right, then:');
  expect(existsSync(places(home).service)).toBe(true);
});

test('a daemon that was started by hand is ended first when it is idle; one that is not only with --yes', async () => {
  const home = cliHome();
  const systemctl = standIn(home, 'systemctl');
  const daemon = await startDaemon(home);
  const other = await connectTo(home, 'my-editor');
  const busy = await here(home, ['install'], {}, 'y\n');
  expect(busy.failed?.message).toBe(
    `a daemon runs (pid ${daemon.pid}) and is not idle: 1 other connection (my-editor)`,
  );
  expect(busy.failed).toMatchObject({ exitCode: 7, hint: expect.stringContaining('sessiond service install --yes') });
  expect(existsSync(places(home).folder)).toBe(false);
  expect(await daemonPid(home)).toBe(daemon.pid);

  other.close();
  let idle = busy;
  // The daemon sees in its own time that the other is gone.
  const install = async () => {
    idle = await here(home, ['install'], {}, 'y\n');
    return idle.failed;
  };
  await expect.poll(install, { timeout: 20_000 }).toBeUndefined();
  expect(idle.err).toContain(`Write this, end the daemon that runs (pid ${daemon.pid}) and have systemd take it up?`);
  expect(await within('its end', daemon.exit)).toBe(0);
  expect(idle.out).toContain(`stopped the daemon that ran (pid ${daemon.pid})`);
  expect(systemctl.calls()).toEqual(enabling);
});

test('--yes ends a daemon whatever it is doing', async () => {
  const home = cliHome();
  standIn(home, 'systemctl');
  const daemon = await startDaemon(home);
  await connectTo(home, 'my-editor');
  const { code, stdout } = await run(home, ['service', 'install', '--yes', '--json']);
  expect({ code, stopped: (JSON.parse(stdout) as { stopped: number }).stopped }).toEqual({
    code: 0,
    stopped: daemon.pid,
  });
  expect(await within('its end', daemon.exit)).toBe(0);
});

test('a file that was changed, or written by another, is neither replaced nor removed without --force', async () => {
  const { home, systemctl, socket, service } = await installed();
  const lay: [string, () => void, string][] = [
    ['changed', () => writeFileSync(service, `${read(service)}Nice=5\n`), 'was changed since sessiond wrote it'],
    ['foreign', () => writeFileSync(service, '[Service]\n'), 'was not written by sessiond'],
    ['linked', () => replaceByLink(service), 'was not written by sessiond'],
  ];
  for (const [_name, change, why] of lay) {
    change();
    for (const verb of ['install', 'uninstall']) {
      const { code, stderr } = await run(home, ['service', verb, '--yes']);
      expect({ code, verb }).toEqual({ code: 1, verb });
      expect(stderr).toContain(`~/.config/systemd/user/sessiond.service ${why}`);
      expect(stderr).toContain(`service ${verb} --force`);
    }
    expect(systemctl.calls()).toEqual([]);
    expect(existsSync(socket)).toBe(true);
    expect((await run(home, ['service', 'install', '--yes', '--force'])).code).toBe(0);
    expect(read(service)).toContain('\nExecStart=');
    systemctl.calls();
  }
});

test('uninstall ends the service, removes what install wrote and nothing else, and leaves the record', async () => {
  const { home, systemctl, folder } = await installed();
  writeFileSync(join(folder, 'other.service'), '');
  mkdirSync(home.paths.data, { recursive: true });
  writeFileSync(join(home.paths.data, 'store.db'), '');
  const { code, stdout, stderr } = await run(home, ['service', 'uninstall']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('removed ~/.config/systemd/user/sessiond.socket\n');
  expect(stdout).toContain(`the record stays: ${home.paths.data}\n`);
  expect(systemctl.calls()).toEqual([
    '--user disable --now sessiond.socket',
    '--user stop sessiond.service',
    '--user daemon-reload',
  ]);
  expect(readdirSync(folder)).toEqual(['other.service']);
  expect(existsSync(join(home.paths.data, 'store.db'))).toBe(true);
  expect((await run(home, ['service', 'uninstall', '--yes'])).stdout).toBe('the service is not installed\n');
  expect(JSON.parse((await run(home, ['service', 'uninstall', '--json'])).stdout)).toEqual({ removed: [] });
});

test('uninstall removes the files also where systemctl cannot be asked, and says so', async () => {
  const { home, systemctl, folder } = await installed();
  systemctl.fails('show', 'no bus');
  const { code, stderr } = await run(home, ['service', 'uninstall']);
  expect(code).toBe(0);
  expect(stderr).toBe('systemctl --user is not reachable, and was told nothing: no bus\n');
  expect(readdirSync(folder)).toEqual([]);
});

test('status tells what is installed, how it is, and whether the daemon that runs is its', async () => {
  const home = cliHome();
  const systemctl = standIn(home, 'systemctl');
  expect((await run(home, ['service', 'status'])).stdout).toMatch(/^the service is not installed\n/);
  await run(home, ['service', 'install', '--yes']);
  const { stdout, code } = await run(home, ['service', 'status']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^service +systemd, installed\nversion +\d/);
  expect(stdout).toMatch(/^sessiond\.socket +enabled, active$/m);
  expect(stdout).toMatch(/^daemon +none runs$/m);

  const { pid } = await startDaemon({ ...home, env: { ...home.env } });
  systemctl.isIn({ enabled: 'enabled', socket: 'active', service: 'active', pid });
  expect((await run(home, ['service', 'status'])).stdout).toContain(`, the service's\n`);
  expect(JSON.parse((await run(home, ['service', 'status', '--json'])).stdout)).toMatchObject({
    ...{ manager: 'systemd', installed: true, on: true, pid, unreachable: null, daemonIsService: true, problems: [] },
    daemon: { pid },
    runs: { node: process.execPath, bundle: daemonBundle },
  });
  systemctl.isIn({ enabled: 'disabled', pid: 1 });
  const other = (await run(home, ['service', 'status'])).stdout;
  expect(other).toContain(`, not the service's\n`);
  expect(other).toContain('it is not switched on: ');
  expect(other).toContain("the daemon that runs is not the service's: ");
  // That mends it.
  systemctl.calls();
  expect((await run(home, ['service', 'install', '--yes'])).stdout).toContain(
    `stopped the daemon that ran (pid ${pid})`,
  );
  expect(systemctl.calls()).toEqual(enabling);
});

test('a service whose daemon is not reached is told of, with what to do', async () => {
  const { home, systemctl } = await installed();
  // Its socket file is gone, say.
  systemctl.isIn({ enabled: 'enabled', socket: 'active', service: 'active', pid: 4711 });
  const { stdout } = await run(home, ['service', 'status']);
  expect(stdout).toMatch(/^what it runs \(pid 4711\) does not answer: systemctl --user restart sessiond\.socket$/m);
});

test('start under a service says that it was started', async () => {
  const { home } = await installed();
  // What systemd would do with the connection.
  await startDaemon(home);
  expect((await run(home, ['start', '--no-wait'])).stdout).toMatch(/^sessiond started \(/);
});

test('status tells when what the unit runs is gone, and when it is of another version', async () => {
  const home = cliHome();
  standIn(home, 'systemctl');
  const daemonPath = join(home.folder, 'old', 'daemon.mjs');
  mkdirSync(dirname(daemonPath));
  writeFileSync(daemonPath, '');
  await here(home, ['install', '--yes'], { daemonPath, version: '0.0.1' });
  rmSync(daemonPath);
  const { out } = await here(home, ['status'], { daemonPath: daemonBundle, version: '0.0.2' });
  expect(out).toContain(`it runs ${daemonPath}, which is gone: sessiond service install --yes`);
  expect(out).toContain('sessiond.service is of version 0.0.1, this is 0.0.2: sessiond service install --yes');
  // That mends it.
  await here(home, ['install', '--yes'], { version: '0.0.2' });
  expect((await here(home, ['status'], { version: '0.0.2' })).out).not.toContain('service install');
});

test('while systemd waits with the socket, what never starts a daemon does not connect, and says so', async () => {
  const { home } = await installed();
  mkdirSync(dirname(home.paths.socket), { recursive: true, mode: 0o700 });
  // Whoever connects here would start the daemon.
  const { createServer } = await import('node:net');
  let connections = 0;
  const listener = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  await once(listener.listen(home.paths.socket), 'listening');
  afterTest(() => void listener.close());
  const status = await run(home, ['status']);
  expect(status.code).toBe(3);
  expect(status.stderr).toContain(`no daemon is running (systemd listens on ${home.paths.socket}, for the next use)`);
  expect((await run(home, ['ls', '--no-spawn'])).code).toBe(3);
  expect(await run(home, ['__complete', 'sessions'])).toMatchObject({ code: 0, stdout: '' });
  expect((await run(home, ['run'])).code).toBe(7);
  const stop = await run(home, ['stop']);
  expect(stop).toMatchObject({ code: 0, stdout: 'sessiond is not running\n' });
  expect(stop.stderr).toMatch(
    /^systemd listens on its socket, and the next use starts it again; .* service uninstall\n$/,
  );
  expect(connections).toBe(0);
});

test('a service on another socket than that of here and now is not asked', async () => {
  const { home, systemctl } = await installed();
  systemctl.fails('show', 'this would be asked');
  const elsewhere = { SESSIOND_SOCKET: join(home.folder, 'x', 'other.sock') };
  expect((await run(home, ['status'], { env: elsewhere })).stderr).toContain('nobody listens on');
  expect((await run(home, ['stop'], { env: elsewhere })).stderr).toBe('');
});

const tool = findProgram('systemd-socket-activate', process.env);
test.skipIf(!tool)(
  'what install wrote serves by systemd-socket-activate, and stop tells that it starts again',
  async () => {
    const { home, systemctl, service } = await installed();
    const words = /^ExecStart=(.*)$/m
      .exec(read(service))![1]!
      .match(/"[^"]*"/g)!
      .map((word) => word.slice(1, -1));
    const env = Array.from(read(service).matchAll(/^Environment="(.*)"$/gm), ([, pair]) => ['-E', pair!]).flat();
    mkdirSync(dirname(home.paths.socket), { recursive: true, mode: 0o700 });
    const child = spawn(tool!, ['-l', home.paths.socket, ...env, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = once(child, 'exit');
    afterTest(() => void (child.exitCode === null && child.kill('SIGKILL')));
    const listens = new Promise<void>((resolve) => {
      child.stderr.setEncoding('utf8').on('data', (text: string) => text.includes('Listening on') && resolve());
    });
    await within('it to listen', listens);
    expect(await run(home, ['ls'])).toMatchObject({ code: 0, stderr: '' });
    systemctl.isIn({ enabled: 'enabled', socket: 'active', service: 'active', pid: child.pid! });
    expect((await run(home, ['service', 'status'])).stdout).toContain(`pid ${child.pid}, version`);
    expect((await run(home, ['logs'])).stdout).toContain(`listening version=`);
    const stopped = await run(home, ['stop']);
    expect(stopped).toMatchObject({ code: 0, stdout: `sessiond stopped (pid ${child.pid})\n` });
    expect(stopped.stderr).toContain('the next use starts it again');
    expect(await within('its end', ended)).toEqual([0, null]);
    expect(existsSync(home.paths.socket)).toBe(true);
  },
);

test('on macOS an agent of launchd is written, loaded, told of and removed', async () => {
  const home = cliHome();
  const launchctl = standIn(home, 'launchctl');
  const mac = { platform: 'darwin' } as const;
  const plist = join(home.env.HOME!, 'Library/LaunchAgents/dev.sessiond.daemon.plist');
  const domain = `gui/${userInfo().uid}`;
  const { out, failed } = await here(home, ['install'], mac, 'yes\n');
  expect(failed).toBeUndefined();
  expect(out).toContain('<key>ProgramArguments</key>');
  expect(launchctl.calls()).toEqual([`bootstrap ${domain} ${plist}`]);
  expect((await here(home, ['install'], mac)).out).toMatch(/^nothing to change: /);
  expect((await here(home, ['status'], mac)).out).toMatch(/dev\.sessiond\.daemon\S* loaded, pid 4711$/m);
  // One that was started by hand has the socket: the agent's own cannot start.
  const { pid } = await startDaemon(home);
  expect((await here(home, ['status'], mac)).out).toContain("the daemon that runs is not the service's: ");
  expect((await here(home, ['install', '--yes'], mac)).out).toContain(`stopped the daemon that ran (pid ${pid})`);
  expect(launchctl.calls()).toEqual([`bootout ${domain}/dev.sessiond.daemon`, `bootstrap ${domain} ${plist}`]);
  // Another version is taken up in its place.
  await here(home, ['install', '--yes'], { ...mac, version: '9.9.9' });
  expect(launchctl.calls()).toEqual([`bootout ${domain}/dev.sessiond.daemon`, `bootstrap ${domain} ${plist}`]);
  await here(home, ['uninstall'], mac);
  expect(launchctl.calls()).toEqual([`bootout ${domain}/dev.sessiond.daemon`]);
  expect(existsSync(plist)).toBe(false);
  launchctl.fails('print', 'Domain does not support specified action');
  expect((await here(home, ['install', '--yes'], mac)).failed?.message).toBe(
    'launchctl is not reachable: Domain does not support specified action',
  );
});

test('on a system that has neither, it is told what to do', async () => {
  const { failed } = await here(cliHome(), ['install'], { platform: 'freebsd' });
  expect(failed?.message).toContain('there is no service for freebsd');
  expect(failed).toMatchObject({ hint: 'have yours run: sessiond run' });
});

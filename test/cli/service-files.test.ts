// The files of a service, judged by whoever reads them: systemd's own parser, and Python's for property lists.
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { CliError } from '../../cli/exit.ts';
import { findProgram } from '../../cli/find-program.ts';
import { agentText } from '../../cli/service/launchd-plist.ts';
import { markText, readMark } from '../../cli/service/mark.ts';
import type { ServiceProgram } from '../../cli/service/program.ts';
import { serviceProgram } from '../../cli/service/program.ts';
import { look } from '../../cli/service/service-file.ts';
import { serviceUnitText, socketUnitText } from '../../cli/service/systemd-units.ts';
import { pathsFrom } from '../../protocol/node/paths.ts';
import { testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import { fakeTerminal } from './fake-terminal.ts';

const awkward = `/tmp/a b/%t 100% $HOME "q" 'p' back\\slash <&>;# é🌍`;

function programOf(changes: Partial<ServiceProgram> = {}): ServiceProgram {
  const { context } = fakeTerminal(testHome());
  return { ...serviceProgram(context), ...changes };
}

/** The values that systemd reads from the two units, as it tells them in a dump. */
async function parsed(program: ServiceProgram): Promise<{ dump: string; complaints: string[] }> {
  const { folder } = testHome();
  const files = { 'sessiond.socket': socketUnitText(program), 'sessiond.service': serviceUnitText(program) };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const runtime = join(folder, 'r');
  mkdirSync(runtime, { mode: 0o700 });
  const env = { PATH: process.env.PATH, HOME: folder, XDG_RUNTIME_DIR: runtime, LC_ALL: 'C.UTF-8' };
  const units = Object.keys(files).map((name) => join(folder, name));
  const verify = (more: NodeJS.ProcessEnv) => {
    const done = promisify(execFile)('systemd-analyze', ['--user', 'verify', ...units], { env: { ...env, ...more } });
    return within('systemd-analyze', done, undefined, 40_000);
  };
  const { stdout } = await verify({ SYSTEMD_LOG_LEVEL: 'debug' });
  const { stderr } = await verify({});
  return {
    dump: stdout.replaceAll(runtime, 'RUNTIME'),
    complaints: stderr.split('\n').filter((line) => line.includes('sessiond')),
  };
}

const analyze = findProgram('systemd-analyze', process.env);

describe.skipIf(!analyze)('systemd-analyze verify, where it is installed, takes the units', () => {
  test('as they are written here, without a word', async () => {
    const { dump, complaints } = await parsed(programOf());
    expect(complaints).toEqual([]);
    expect(dump).toContain(`Command Line: ${process.execPath} `);
    expect(dump).toContain('SocketMode: 0600');
    expect(dump).toContain('DirectoryMode: 0700');
    expect(dump).toMatch(/RemoveOnStop: yes/);
    expect(dump).toMatch(/Restart: on-failure/);
  });

  test('with awkward paths, which it reads as they are', async () => {
    const env: [string, string][] = [
      ['SESSIOND_HOME', awkward],
      ['CODEX_HOME', 'two\nlines\tand a tab'],
    ];
    const paths = pathsFrom({ SESSIOND_SOCKET: '/tmp/a b/100% "é" \'x\' $y back\\slash.sock' });
    const { dump, complaints } = await parsed(
      programOf({ env, paths, bundle: '/tmp/a b/$x %% "é" back\\slash/daemon.mjs' }),
    );
    expect(complaints).toEqual([]);
    // What it listens on is shown with escapes; the folder that must be mounted for it as it is.
    expect(dump).toContain(`RequiresMountsFor: ${paths.socket} `);
    expect(dump).toContain(`Environment: SESSIOND_HOME=${awkward}\n`);
    expect(dump).toContain('Environment: CODEX_HOME=two\nlines\tand a tab\n');
    expect(dump).toContain('$x %% \\"é\\" back\\\\slash/daemon.mjs');
  });

  test('below the runtime folder of whoever logs in', async () => {
    const runtimeFolder = '/run/user/4711';
    const paths = pathsFrom({ XDG_RUNTIME_DIR: runtimeFolder, HOME: '/home/me' });
    const env: [string, string][] = [
      ['SESSIOND_SOCKET', '/run/user/4711/x.sock'],
      ['CODEX_HOME', '/home/run/user/4711/x'],
    ];
    const { dump } = await parsed(programOf({ runtimeFolder, paths, env }));
    expect(dump).toContain('ListenStream: RUNTIME/sessiond/sessiond.sock\n');
    expect(dump).toContain('Environment: SESSIOND_SOCKET=RUNTIME/x.sock\n');
    expect(dump).toContain('Environment: CODEX_HOME=/home/run/user/4711/x\n');
  });
});

test('a path that a unit cannot name is refused, not written as another', () => {
  for (const socket of ['/tmp/a\nb.sock', '/tmp/x ', '/tmp/x\\']) {
    const paths = { ...programOf().paths, socket };
    expect(() => socketUnitText(programOf({ paths }))).toThrow(CliError);
  }
  for (const node of ['/opt/"n"/node', "/opt/it's/node", '/opt/a\\b/node', '/opt/a\nb/node'])
    expect(() => serviceUnitText(programOf({ node }))).toThrow(CliError);
});

test('a unit is not restarted for what stays wrong, and a loop of restarts has an end', () => {
  const text = serviceUnitText(programOf());
  expect(text).toMatch(/^RestartPreventExitStatus=2 6 7$/m);
  expect(text).toMatch(/^StartLimitBurst=\d+$/m);
  expect(text).toMatch(/^StartLimitIntervalSec=\d+$/m);
});

describe('what is kept of the environment', () => {
  const envOf = (env: NodeJS.ProcessEnv) => {
    const { context } = fakeTerminal(testHome());
    const program = serviceProgram({ ...context, env: { HOME: userInfo().homedir, ...env } });
    return { ...program, env: Object.fromEntries(program.env) };
  };

  test('is what says where files are, as whole paths; nothing else', () => {
    const { env } = envOf({ SESSIOND_HOME: 'here', CODEX_HOME: '/c', PATH: '/bin', SECRET: 'x', XDG_DATA_HOME: '' });
    expect(env).toEqual({ SESSIOND_HOME: join(process.cwd(), 'here'), CODEX_HOME: '/c' });
    expect(envOf({ HOME: '/tmp/other' }).env).toEqual({ HOME: '/tmp/other' });
    expect(envOf({ NODE_EXTRA_CA_CERTS: '/its.pem' }).env).toEqual({ NODE_EXTRA_CA_CERTS: '/its.pem' });
  });

  test('leaves the runtime folder to the manager, where it is the one that it gives', () => {
    const own = `/run/user/${userInfo().uid}`;
    expect(envOf({ XDG_RUNTIME_DIR: own })).toMatchObject({ env: {}, runtimeFolder: own });
    const other = envOf({ XDG_RUNTIME_DIR: '/tmp/r' });
    expect(other).toMatchObject({ env: { XDG_RUNTIME_DIR: '/tmp/r' }, runtimeFolder: undefined });
  });
});

describe('the property list', () => {
  /** As Python's own parser reads it. */
  function read(text: string): Record<string, unknown> {
    const program = 'import json, plistlib, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))';
    const { stdout, stderr } = spawnSync('python3', ['-c', program], { input: text, encoding: 'utf8' });
    expect(stderr).toBe('');
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  test('says what launchd is to run, and when', () => {
    const program = programOf({ env: [] });
    expect(read(agentText(program))).toEqual({
      Label: 'dev.sessiond.daemon',
      ProgramArguments: [process.execPath, program.bundle, '--log-file'],
      EnvironmentVariables: {},
      WorkingDirectory: '/',
      RunAtLoad: true,
      KeepAlive: { SuccessfulExit: false },
      ThrottleInterval: 10,
      ProcessType: 'Background',
      Umask: 63,
      StandardErrorPath: program.logFile,
    });
  });

  test('holds awkward paths as they are', () => {
    const odd = `${awkward}]]> --> -- \n\tx`;
    const program = programOf({ node: odd, bundle: odd, logFile: odd, env: [['SESSIOND_HOME', odd]] });
    expect(read(agentText(program))).toMatchObject({
      ProgramArguments: [odd, odd, '--log-file'],
      EnvironmentVariables: { SESSIOND_HOME: odd },
      StandardErrorPath: odd,
    });
    expect(readMark(agentText(program))).toMatchObject({ node: odd, bundle: odd });
  });

  test('refuses what XML cannot hold', () => {
    for (const odd of ['/a\x01b', '/a\rb', '/a\uffffb'])
      expect(() => agentText(programOf({ bundle: odd }))).toThrow(CliError);
  });
});

describe('a file on the disk', () => {
  const kinds: [string, (text: string) => string | undefined, string][] = [
    ['as it would be written', (text) => text, 'same'],
    ['of another version', () => socketUnitText(programOf({ version: '0.0.1' })), 'ours'],
    ['with a line more', (text) => `${text}Backlog=1\n`, 'changed'],
    ['with another path in its mark', (text) => text.replace('daemon.mjs', 'x.mjs'), 'changed'],
    ['without its mark', (text) => text.replace(/^#.*\n/, ''), 'foreign'],
    ['with a torn mark', (text) => text.replace('"sum"', '"sum'), 'foreign'],
    ['of nothing', () => '', 'foreign'],
    ['that is not there', () => undefined, 'absent'],
  ];
  test.each(kinds)('%s is known', (_name, textOf, is) => {
    const { folder } = testHome();
    const path = join(folder, 'sessiond.socket');
    const text = socketUnitText(programOf());
    const lying = textOf(text);
    if (lying !== undefined) writeFileSync(path, lying);
    else rmSync(path, { force: true });
    expect(look({ path, text }).is).toBe(is);
  });

  test('which is a folder is not from install', () => {
    const { folder } = testHome();
    expect(look({ path: folder, text: '' }).is).toBe('foreign');
  });

  test('a mark is read as it was written', () => {
    const mark = { version: '1.0.0-a--b', node: '---', bundle: '"}{', sum: 'x' };
    expect(readMark(`# ${markText(mark)}\n`)).toEqual(mark);
    expect(markText(mark)).not.toContain('--');
  });
});

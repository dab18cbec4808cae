// A daemon of another version than the command: told in one line, changed over by `start` when it is older and idle, and
// never put back. The other versions are real bundles, built here with another number.
import { cpSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { beforeAll, describe, expect, test } from 'vitest';
import { programCommand } from '../../cli/verbs.ts';
import { compareVersions, skewOf } from '../../cli/version-skew.ts';
import { spawnDaemon } from '../../protocol/node/spawn.ts';
import { dist, root } from '../support/build.ts';
import { connectTo } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import { fakeTerminal, shippedVersion as own } from './fake-terminal.ts';
import { clientOf, cliHome, daemonPid, run, seedSession, shownProgram, start } from './run-cli.ts';
import { standIn } from './service-support.ts';

const [older, newer] = ['0.0.0-older', '999.0.0'];
const folder = join(root, 'node_modules/.cache/sessiond-versions');
const bundleOf = (version: string) => join(folder, version, 'daemon.mjs');

beforeAll(async () => {
  for (const version of [older, newer]) {
    await build({
      entryPoints: { daemon: join(root, 'daemon/main.ts') },
      outdir: dirname(bundleOf(version)),
      outExtension: { '.js': '.mjs' },
      ...{ bundle: true, platform: 'node', format: 'esm', target: 'node20.19', logLevel: 'warning' },
      external: ['better-sqlite3'],
      define: { __VERSION__: JSON.stringify(version), __FAILPOINTS__: 'false' },
      banner: {
        js: "import { createRequire as __createRequire } from 'node:module';const require=__createRequire(import.meta.url);",
      },
    });
    for (const name of readdirSync(dist).filter((each) => each === 'sql' || each.endsWith('-worker.mjs')))
      cpSync(join(dist, name), join(dirname(bundleOf(version)), name), { recursive: true });
  }
});

/** A daemon of another version, in the background. */
async function running(version: string): Promise<{ home: Home; pid: number }> {
  const home = cliHome();
  const { client } = await spawnDaemon({ daemonPath: bundleOf(version), env: home.env });
  const { pid, version: told } = await client.call('daemon/status', {});
  client.close();
  expect(told).toBe(version);
  return { home, pid };
}

describe('versions are compared as semver does', () => {
  const ascending = [
    '0.0.0-test',
    '0.0.0',
    '0.0.2',
    '0.0.10',
    '0.2.0',
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-beta',
    '1.0.0-beta.2',
    '1.0.0-beta.11',
    '1.0.0-rc.1',
    '1.0.0-rc-2',
    '1.0.0',
    '1.0.1-0',
    '2.0.0',
    '10.0.0',
  ];
  test('each of these is below the next', () => {
    const sign = (one: number, other: number) => Math.sign(one - other);
    for (const [at, one] of ascending.entries()) {
      for (const [other, two] of ascending.entries())
        expect([one, two, Math.sign(compareVersions(one, two)!)]).toEqual([one, two, sign(at, other)]);
    }
  });

  test('what was built is no difference, and what is no version cannot be compared', () => {
    expect(skewOf('1.0.0+linux.5', '1.0.0+mac')).toBeUndefined();
    expect(skewOf('1.0.0', '1.0.0')).toBeUndefined();
    expect(skewOf('9', '9')).toBeUndefined();
    for (const odd of ['9', '1.2', 'v1.0.0', '1.0.0-', '', '1.0.0 ', '1.0.0-a..b'])
      expect(skewOf(odd, '1.0.0')).toBe('other');
    expect(skewOf('1.0.0-rc.1', '1.0.0')).toBe('older');
    expect(skewOf('1.0.1', '1.0.0')).toBe('newer');
  });
});

describe('every verb that connects tells of it in one line on stderr', () => {
  test('of an older daemon, and does what it is for', async () => {
    const { home } = await running(older);
    await seedSession(home, 'ses_a', 'a session');
    const line = `the daemon is version ${older}, this command is ${own}: to change over, ${shownProgram} start\n`;
    const ls = await run(home, ['ls']);
    expect(ls).toMatchObject({ code: 0, stderr: line });
    expect(ls.stdout).toContain('a session');
    expect(await run(home, ['status'])).toMatchObject({ code: 0, stderr: line });
  });

  test('of a newer daemon: this one is to be updated', async () => {
    const { home } = await running(newer);
    const { stderr } = await run(home, ['ls']);
    expect(stderr).toBe(`the daemon is version ${newer}, this command is ${own}: update this one\n`);
  });

  test('with --json as a notice, and stdout is the value alone', async () => {
    const { home } = await running(older);
    const { stdout, stderr } = await run(home, ['ls', '--json']);
    expect(JSON.parse(stdout)).toEqual([]);
    expect(JSON.parse(stderr)).toEqual({
      versionSkew: { daemon: older, command: own, skew: 'older', hint: expect.stringContaining('start') },
    });
  });

  test('once, however often it connects', async () => {
    const { home } = await running(older);
    const ask = start(home, ['ask', 'Deploy?', '--option', 'yes']);
    const client = await clientOf(home);
    const waiting = async () => (await client.call('blocker/list', { state: 'pending' })).items[0];
    await expect.poll(waiting, { timeout: 20_000 }).toBeDefined();
    ask.child.kill('SIGINT');
    // It connects once more, to take the question back.
    const { stderr } = await ask.ended;
    expect(stderr.match(/the daemon is version/g)).toHaveLength(1);
    expect(await waiting()).toBeUndefined();
  });

  test('but while somebody types, and where it is stopped', async () => {
    const { home, pid } = await running(older);
    expect(await run(home, ['__complete', 'sessions'])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await run(home, ['stop'])).toEqual({ code: 0, stdout: `sessiond stopped (pid ${pid})\n`, stderr: '' });
  });

  test('and with stderr closed it goes on', async () => {
    const { home } = await running(older);
    const going = start(home, ['ls', '--json']);
    going.child.stderr!.destroy();
    expect((await going.ended).stdout).toBe('[]\n');
  });
});

describe('start', () => {
  test('stops an older daemon that is idle, and starts this version over the same record', async () => {
    const { home, pid } = await running(older);
    const before = await clientOf(home);
    await before.call('session/create', { sessionId: 'ses_a' });
    before.close();
    const { stdout, stderr, code } = await untilIdle(home, ['start']);
    expect(code).toBe(0);
    expect(stderr).toBe(`the daemon was version ${older} and idle: it is started anew as ${own}\n`);
    expect(stdout).toContain(`sessiond started (version ${own}, `);
    const now = await clientOf(home);
    expect(await now.call('daemon/status', {})).toMatchObject({ version: own, sessions: 1 });
    expect(await daemonPid(home)).not.toBe(pid);
    expect(await run(home, ['ls'])).toMatchObject({ stderr: '' });
  });

  test('tells so with --json on stderr', async () => {
    const { home } = await running(older);
    const { stdout, stderr } = await run(home, ['start', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ version: own, started: true });
    expect(JSON.parse(stderr)).toEqual({ replaced: { daemon: older, command: own } });
  });

  test('leaves one alone that others are connected to, says who, and how to do it all the same', async () => {
    const { home, pid } = await running(older);
    await connectTo(home, 'my-editor');
    await (await connectTo(home)).call('ping', {});
    const { stdout, stderr } = await run(home, ['start']);
    expect(stderr).toBe(
      `the daemon is version ${older}, this command is ${own}: it is left alone for 2 other connections (my-editor, unnamed); ` +
        `to change over all the same, ${shownProgram} stop, then ${shownProgram} start\n`,
    );
    expect(stdout).toContain(`sessiond is already running (version ${older}, pid ${pid}, `);
    expect(await daemonPid(home)).toBe(pid);
  });

  test('leaves one alone that has a turn open', async () => {
    const { home, pid } = await running(older);
    const client = await clientOf(home);
    await client.call('session/create', { sessionId: 'ses_a' });
    const turn = { sessionId: 'ses_a', agent: 'a', model: { providerId: 'p', modelId: 'm' } };
    await client.call('turn/start', { ...turn, parts: [{ type: 'text', text: 'go' }] });
    client.close();
    const left = async () => (await run(home, ['start'])).stderr;
    await expect.poll(left, { timeout: 30_000 }).toContain('it is left alone for an open turn; to change over');
    expect(await daemonPid(home)).toBe(pid);
  });

  test('leaves the daemon of a service alone that would start the same again, and says what to do', async () => {
    const { home, pid } = await running(older);
    const systemctl = standIn(home, 'systemctl');
    // Another installation has made the service.
    const { context } = fakeTerminal(home, { daemonPath: bundleOf(older), version: older });
    systemctl.isIn({ enabled: 'enabled', socket: 'active', service: 'active', pid });
    await (await programCommand(context, 'service')).parseAsync(['service', 'install', '--yes'], { from: 'user' });
    systemctl.isIn({ enabled: 'enabled', socket: 'active', service: 'active', pid });
    const { stderr } = await run(home, ['start']);
    expect(stderr).toBe(
      `the daemon is version ${older}, this command is ${own}: the service runs another installation of sessiond; ` +
        `for this one, ${shownProgram} service install\n`,
    );
    expect(await daemonPid(home)).toBe(pid);
    // A service that is off is in nobody's way.
    systemctl.isIn({});
    expect((await untilIdle(home, ['start'])).stdout).toContain(`sessiond started (version ${own}, `);
  });

  test('never puts a newer one back', async () => {
    const { home, pid } = await running(newer);
    const { stdout, stderr } = await run(home, ['start']);
    expect(stderr).toBe(`the daemon is version ${newer}, this command is ${own}: update this one\n`);
    expect(stdout).toContain(`is already running (version ${newer}, pid ${pid}, `);
    expect(await daemonPid(home)).toBe(pid);
  });

  test('by a capability that may not stop it leaves it alone', async () => {
    const { home, pid } = await running(older);
    await run(home, ['grant', 'looks', '--rights', 'read', '--all-sessions', '--output', 'look.token']);
    const { stderr } = await run(home, ['start', '--token-file', 'look.token']);
    expect(stderr).toContain(`the daemon is version ${older}, `);
    expect(await daemonPid(home)).toBe(pid);
  });
});

test('what is on its way to a sink keeps a daemon from being idle; a sink that rests does not', async () => {
  const { underWay } = await import('../../cli/under-way.ts');
  const asked = (sinks: object[]) => ({
    client: {
      call: async (method: string) =>
        method === 'daemon/status' ? { connections: [{ id: 'c1', client: 'me' }], sinks } : { items: [] },
    },
    server: { connectionId: 'c1' },
  });
  const wayOf = (sinks: object[]) => underWay(asked(sinks) as never);
  expect(await wayOf([{ name: 'box', state: 'active', lag: 3 }])).toEqual(['what is being sent to box']);
  expect(
    await wayOf([
      { name: 'done', state: 'active', lag: 0 },
      { name: 'rests', state: 'paused', lag: 3 },
      { name: 'fails', state: 'failing', lag: 3 },
    ]),
  ).toEqual([]);
  expect(await wayOf(undefined as never)).toEqual([]);
});

/** Runs it until the daemon has seen that those who were connected are gone. */
async function untilIdle(home: Home, args: string[]) {
  let last = await run(home, args);
  const again = async () => {
    if (last.stderr.includes('left alone')) last = await run(home, args);
    return last.stderr;
  };
  await expect.poll(again, { timeout: 30_000 }).not.toContain('left alone');
  return last;
}

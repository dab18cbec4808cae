// completion: the scripts in the shells they are for.
import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { sourceKindNames } from '../../daemon/source-kinds.ts';
import type { Params } from '../../protocol/methods.ts';
import { root } from '../support/build.ts';
import { startDaemon } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';
import { cli, clientOf, cliHome, daemonPid, run, seedSession } from './run-cli.ts';

/** What a shell offers for each of these lines, sorted. */
type Ask = (home: Home, script: string, lines: string[]) => Promise<string[][]>;

/** Runs a shell in which sessiond is on the PATH. */
async function shell(home: Home, program: string, args: string[]): Promise<string> {
  const env = { ...home.env, PATH: `${join(home.folder, 'bin')}:${home.env.PATH}`, TERM: 'xterm' };
  const done = promisify(execFile)(program, args, { env, cwd: home.folder });
  return (await within(`${program} to answer`, done, undefined, 40_000)).stdout;
}

/** `[line]`, then an offer a line, for each; fish gives it with a description behind a tab. */
function parseOffers(text: string): string[][] {
  return text
    .split(/^\[.*\]$/m)
    .slice(1)
    .map((block) =>
      [...new Set(block.split('\n').map((offer) => offer.split('\t')[0]!))].filter((offer) => offer !== '').sort(),
    );
}

const shells: Record<string, Ask> = {
  bash: async (home, script, lines) => {
    // bash splits a line at = and : before the function sees it.
    const words = (line: string) => line.match(/=|[^ =]+/g)!.concat(line.endsWith(' ') ? [''] : []);
    const calls = lines.map((line) => {
      const typed = words(line).map((word) => `'${word}'`);
      return (
        `echo '[${line}]'; COMP_WORDS=(${typed.join(' ')}); COMP_CWORD=${typed.length - 1}; ` +
        `$(complete -p sessiond | sed 's/.*-F \\([^ ]*\\).*/\\1/'); printf '%s\\n' "\${COMPREPLY[@]}"`
      );
    });
    return parseOffers(await shell(home, 'bash', ['--norc', '-c', [`source ${script}`, ...calls].join('\n')]));
  },
  zsh: async (home, script, lines) => {
    const offers = join(root, 'test/support/zsh-offers.zsh');
    return parseOffers(await shell(home, 'zsh', ['-f', offers, script, ...lines]));
  },
  fish: async (home, script, lines) => {
    const calls = lines.map((line) => `echo '[${line}]'; complete -C '${line}'`);
    return parseOffers(await shell(home, 'fish', ['-c', [`source ${script}`, ...calls, 'true'].join('\n')]));
  },
};

async function scriptFor(home: Home, name: string): Promise<string> {
  mkdirSync(join(home.folder, 'bin'));
  symlinkSync(cli, join(home.folder, 'bin', 'sessiond'));
  const path = join(home.folder, `script.${name}`);
  const { code, stdout } = await run(home, ['completion', name]);
  expect(code).toBe(0);
  writeFileSync(path, stdout);
  return path;
}

const commands = ['add', 'ls', 'rescan', 'rm'];
const levels = ['debug', 'error', 'fatal', 'info', 'trace', 'warn'];

describe.each(Object.entries(shells))('in %s', (name, ask) => {
  test('verbs, their commands, options and values are completed, and no daemon is started for it', async () => {
    const home = cliHome();
    const script = await scriptFor(home, name);
    const expected: [string, string[]][] = [
      ['sessiond so', ['socket', 'source']],
      ['sessiond --json so', ['socket', 'source']],
      ['sessiond source ', commands],
      ['sessiond source r', ['rescan', 'rm']],
      ['sessiond sink ', ['add', 'ls', 'pause', 'resume', 'rm']],
      ['sessiond sink add box https://box --kind ', ['capnweb', 'file', 'http']],
      ['sessiond outbox ', ['discard', 'retry']],
      ['sessiond outbox --w', ['--watch']],
      ['sessiond outbox retry ', []],
      ['sessiond unshare ', []],
      ['sessiond completion ', ['bash', 'fish', 'zsh']],
      ['sessiond logs --le', ['--level']],
      ['sessiond logs --last 3 --f', ['--follow']],
      ['sessiond logs --level ', levels],
      ['sessiond --json logs --level w', ['warn']],
      ['sessiond tail --from ', ['start']],
      ['sessiond grant me --rights a', ['admin', 'answer', 'append']],
      ['sessiond logs --last ', []],
      ['sessiond show ', []],
    ];
    const offers = await ask(
      home,
      script,
      expected.map(([line]) => line),
    );
    expect(offers.map((offer, index) => [expected[index]![0], offer])).toEqual(
      expected.map(([line, words]) => [line, words]),
    );
    expect(await daemonPid(home)).toBeUndefined();
  });

  test('ids of sessions, sources, methods and files are completed', async () => {
    const home = cliHome();
    const script = await scriptFor(home, name);
    await startDaemon(home);
    await seedSession(home, 'ses_abc', "it's: a $(touch pwned) `title`");
    await seedSession(home, 'ses_xyz', 'another');
    writeFileSync(join(home.folder, 'folder-file'), '');
    await (await clientOf(home)).call('sink/add', { name: 'arch', kind: 'file', url: join(home.folder, 'arch') });
    const [all, one, tail, source, method, file, sink, ofSink, token] = await ask(home, script, [
      'sessiond show ',
      'sessiond show ses_a',
      'sessiond tail --from start ses_x',
      'sessiond source rm ',
      'sessiond rpc source/l',
      'sessiond source add claude-code folder-',
      'sessiond sink pause ',
      'sessiond outbox --sink ',
      'sessiond share ses_abc --host-token-file folder-',
    ]);
    expect({ all, one, tail, source, method, file, sink, ofSink, token }).toEqual({
      sink: ['arch'],
      ofSink: ['arch'],
      token: ['folder-file'],
      all: ['ses_abc', 'ses_xyz'],
      one: ['ses_abc'],
      tail: ['ses_xyz'],
      source: [...sourceKindNames].sort(),
      method: ['source/list'],
      file: ['folder-file'],
    });
  });
});

describe.each(Object.entries(shells))('in %s', (name, ask) => {
  test("agents' own ids are completed once one is begun; agents and folders are those that there are", async () => {
    const home = cliHome();
    const script = await scriptFor(home, name);
    await startDaemon(home);
    const client = await clientOf(home);
    const create = (session: Params<'session/create'>) => client.call('session/create', session);
    const origin = { source: 'codex', externalId: '0199-aa' };
    await create({ sessionId: 'ses_a', agent: 'codex', directory: '/src/shop', origin });
    await create({
      sessionId: 'ses_b',
      agent: 'mine',
      directory: '/src/it is',
      origin: { ...origin, externalId: 'x;y' },
    });
    await create({ sessionId: 'ses_c', agent: '$(touch pwned)' });
    mkdirSync(join(home.folder, 'here', 'inner'), { recursive: true });
    writeFileSync(join(home.folder, 'here', 'infile'), '');
    const [all, own, unsafe, agents, statsAgents, folders, local] = await ask(home, script, [
      'sessiond show ',
      'sessiond show 01',
      'sessiond show x',
      'sessiond ls --agent ',
      'sessiond stats --agent co',
      'sessiond ls --dir /src/s',
      'sessiond ls --dir here/in',
    ]);
    // A shell may write a folder with the slash behind it.
    const bare = (offers: string[] = []) => offers.map((offer) => offer.replace(/\/$/, ''));
    expect({ all, own, unsafe, agents, statsAgents, folders: bare(folders) }).toEqual({
      all: ['ses_a', 'ses_b', 'ses_c'],
      own: ['0199-aa'],
      unsafe: [],
      agents: ['codex', 'mine'],
      statsAgents: ['codex'],
      folders: ['/src/shop'],
    });
    expect(bare(local).map((offer) => offer.split('/').at(-1))).toEqual(['inner']);
  });
});

test('a value behind = is completed in bash too', async () => {
  const home = cliHome();
  const script = await scriptFor(home, 'bash');
  expect(await shells.bash!(home, script, ['sessiond logs --level=w', 'sessiond logs --level='])).toEqual([
    ['warn'],
    levels,
  ]);
});

test('a shell that there is no script for is wrong usage', async () => {
  const { code, stderr } = await run(cliHome(), ['completion', 'tcsh']);
  expect(code).toBe(2);
  expect(stderr).toContain('bash, zsh, fish');
});

test('what scripts ask is not in the help', async () => {
  expect((await run(cliHome(), ['--help'])).stdout).not.toContain('__complete');
});

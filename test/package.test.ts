// What a user gets: the tarball that npm packs, installed into an empty prefix. Packed in a copy of the tree, since
// packing builds dist/ anew and other tests are running from it.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { crashBuild, root } from './support/build.ts';
import type { Home } from './support/home.ts';
import { makeHome } from './support/home.ts';

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
/** Where it is packed and installed; the installed program's own home too. */
let home: Home;
let tarball: string;
let installed: string;
/** The daemon that the installed program started, for as long as it may run. */
let daemonPid: number | undefined;

function npm(cwd: string, ...args: string[]): void {
  // What it prints shows only when it fails.
  execFileSync('npm', [...args, '--no-audit', '--no-fund'], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
}

function sessiond(...args: string[]): string {
  const options = { cwd: home.folder, env: home.env, encoding: 'utf8', timeout: 40_000 } as const;
  return execFileSync(join(home.folder, 'prefix/bin/sessiond'), args, options);
}

beforeAll(() => {
  home = makeHome();
  const copy = join(home.folder, 'copy');
  const left = ['node_modules', 'dist', '.git'].map((name) => join(root, name));
  cpSync(root, copy, { recursive: true, filter: (path) => !left.includes(path) });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  const packed = join(home.folder, 'packed');
  mkdirSync(packed);
  npm(copy, 'pack', '--pack-destination', packed);
  tarball = join(packed, readdirSync(packed)[0]!);

  // Without its install script: better-sqlite3 would be compiled for a minute or two. The one built for this repo stands in.
  npm(home.folder, 'install', '--global', '--prefix', join(home.folder, 'prefix'), '--ignore-scripts', tarball);
  installed = join(home.folder, 'prefix/lib/node_modules/sessiond');
  const sqlite = 'node_modules/better-sqlite3';
  const versionIn = (folder: string) => readFileSync(join(folder, sqlite, 'package.json'), 'utf8');
  expect(versionIn(installed)).toBe(versionIn(root));
  cpSync(join(root, sqlite, 'build'), join(installed, sqlite, 'build'), { recursive: true });
}, 180_000);

afterAll(() => {
  try {
    if (daemonPid !== undefined) process.kill(daemonPid, 'SIGKILL');
  } finally {
    home.remove();
  }
});

/** The files below `folder`, their paths from there. */
function filesIn(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

test('the tarball holds what runs and what explains it, and nothing else', () => {
  const names = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
  const files = names.map((name) => name.replace(/^package\//, ''));
  const beside = files.filter((file) => !file.startsWith('dist/')).sort();
  expect(beside).toEqual(['LICENSE', 'README.md', 'package.json', 'protocol/PROTOCOL.md']);
  const inDist = files.filter((file) => file.startsWith('dist/')).map((file) => file.slice('dist/'.length));
  expect(inDist).toEqual(
    expect.arrayContaining([
      'cli.js',
      'cli.js.map',
      'daemon.mjs',
      'search-worker.mjs',
      'mask-worker.mjs',
      'sessiond.1',
      'sql/0001.sql',
    ]),
  );
  expect(
    inDist.filter(
      (file) =>
        !/^cli\.js(\.map)?$|^(daemon|search-worker|mask-worker)\.mjs$|^package\.json$|^sessiond\.1$|^sql\/\d{4}\.sql$/.test(
          file,
        ),
    ),
  ).toEqual([]);
});

test('[P36] the shipped bundle holds no failpoint', () => {
  const failpoint = /SESSIOND_FAILPOINT|beforeCommit|afterCommit|beforeReply/;
  const holding = (folder: string) =>
    filesIn(folder).filter((file) => failpoint.test(readFileSync(join(folder, file), 'utf8')));
  expect(holding(join(installed, 'dist'))).toEqual([]);
  // The same search finds them in the build that crash tests kill.
  expect(holding(crashBuild)).toEqual(['daemon.mjs']);
});

test('the installed program tells its version and its socket without a daemon', () => {
  expect(sessiond('--version')).toBe(`sessiond ${manifest.version}\n`);
  expect(sessiond('socket')).toBe(`${home.paths.socket}\n`);
  expect(existsSync(home.paths.socket)).toBe(false);
});

test('the installed program starts its daemon, lists, and stops it', () => {
  const started = JSON.parse(sessiond('start', '--json')) as { pid: number; version: string; started: boolean };
  daemonPid = started.pid;
  expect(started).toMatchObject({ version: manifest.version, started: true });
  expect(existsSync(home.paths.socket)).toBe(true);
  if (process.platform === 'linux') {
    // The daemon that it started is the installed one.
    expect(readFileSync(`/proc/${started.pid}/cmdline`, 'utf8')).toContain(join(installed, 'dist/daemon.mjs'));
  }

  sessiond('rpc', 'session/create', JSON.stringify({ title: 'made by the installed program' }));
  expect(sessiond('ls')).toContain('made by the installed program');

  expect(JSON.parse(sessiond('stop', '--json'))).toMatchObject({ stopped: true, pid: started.pid });
  daemonPid = undefined;
  expect(existsSync(home.paths.socket)).toBe(false);
});

// What a user gets: the tarball that npm packs, installed into an empty prefix. Packed in a copy of the tree, since
// packing builds dist/ anew and other tests are running from it.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { crashBuild, root } from './support/build.ts';
import type { Home } from './support/home.ts';
import { makeHome } from './support/home.ts';

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
/** Where it is packed and installed; the installed program's own home too. */
let home: Home;
let tarball: string;
let installed: string;
/** Another package, which depends on the installed one. */
let consumer: string;
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

  consumer = join(home.folder, 'consumer');
  mkdirSync(join(consumer, 'node_modules'), { recursive: true });
  symlinkSync(installed, join(consumer, 'node_modules/sessiond'));
  symlinkSync(join(root, 'node_modules/@types'), join(consumer, 'node_modules/@types'));
}, 180_000);

/** A program of the consumer's: what it prints. */
function run(name: string, text: string): string {
  writeFileSync(join(consumer, name), text);
  return execFileSync(process.execPath, [name], { cwd: consumer, env: home.env, encoding: 'utf8', timeout: 40_000 });
}

const esmProgram = `
import { connect, fileIntents } from 'sessiond';
import { methods } from 'sessiond/protocol';
import openRpc from 'sessiond/protocol/openrpc.json' with { type: 'json' };
const client = connect();
await client.append({ type: 'session/create', params: { sessionId: 'ses_lib', title: 'made by a library' } });
const view = client.view();
await view.ready;
for (const [id, { session }] of view.sessions) methods['session/get'].result.parse(await client.call('session/get', { sessionId: id }));
if (!openRpc.methods.some(({ name }) => name === 'session/get') || !fileIntents) throw new Error('not whole');
console.log([...view.sessions.values()].map(({ session }) => session.title).join(', '));
await client.close();
`;

const cjsProgram = `
const { Client, connectSocket, defaultSocket } = require('sessiond');
(async () => {
  const client = new Client(await connectSocket(defaultSocket()));
  const { items } = await client.call('session/list', {});
  console.log(items.map(({ title }) => title).reverse().join(', '));
  client.close();
})();
`;

const typedProgram = `
import type { Blocker, ConnectionState } from 'sessiond';
import { connect, reduce, emptyView } from 'sessiond';
import { Event, methods } from 'sessiond/protocol';
const client = connect();
client.onState((state: ConnectionState) => console.log(state.is, state.is === 'offline' ? state.nextTryAt : 0));
const { items } = await client.call('blocker/list', { state: 'pending' });
export const waiting: Blocker[] = items;
export const folded = reduce(emptyView(), Event.parse({}));
export const title: string | null = methods['session/get'].result.parse({}).session.title;
// @ts-expect-error: no such param
await client.call('blocker/list', { stat: 'pending' });
`;

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
  const kinds = [
    ...[
      /^cli\.js$/,
      /^cli-(main|ls|ls-print)\.js(\.cache)?$/,
      /^cli-main\.js\.map$/,
      /^daemon\.mjs$/,
      /^search-worker\.mjs$/,
      /^mask-worker\.mjs$/,
      /^store-worker\.mjs$/,
      /^checkpoint-worker\.mjs$/,
      /^package\.json$/,
    ],
    ...[/^sessiond\.1$/, /^sql\/\d{4}\.sql$/, /^lib\/package\.json$/, /^lib\/openrpc\.json$/],
    ...[/^lib\/(node|browser|schemas)\.js$/, /^lib\/types\/(node\/)?[a-z-]+\.d\.ts$/],
  ];
  expect(kinds.filter((kind) => !inDist.some((file) => kind.test(file)))).toEqual([]);
  expect(inDist.filter((file) => !kinds.some((kind) => kind.test(file)))).toEqual([]);
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

  const openRpc = JSON.parse(readFileSync(join(installed, 'dist/lib/openrpc.json'), 'utf8'));
  expect(openRpc).toEqual(JSON.parse(sessiond('rpc', 'rpc.discover', '--json')));
  expect(run('import.mjs', esmProgram)).toBe('made by the installed program, made by a library\n');
  expect(run('require.cjs', cjsProgram)).toBe('made by the installed program, made by a library\n');

  expect(JSON.parse(sessiond('stop', '--json'))).toMatchObject({ stopped: true, pid: started.pid });
  daemonPid = undefined;
  expect(existsSync(home.paths.socket)).toBe(false);
});

test.each(['NodeNext', 'bundler'])('its types are whole for who compiles by %s', (moduleResolution) => {
  writeFileSync(join(consumer, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(consumer, 'program.ts'), typedProgram);
  const module = moduleResolution === 'bundler' ? 'ESNext' : moduleResolution;
  const options = ['--module', module, '--moduleResolution', moduleResolution, '--target', 'ES2023', '--types', 'node'];
  // Every file of theirs once; by the other only what the program uses.
  const whole = moduleResolution === 'NodeNext' ? 'false' : 'true';
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', whole];
  const tsc = join(root, 'node_modules/.bin/tsc');
  const args = ['--ignoreConfig', '--noEmit', ...options, ...strict, 'program.ts'];
  expect(execFileSync(tsc, args, { cwd: consumer, encoding: 'utf8' })).toBe('');
});

test('a page that is bundled with it loads nothing of Node, nor zod', async () => {
  const contents =
    "import { connect, indexedDbIntents, reduce } from 'sessiond'; console.log(connect, indexedDbIntents, reduce)";
  const { metafile, warnings } = await build({
    stdin: { contents, resolveDir: consumer },
    bundle: true,
    write: false,
    metafile: true,
    platform: 'browser', // an import of node:* is an error there
    format: 'esm',
    logLevel: 'silent',
  });
  expect(warnings).toEqual([]);
  const inputs = Object.keys(metafile.inputs).filter((path) => path !== '<stdin>');
  expect(inputs.map((path) => path.replace(/^.*\/sessiond\/dist\//, ''))).toEqual(['lib/browser.js']);
});

test('each name that `exports` gives is there', () => {
  const { resolve } = createRequire(join(consumer, 'any.cjs'));
  const { exports } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as { exports: object };
  for (const name of Object.keys(exports)) expect(existsSync(resolve(name.replace('.', 'sessiond')))).toBe(true);
  const targets = [...JSON.stringify(exports).matchAll(/"(\.\/[^"]*\.\w+)"(?!:)/g)].map(([, target]) => target!);
  expect(targets.length).toBeGreaterThan(6);
  expect(targets.filter((target) => !existsSync(join(installed, target)))).toEqual([]);
});

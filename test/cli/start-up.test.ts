// What a verb loads before it does anything: the time that `ls` takes is mostly Node's own start and this.
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { dist } from '../support/build.ts';
import { startProgram } from '../support/cli.ts';
import { startDaemon, testHome } from '../support/daemon.ts';

it('ls loads of Node what a socket needs, and nothing that starts processes', async () => {
  const home = testHome();
  await startDaemon(home);
  const hook = join(home.folder, 'hook.cjs');
  const list = 'process.moduleLoadList.filter((each) => each.startsWith("NativeModule "))';
  writeFileSync(hook, `process.on('exit', () => require('fs').writeSync(2, ${list}.join('\\n')));`);
  const { code, stderr } = await startProgram(home, ['--require', hook, join(dist, 'cli.js'), 'ls']).exit;
  expect(code).toBe(0);
  const loaded = stderr.split('\n').map((line) => line.replace('NativeModule ', ''));
  expect(loaded).toContain('net');
  const heavy = [
    'child_process',
    'dgram',
    'worker_threads',
    'http',
    'https',
    'crypto',
    'readline',
    'tls',
    'zlib',
    'dns',
  ];
  expect(loaded.filter((name) => heavy.includes(name))).toEqual([]);
});

const bundles = ['cli-main.js', 'cli-ls.js', 'cli-ls-print.js'];

it.each(bundles)('%s holds no zod', (bundle) => {
  expect(readFileSync(join(dist, bundle), 'utf8')).not.toMatch(/ZodObject|_zod\b/);
});

it('what is looked for is what zod looks like', () => {
  expect(readFileSync(join(dist, 'daemon.mjs'), 'utf8')).toMatch(/ZodObject|_zod\b/);
});

it.each(bundles.slice(1))('%s holds no commander', (bundle) => {
  expect(readFileSync(join(dist, bundle), 'utf8')).not.toContain('commander.');
  expect(readFileSync(join(dist, 'cli-main.js'), 'utf8')).toContain('commander.');
});

const caches: [string, (cache: Buffer) => Buffer | undefined][] = [
  ['there is none', () => undefined],
  ['it is empty', () => Buffer.alloc(0)],
  ['it is torn', (cache) => cache.subarray(0, cache.length / 2)],
  ['it is of another V8', (cache) => Buffer.concat([cache.subarray(0, 4), Buffer.alloc(4), cache.subarray(8)])],
  ['it is of another bundle', (cache) => Buffer.concat([cache.subarray(0, -16), Buffer.alloc(16, '0')])],
  ['it is something else', (cache) => Buffer.alloc(cache.length, 'x')],
];

it.each(caches)('what V8 compiled before is thrown away, and the CLI runs, where %s', async (_, change) => {
  const home = testHome();
  const [bundle, cache] = ['cli-main.js', 'cli-main.js.cache'];
  for (const file of ['cli.js', bundle, cache, 'package.json']) cpSync(join(dist, file), join(home.folder, file));
  const changed = change(readFileSync(join(dist, cache)));
  if (changed) writeFileSync(join(home.folder, cache), changed);
  else rmSync(join(home.folder, cache));
  const run = startProgram(home, [join(home.folder, 'cli.js'), '--version']);
  expect(await run.exit).toEqual({ code: 0, stdout: expect.stringMatching(/^sessiond \d/), stderr: '' });
});

it.each(bundles)('V8 takes what it compiled of %s when that was built', async (bundle) => {
  const home = testHome();
  const program = `
    const { readFileSync } = require('node:fs');
    const path = ${JSON.stringify(join(dist, bundle))};
    const source = readFileSync(path, 'latin1');
    const cache = readFileSync(path + '.cache');
    const isOfIt = source.endsWith(cache.toString('latin1', cache.length - 16));
    const cachedData = cache.subarray(0, -16);
    console.log(isOfIt, new (require('node:vm').Script)(source, { cachedData }).cachedDataRejected);
  `;
  expect(await startProgram(home, ['-e', program]).exit).toMatchObject({ stdout: 'true false\n', stderr: '' });
  // Read as latin1, which V8 takes as it is: any other letter would be another.
  expect(readFileSync(join(dist, bundle), 'utf8')).toMatch(/^[\x00-\x7f]*$/);
});

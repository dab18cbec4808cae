// What a verb loads before it does anything: the time that `ls` takes is mostly Node's own start and this.
import { readFileSync, writeFileSync } from 'node:fs';
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

it('the CLI holds no zod', () => {
  expect(readFileSync(join(dist, 'cli-main.js'), 'utf8')).not.toMatch(/ZodObject|_zod\b/);
  // What is looked for is what zod looks like.
  expect(readFileSync(join(dist, 'daemon.mjs'), 'utf8')).toMatch(/ZodObject|_zod\b/);
});

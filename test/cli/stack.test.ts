import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { expect, test } from 'vitest';
import { readableStack } from '../../cli/stack.ts';
import { testHome } from '../support/daemon.ts';

test('a stack trace out of the squeezed bundle names the lines of the source, and stays as it is without the map', () => {
  const { folder } = testHome();
  const source = join(folder, 'source.ts');
  const dist = join(folder, 'dist');
  const script = join(dist, 'cli-main.js');
  writeFileSync(source, '// a comment\nexport function breaks(word: string): never {\n  throw new Error(word);\n}\n');
  buildSync({
    entryPoints: { 'cli-main': source },
    outdir: dist,
    format: 'cjs',
    minifyWhitespace: true,
    sourcemap: 'linked',
  });
  writeFileSync(join(dist, 'package.json'), '{ "type": "commonjs" }');
  const { breaks } = createRequire(import.meta.url)(script) as { breaks(word: string): never };
  // As cli/launch.ts names it, wherever it lies.
  const asLaunched = (stack: string) => stack.replace(script, 'cli-main.js');
  let stack = '';
  try {
    breaks('at a place:1:1');
  } catch (error) {
    stack = asLaunched((error as Error).stack!);
  }
  const firstFrame = (text: string) => text.split('\n')[1];
  expect(firstFrame(stack)).toContain('(cli-main.js:1:');
  expect(firstFrame(readableStack(stack, dist))).toBe(`    at breaks (${source}:3:9)`);
  expect(readableStack(stack, dist).split('\n')[0]).toBe('Error: at a place:1:1');
  rmSync(`${script}.map`);
  expect(readableStack(stack, dist)).toBe(stack);
});

// Builds dist/: the CLI as one bundle, in which a verb that is not asked for is parsed lazily and never run, with two of the list alone and what
// loads them; the daemon as another and its workers as four more, the native module outside; the library (build-library.ts); the man page. The CLI is
// CommonJS, as dist/package.json says: Node's loader for ES modules costs 7 % of Node's own start, and would load at each
// start what any of the verbs imports.
// `--out DIR --failpoints` makes the build that crash tests kill; the shipped one has no failpoints (P36). `--no-types` leaves
// out the library's types, which take longer than all the rest: for tests.
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { BuildOptions, Plugin } from 'esbuild';
import { build } from 'esbuild';
import { buildLibrary } from './build-library.ts';
import { writeCompileCache } from './compile-cache.ts';
import { manPage } from './man-page.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const flag = { type: 'boolean', default: false } as const;
const { values } = parseArgs({ options: { out: { type: 'string' }, failpoints: flag, 'no-types': flag } });
const target = values.out ? resolve(values.out) : join(root, 'dist');
// Built beside it and put in its place at the end: who runs from there meanwhile never finds half of it.
const out = `${target}.${process.pid}`;
const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;

mkdirSync(out, { recursive: true });
process.on('exit', () => rmSync(out, { recursive: true, force: true })); // what a build that failed has left

const shared = {
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  outdir: out,
  legalComments: 'none',
  minifySyntax: true, // drops the branches that a define makes dead
  logLevel: 'warning',
} as const;
const define = { __VERSION__: JSON.stringify(version), __FAILPOINTS__: String(values.failpoints) };

/** @secretlint's preset loads it for files that end with .p12, which no text of ours does: four fifths of the worker's bundle. */
const withoutForge: Plugin = {
  name: 'without-forge',
  setup(bundler) {
    bundler.onResolve({ filter: /^\.\/index-/ }, ({ kind, importer, path }) =>
      kind === 'dynamic-import' && importer.includes('secretlint-rule-preset') ? { path, external: true } : undefined,
    );
  },
};

const library = values.failpoints ? undefined : buildLibrary(join(out, 'lib'), version, !values['no-types']);
await build({
  ...shared,
  define,
  entryPoints: {
    daemon: join(root, 'daemon/main.ts'),
    'search-worker': join(root, 'daemon/search-worker.ts'),
    'mask-worker': join(root, 'daemon/mask-worker.ts'),
    'store-worker': join(root, 'daemon/store-worker.ts'),
    'checkpoint-worker': join(root, 'daemon/checkpoint-worker.ts'),
  },
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  external: ['better-sqlite3'],
  banner: {
    // Bundled CommonJS packages (pino) call require for Node's own modules.
    js: "import { createRequire as __createRequire } from 'node:module';const require=__createRequire(import.meta.url);",
  },
  plugins: [withoutForge],
});
/** Commander loads it for verbs that are programs of their own, which ours are not; with it come modules that `ls` has no use for. */
const withoutPrograms: Plugin = {
  name: 'without-programs',
  setup(bundler) {
    const namespace = 'no-programs';
    bundler.onResolve({ filter: /^node:child_process$/ }, ({ importer, path }) =>
      /\/node_modules\/commander\//.test(importer) ? { path, namespace } : undefined,
    );
    bundler.onLoad({ filter: /.*/, namespace }, () => ({ contents: 'module.exports = {};' }));
  },
};

const called: BuildOptions = {
  ...shared,
  define: { ...define, 'import.meta.url': '__fileUrl' },
  format: 'cjs',
  minifyWhitespace: true, // half the bytes to read at each start; names stay
  // A function, which cli/launch.ts calls.
  banner: {
    js: "(function(require,__filename,__load,__run){const __fileUrl=require('node:url').pathToFileURL(__filename).href,module={exports:{}};",
  },
  footer: { js: 'return module.exports})' },
  plugins: [withoutPrograms],
  alias: { 'json-rpc-2.0': join(root, 'node_modules/json-rpc-2.0/dist/client.js') }, // without its server
};
await build({
  ...called,
  entryPoints: { 'cli-main': join(root, 'cli/main.ts') },
  sourcemap: 'linked', // tells lines (cli/stack.ts)
  sourcesContent: false,
});
await build({
  ...called,
  entryPoints: { 'cli-ls': join(root, 'cli/ask-ls.ts'), 'cli-ls-print': join(root, 'cli/print-ls.ts') },
});
await build({
  ...shared,
  entryPoints: { cli: join(root, 'cli/launch.ts') },
  format: 'cjs',
  banner: { js: '#!/usr/bin/env node' },
});
writeFileSync(join(out, 'package.json'), '{ "type": "commonjs" }\n');
cpSync(join(root, 'daemon/store/sql'), join(out, 'sql'), { recursive: true });
chmodSync(join(out, 'cli.js'), 0o755);
writeFileSync(join(out, 'sessiond.1'), await manPage(version));
if (!values.failpoints) writeCompileCache(out);
await library;

const old = `${out}.old`;
if (existsSync(target)) renameSync(target, old);
renameSync(out, target);
rmSync(old, { recursive: true, force: true });

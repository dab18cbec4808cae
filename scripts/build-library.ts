// Builds dist/lib/: what `import … from 'sessiond'` and `… from 'sessiond/protocol'` give, as ES modules with their types, and
// the OpenRPC document. package.json's `exports` names its files.
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { openRpcDocument } from '../daemon/serve/openrpc.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Builds it into the folder `out`. `version` is the package's; `withTypes`: whether its types are made too. */
export async function buildLibrary(out: string, version: string, withTypes: boolean): Promise<void> {
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'package.json'), '{ "type": "module" }\n');
  writeFileSync(join(out, 'openrpc.json'), `${JSON.stringify(openRpcDocument(version))}\n`);
  await Promise.all([
    bundle(out, 'node', 'protocol/node/exports.ts'),
    bundle(out, 'browser', 'protocol/exports-browser.ts'),
    bundle(out, 'schemas', 'protocol/exports-schemas.ts'),
    withTypes && emitTypes(join(out, 'types')),
  ]);
}

/** ws and zod stay outside: they are the package's own dependencies, and whoever has them already shares them. */
async function bundle(out: string, name: string, entry: string): Promise<void> {
  await build({
    entryPoints: { [name]: join(root, entry) },
    bundle: true,
    platform: name === 'node' ? 'node' : 'browser',
    target: ['node20.19', 'es2022'],
    format: 'esm',
    external: ['ws', 'zod'],
    outdir: out,
    legalComments: 'none',
    logLevel: 'warning',
  });
}

async function emitTypes(outDir: string): Promise<void> {
  const tsc = join(root, 'node_modules/.bin/tsc');
  const args = ['-p', join(root, 'scripts/tsconfig.library.json'), '--outDir', outDir];
  try {
    await promisify(execFile)(tsc, args);
  } catch (error) {
    throw new Error(`the library's types cannot be made:\n${(error as { stdout?: string }).stdout}`, { cause: error });
  }
}

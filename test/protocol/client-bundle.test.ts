// What a browser loads: neither Node's own modules nor zod, and nothing of the daemon.
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, it } from 'vitest';
import { root } from '../support/build.ts';

it.each(['client', 'connect', 'intents-indexed-db', 'view'])(
  'protocol/%s.ts bundles for browsers without Node and zod',
  async (name) => {
    const { metafile, warnings } = await build({
      entryPoints: [join(root, `protocol/${name}.ts`)],
      bundle: true,
      write: false,
      metafile: true,
      platform: 'browser', // an import of node:* is an error there
      format: 'esm',
      logLevel: 'silent',
      absWorkingDir: root,
    });
    expect(warnings).toEqual([]);
    const inputs = Object.keys(metafile.inputs);
    const packages = new Set(inputs.flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []));
    expect([...packages].filter((each) => each !== 'json-rpc-2.0')).toEqual([]);
    expect(inputs.filter((path) => !path.startsWith('protocol/') && !path.startsWith('node_modules/'))).toEqual([]);
    expect(inputs.filter((path) => path.startsWith('protocol/node/'))).toEqual([]);
  },
);

// The guide's snippet for Python.
import { join } from 'node:path';
import { it } from 'vitest';
import { root } from '../support/build.ts';
import { playEditor } from './editor.ts';
import { isInstalled } from './foreign.ts';

it.skipIf(!isInstalled('python3'))(
  'the Python snippet tells once what is asked, also while it or the daemon was away (needs python3: apt-get install python3)',
  async () => {
    await playEditor('python', ['sh', '-c', 'exec python3 "$0" >&2', join(root, 'cli/editors/python.py')]);
  },
);

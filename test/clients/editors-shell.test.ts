// The guide's snippet for a shell. It parses no JSON, and so tells a request as that.
import { join } from 'node:path';
import { it } from 'vitest';
import { root } from '../support/build.ts';
import { playEditor } from './editor.ts';
import { isInstalled } from './foreign.ts';

it.skipIf(!isInstalled('socat'))(
  'the shell snippet tells once what is asked, also while it or the daemon was away (needs socat: apt-get install socat)',
  async () => {
    await playEditor('shell', ['bash', join(root, 'cli/editors/shell.sh')], '', JSON.stringify);
  },
);

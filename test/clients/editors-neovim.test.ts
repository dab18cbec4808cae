// The guide's snippet for Neovim.
import { join } from 'node:path';
import { it } from 'vitest';
import { root } from '../support/build.ts';
import { playEditor } from './editor.ts';
import { isInstalled } from './foreign.ts';

it.skipIf(!isInstalled('nvim'))(
  'the Neovim snippet as init.lua tells once what is asked, also while Neovim or the daemon was away (needs nvim: apt-get install neovim)',
  async () => {
    const snippet = join(root, 'cli/editors/neovim.lua');
    await playEditor('nvim', ['nvim', '--headless', '-u', snippet, '-i', 'NONE', '-n']);
  },
);

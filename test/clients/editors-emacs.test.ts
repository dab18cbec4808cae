// The guide's snippet for Emacs.
import { join } from 'node:path';
import { it } from 'vitest';
import { root } from '../support/build.ts';
import { playEditor } from './editor.ts';
import { isInstalled } from './foreign.ts';

it.skipIf(!isInstalled('emacs'))(
  'the Emacs snippet tells once what is asked, also while Emacs or the daemon was away (needs emacs: apt-get install emacs-nox)',
  async () => {
    const snippet = join(root, 'cli/editors/emacs.el');
    // Outside of its command loop, Emacs sees a timer that a timer set only when it waits anew.
    const wait = '(while t (accept-process-output nil 0.1))';
    // jsonrpc.el says so itself.
    const aside = '[jsonrpc] Server exited with status 256';
    await playEditor('emacs', ['emacs', '--batch', '-Q', '-l', snippet, '--eval', wait], aside);
  },
);

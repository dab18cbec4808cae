// A client in Emacs, over its own JSON-RPC library.
import { it } from 'vitest';
import { foreign, isInstalled, playForeign } from './foreign.ts';

it.skipIf(!isInstalled('emacs'))(
  '[P30] Emacs over jsonrpc.el is cut off, resumes from its cursor and sees all (needs emacs: apt-get install emacs-nox)',
  async () => {
    await playForeign('emacs', ['emacs', '--batch', '-Q', '-l', foreign('emacs.el')]);
  },
);

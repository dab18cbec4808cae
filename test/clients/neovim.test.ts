// Two clients in Neovim, of what it has itself.
import { it } from 'vitest';
import { foreign, isInstalled, playForeign } from './foreign.ts';

const ways = {
  'a vim.loop pipe, framed by Content-Length,': 'neovim-pipe',
  'a channel of sockconnect, a value a line,': 'neovim-sockconnect',
};

for (const [way, name] of Object.entries(ways)) {
  it.skipIf(!isInstalled('nvim'))(
    `[P30] Neovim over ${way} is cut off, resumes from its cursor and sees all (needs nvim: apt-get install neovim)`,
    async () => {
      await playForeign(name, ['nvim', '--headless', '-u', 'NONE', '-i', 'NONE', '-n', '-S', foreign(`${name}.lua`)]);
    },
  );
}

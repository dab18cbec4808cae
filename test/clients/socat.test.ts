// A shell that speaks over one long connection.
import { it } from 'vitest';
import { foreign, isInstalled, playForeign } from './foreign.ts';

it.skipIf(!isInstalled('socat'))(
  '[P30] bash with socat, a value a line, is cut off, resumes from its cursor and sees all (needs socat: apt-get install socat)',
  async () => {
    await playForeign('socat', ['bash', foreign('socat.sh')]);
  },
);

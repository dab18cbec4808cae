// A client in Python, of its standard library alone.
import { it } from 'vitest';
import { foreign, isInstalled, playForeign } from './foreign.ts';

it.skipIf(!isInstalled('python3'))(
  '[P30] Python over a socket, a value a line, is cut off, resumes from its cursor and sees all (needs python3: apt-get install python3)',
  async () => {
    await playForeign('python', ['python3', foreign('python.py')]);
  },
);

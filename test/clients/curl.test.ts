// A shell that speaks HTTP, and follows Server-Sent Events.
import { it } from 'vitest';
import { foreign, isInstalled, playForeign } from './foreign.ts';

it.skipIf(!isInstalled('curl'))(
  '[P30] bash with curl, over Server-Sent Events, is cut off, resumes by Last-Event-ID and sees all (needs curl: apt-get install curl)',
  async () => {
    await playForeign('curl', ['bash', foreign('curl.sh')]);
  },
);

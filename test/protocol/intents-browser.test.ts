// The outbox of a page in Chromium: who it is, its cursor and what waits are there after a reload, one page at a time holds it, and
// every op is applied once, in order.
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import type { Op } from '../../protocol/schema.ts';
import { freePort, readJournal, Stage } from '../clients/stage.ts';
import { hasChromium, needsChromium, openContext } from '../support/browser.ts';
import { root } from '../support/build.ts';
import { within } from '../support/deadline.ts';
import type * as script from '../support/intents-page.ts';

const ops: Op[] = [
  { opId: 'op-0', type: 'session/create', params: { sessionId: 'ses_a' } },
  ...Array.from({ length: 7 }, (_, at): Op => {
    const params = { sessionId: 'ses_a', messageId: `msg_${at + 1}`, role: 'user' as const };
    return { opId: `op-${at + 1}`, type: 'message/put', params };
  }),
];

type Script = typeof script;

function call<N extends keyof Script>(page: Page, name: N, ...given: Parameters<Script[N]>) {
  const called = page.evaluate(`page.${name}(${given.map((each) => JSON.stringify(each)).join()})`);
  const state = () => page.evaluate('page.describe()');
  return within(`${name} in the page`, called as Promise<Awaited<ReturnType<Script[N]>>>, state);
}

describe.skipIf(!hasChromium)(`in Chromium (${needsChromium})`, () => {
  it('[P12] who it is, its cursor and its ops survive a reload; each op is applied once, in order', async () => {
    const stage = await Stage.open();
    const owner = await stage.client();
    const rights: ('read' | 'append')[] = ['read', 'append'];
    const { token } = await owner.call('capability/grant', { label: 'page', rights, sessions: '*' });
    const context = await openContext();
    const { outputFiles } = await build({
      entryPoints: [join(root, 'test/support/intents-page.ts')],
      bundle: true,
      write: false,
      format: 'iife',
      globalName: 'page',
      footer: { js: 'globalThis.page = page;' },
    });
    await context.addInitScript({ content: outputFiles[0]!.text });
    const page = await context.newPage();
    await page.goto(`${stage.origin}/nowhere`);
    const where = { url: `${stage.origin.replace('http', 'ws')}/ws`, token };
    const away = { ...where, url: where.url.replace(String(stage.port), String(await freePort())) };

    const first = await call(page, 'start', away);
    expect(first).toMatchObject({ clientId: expect.stringMatching(/^[0-9a-f]{32}$/), size: 0 });
    await call(page, 'handOver', ops.slice(0, 5));
    await call(page, 'keepCursor', 's.7.a');

    await page.reload();
    expect(await call(page, 'start', away)).toEqual({ clientId: first.clientId, cursor: 's.7.a', size: 5 });
    const beside = await context.newPage();
    await beside.goto(`${stage.origin}/nowhere`);
    await expect(call(beside, 'start', { ...away, lockWaitMs: 50 })).rejects.toThrow('held by another page');
    await beside.close();

    await page.reload();
    expect(await call(page, 'start', where)).toMatchObject({ size: expect.any(Number) });
    // Handed over again, by a page that does not know how far the one before came, and then more.
    await call(page, 'handOver', ops.slice(4));
    expect(await call(page, 'settle')).toBe(0);
    expect((await readJournal(owner)).map(({ opId }) => opId)).toEqual(ops.map(({ opId }) => opId));

    await page.reload();
    expect(await call(page, 'start', where)).toEqual({ clientId: first.clientId, cursor: 's.7.a', size: 0 });
  });
});

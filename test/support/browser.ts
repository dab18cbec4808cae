// Debian's Chromium, headless, for tests of what a browser's own EventSource and WebSocket make of the daemon.
import { existsSync } from 'node:fs';
import type { Browser, BrowserContext } from 'playwright-core';
import { chromium } from 'playwright-core';
import { afterFile, afterTest } from './daemon.ts';
import { makeHome } from './home.ts';

const executablePath = '/usr/bin/chromium';

export const hasChromium = existsSync(executablePath);
/** For the names of tests that are skipped without it. */
export const needsChromium = 'needs chromium: apt-get install chromium';

/** A name that Chromium resolves to 127.0.0.1, as a page's owner can have it done by DNS rebinding. */
export const reboundName = 'evil.test';

let launched: Promise<Browser> | undefined;

/** A profile of its own, which goes with the test. The browser is started once for a test file. */
export async function openContext(): Promise<BrowserContext> {
  if (!launched) {
    const browser = launch();
    launched = browser;
    afterFile(async () => {
      launched = undefined;
      await (await browser).close();
    });
  }
  const context = await (await launched).newContext();
  afterTest(() => context.close());
  return context;
}

async function launch(): Promise<Browser> {
  // It writes into its home, whatever its profile is.
  const home = makeHome();
  try {
    const args = [`--host-resolver-rules=MAP ${reboundName} 127.0.0.1`];
    if (process.getuid?.() === 0) args.push('--no-sandbox');
    const env = { PATH: process.env.PATH!, HOME: home.env.HOME!, LANG: 'C.UTF-8' };
    const browser = await chromium.launch({ executablePath, args, env });
    browser.on('disconnected', () => home.remove());
    return browser;
  } catch (error) {
    home.remove();
    throw error;
  }
}

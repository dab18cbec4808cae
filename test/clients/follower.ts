// A page of Chromium that follows a daemon (page-script.ts), and what it told.
import { join } from 'node:path';
import { build } from 'esbuild';
import type { BrowserContext, Cookie, Page } from 'playwright-core';
import type { Event } from '../../protocol/schema.ts';
import { root } from '../support/build.ts';
import { afterTest } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Listed } from '../support/history-run/history.ts';
import { Network } from './network.ts';
import type * as script from './page-script.ts';

type Script = typeof script;

let bundled: Promise<string> | undefined;

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(root, 'test/clients/page-script.ts')],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'client',
    footer: { js: 'globalThis.client = client;' },
  });
  return outputFiles[0]!.text;
}

/** Opens a page of `url`, whatever the server's answer is: it is of that origin, and the script is in it. */
export async function openPage(context: BrowserContext, url: string): Promise<Follower> {
  bundled ??= bundle();
  const page = await context.newPage();
  const follower = new Follower(page);
  await page.exposeFunction('tell', (told: script.Told) => follower.take(told));
  await page.addInitScript({ content: await bundled });
  const response = await within(`the page ${url}`, page.goto(url));
  follower.status = response?.status();
  return follower;
}

export class Follower {
  readonly told: script.Told[] = [];
  /** Of the page's own document. */
  status: number | undefined;
  readonly #page: Page;
  #waiting: (() => void)[] = [];

  constructor(page: Page) {
    this.#page = page;
    afterTest(() => page.close());
  }

  readonly take = (told: script.Told): void => {
    this.told.push(told);
    for (const wake of this.#waiting.splice(0)) wake();
  };

  /** Calls a function of the script in the page. */
  call<N extends keyof Script>(name: N, given: Parameters<Script[N]>[0]): Promise<Awaited<ReturnType<Script[N]>>> {
    const called = this.#page.evaluate(`client.${name}(${JSON.stringify(given)})`);
    return within(`${name} in the page`, called as Promise<Awaited<ReturnType<Script[N]>>>);
  }

  /** Opens a page of the same profile: the same cookies. */
  beside(url: string): Promise<Follower> {
    return openPage(this.#page.context(), url);
  }

  cookies(url: string): Promise<Cookie[]> {
    return this.#page.context().cookies(url);
  }

  /** What it asks for from now on, on the wire. */
  async network(): Promise<Network> {
    return Network.watch(await this.#page.context().newCDPSession(this.#page));
  }

  /** Evaluates an expression in the page. */
  evaluate<T>(expression: string): Promise<T> {
    return within(`${expression} in the page`, this.#page.evaluate(expression) as Promise<T>);
  }

  /** Takes the cookie of this daemon for `token`, as the daemon's own page does. */
  async login(token: string): Promise<void> {
    const request = `fetch('/login', { method: 'POST', headers: { authorization: 'Bearer ${token}' } })`;
    const status = await this.evaluate(`${request}.then(({ status }) => status)`);
    if (status !== 204) throw new Error(`/login was answered with ${status}`);
  }

  of(name: string): script.Told[] {
    return this.told.filter((each) => each.name === name);
  }

  /** How each of its subscriptions began. */
  get starts(): { mode: string; reason?: string; cursor: string; head: string }[] {
    return this.of('subscribed').map(({ params }) => params);
  }

  get events(): Event[] {
    return this.of('batch').flatMap(({ params }) => params.events as Event[]);
  }

  /** The newest seq that it was sent; 0 before the first. */
  get seq(): number {
    return this.events.at(-1)?.seq ?? 0;
  }

  /** Where it would resume from: a state that has not come whole is no place to go on from. */
  get cursor(): string | undefined {
    const places = this.told.filter(
      ({ name, params }) => params.cursor && params.mode !== 'snapshot' && name !== 'lost',
    );
    return places.at(-1)?.params.cursor;
  }

  held(sessionId: string): Promise<Listed | undefined> {
    return this.call('held', sessionId);
  }

  /** Resolves once `condition` holds. */
  async until(what: string, condition: (page: this) => boolean): Promise<void> {
    const wait = async () => {
      while (!condition(this)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    };
    await within(what, wait(), () => this.told.slice(-5).map((each) => JSON.stringify(each).slice(0, 300)));
  }
}

// Two real daemons, the home of sessions and the host of their replicas, with a faulty proxy between them.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Client } from '../../protocol/client.ts';
import type { Event } from '../../protocol/schema.ts';
import type { Running } from './daemon.ts';
import { connectTo, startDaemon, testHome } from './daemon.ts';
import { within } from './deadline.ts';
import { FaultyProxy } from './faulty-proxy.ts';
import type { Home } from './home.ts';

export class Side {
  readonly home: Home = testHome();
  /** As it is the next time that it starts. */
  config: string;
  running: Running | undefined;
  client!: Client;
  port: number | undefined;

  constructor(config: string) {
    this.config = config;
  }

  async start(failpoint?: string): Promise<void> {
    mkdirSync(dirname(this.home.paths.config), { recursive: true });
    writeFileSync(this.home.paths.config, this.config);
    this.running = await startDaemon(this.home, failpoint === undefined ? {} : { failpoint });
    this.client = await connectTo(this.home, 'test');
    const { http } = await this.client.call('daemon/status', {});
    this.port = http === null ? undefined : Number(new URL(http).port);
  }

  async kill(): Promise<void> {
    await this.running!.kill('SIGKILL');
    this.client.close();
  }

  /** All events of a session, from the first on. */
  async events(sessionId: string): Promise<Event[]> {
    const { earliest } = await this.client.call('daemon/status', {});
    const found: Event[] = [];
    for (let after = earliest; ; ) {
      const page = await this.client.call('events/read', { after, filter: { sessions: [sessionId] }, limit: 1000 });
      found.push(...page.events);
      if (!page.more) return found;
      after = page.cursor;
    }
  }
}

export const fast = '[outbox]\nbaseMs = 5\nmaxMs = 50\n';
export const open = '[http]\nlisten = "127.0.0.1:0"\n';

export async function sharePair() {
  const host = new Side(open);
  const home = new Side(fast);
  const proxy = new FaultyProxy();
  await Promise.all([host.start(), home.start(), proxy.listen()]);
  proxy.to(host.port);
  const url = `http://127.0.0.1:${proxy.port}`;
  const rights = ['read', 'append', 'answer', 'share'] as const;
  const { token, capability } = await host.client.call('capability/grant', {
    label: 'home',
    rights: [...rights],
    sessions: '*',
  });
  /** Starts the host again, where the proxy finds it. */
  const restartHost = async () => {
    proxy.to(undefined);
    await host.kill();
    await host.start();
    proxy.to(host.port);
  };
  return { host, home, proxy, url, token, capability, restartHost };
}

/** What must be the same at home and at the host. */
export function comparable({ version, type, data, actorId, opId, at, occurredAt }: Event) {
  return { version, type, data, actorId, opId, occurredAt: occurredAt ?? at };
}

/** Resolves when what `read` gives is so. It is read again and again: of what other processes do to one another nothing tells. */
export async function eventually<T>(
  what: string,
  read: () => Promise<T>,
  isSo: (found: T) => boolean,
  ms = 30_000,
): Promise<T> {
  let last: T | undefined;
  let isLate = false;
  const look = async () => {
    for (;;) {
      last = await read();
      if (isSo(last) || isLate) return last;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return within(what, look(), () => last, ms).finally(() => {
    isLate = true;
  });
}

// A real daemon that listens on TCP, and is killed and started again at the same place.
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import type { Client } from '../../protocol/client.ts';
import type { Event, Session } from '../../protocol/schema.ts';
import type { Running } from '../support/daemon.ts';
import { connectTo, startDaemon, testHome } from '../support/daemon.ts';
import { allItems } from '../support/everything.ts';
import type { Listed } from '../support/history-run/history.ts';
import { sorted } from '../support/history-run/listed.ts';

export class Stage {
  readonly home = testHome();
  readonly port: number;
  #running!: Promise<Running>;

  private constructor(port: number) {
    this.port = port;
  }

  /** `config`: more of config.toml. */
  static async open(config = ''): Promise<Stage> {
    const stage = new Stage(await freePort());
    const { config: path } = stage.home.paths;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, `${config}\n[http]\nlisten = "127.0.0.1:${stage.port}"\n`);
    stage.#running = startDaemon(stage.home);
    await stage.#running;
    return stage;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** A client of the owner's, over the Unix socket, as soon as the daemon is up. */
  async client(name = 'owner'): Promise<Client> {
    await this.#running;
    return connectTo(this.home, name);
  }

  /** The token of a capability to read everything. */
  async token(): Promise<string> {
    const client = await this.client();
    const { token } = await client.call('capability/grant', { label: 'page', rights: ['read'], sessions: '*' });
    return token;
  }

  /** Ends the daemon by SIGKILL and starts another one; resolves when that answers. */
  async restart(): Promise<void> {
    const killed = this.#running.then((running) => running.kill('SIGKILL'));
    this.#running = killed.then(() => startDaemon(this.home));
    await this.#running;
  }
}

/**
 * A port that nobody listens on. It lies below those that connections get by themselves: a daemon that is down must find
 * it free when it comes back.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** All that the journal holds. */
export async function readJournal(client: Client): Promise<Event[]> {
  const events: Event[] = [];
  let { earliest: after } = await client.call('daemon/status', {});
  for (let more = true; more; ) {
    const page = await client.call('events/read', { after, limit: 1_000 });
    events.push(...(page.events as Event[]));
    ({ cursor: after, more } = page);
  }
  return events;
}

/** A session as the tables hold it. */
export async function readTables(client: Client, sessionId: string): Promise<Listed> {
  const { session } = await client.call('session/get', { sessionId });
  return sorted({
    session: session as Session,
    turns: await allItems(client, 'turn/list', { sessionId }),
    blockers: await allItems(client, 'blocker/list', { sessionId }),
    artifacts: await allItems(client, 'artifact/list', { sessionId }),
    messages: await allItems(client, 'message/list', { sessionId }),
  });
}

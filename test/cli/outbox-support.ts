// What the tests of sinks and shares share: a second daemon that is sent to, and another side that says what a test wants.
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import type { Right } from '../../protocol/capability.ts';
import type { Client } from '../../protocol/client.ts';
import type { Batch, ReplicaItem, SinkStatus } from '../../protocol/outbox.ts';
import type { Running as Daemon } from '../support/daemon.ts';
import { afterTest, startDaemon } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';
import { pathOf } from './capability-support.ts';
import { clientOf, cliHome, run } from './run-cli.ts';
import { jsonLines } from './tail-support.ts';

export type Host = {
  home: Home;
  url: string;
  client: Client;
  daemon: Daemon;
  /** Starts it again, at the same address. */
  restart(): Promise<void>;
};

/** Another sessiond, that listens for HTTP. */
export async function hostDaemon(): Promise<Host> {
  const home = cliHome();
  const listen = (place: string) => {
    mkdirSync(dirname(home.paths.config), { recursive: true, mode: 0o700 });
    writeFileSync(home.paths.config, `[http]\nlisten = "${place}"\n`);
  };
  listen('127.0.0.1:0');
  const daemon = await startDaemon(home);
  const client = await clientOf(home);
  const url = (await client.call('daemon/status', {})).http!;
  const restart = async () => {
    listen(new URL(url).host);
    await startDaemon(home);
  };
  return { home, url, client, daemon, restart };
}

const homeRights: Right[] = ['read', 'append', 'answer', 'share'];

/** Puts a token of the host's into a file of this home. */
export async function holdHostToken({ client }: Pick<Host, 'client'>, home: Home, name = 'host.token') {
  const params = { label: 'homes', rights: homeRights, sessions: '*' as const };
  const { capability, token } = await client.call('capability/grant', params);
  writeFileSync(pathOf(home, name), `${token}\n`, { mode: 0o600 });
  return { capability, token };
}

/** What is asked by replica/append, and whether each op of it is taken. */
type Answer = (items: ReplicaItem[]) => 'hang' | { status: number } | { rejected: ReplicaItem[] };

/** Somebody at a url who answers replica/append as `answer` says. */
export async function fakeHost(answer: Answer): Promise<string> {
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { id, params } = JSON.parse(text) as { id: number; params: { through?: string; items: ReplicaItem[] } };
    const answered = answer(params.items);
    if (answered === 'hang') return;
    if ('status' in answered) return response.writeHead(answered.status).end();
    const entry = ({ opId, version }: ReplicaItem) => ({ opId, seq: 1, version, ids: {} });
    const rejected = answered.rejected.map(({ opId }) => ({
      ...{ opId, code: -32028, kind: 'AlreadyExists', message: 'it is at home here', data: {} },
    }));
    const applied = params.items.filter((item) => !answered.rejected.includes(item)).map(entry);
    const result = { cursor: params.through, applied, duplicates: [], rejected };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result }));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  afterTest(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Nobody listens there. */
export const nobody = 'http://127.0.0.1:9';

/** Reads until it is as it should be. */
export async function until<T>(what: string, read: () => Promise<T>, isSo: (value: T) => boolean): Promise<T> {
  let last: T;
  const reading = async () => {
    do last = await read();
    while (!isSo(last));
    return last;
  };
  return within(what, reading(), () => last);
}

export const batchesOf = async (home: Home, ...args: string[]) =>
  jsonLines((await run(home, ['outbox', '--json', ...args])).stdout) as unknown as Batch[];
export const sinksOf = async (home: Home) =>
  JSON.parse((await run(home, ['sink', 'ls', '--json'])).stdout) as SinkStatus[];
export const sinkOf = async (home: Home, name: string) => (await sinksOf(home)).find((sink) => sink.name === name)!;

/** Adds a sink whose other side takes no token. */
export function addTo(home: Home, name: string, url: string, ...options: string[]) {
  return run(home, ['sink', 'add', name, url, ...options, '--host-token-file', '-'], { input: 'a.token\n' });
}

// A server that answers as a test says, by POST /rpc and by POST /capnweb alike.
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { taken } from '../../../daemon/serve/http/capnweb-text.ts';
import { afterTest } from '../../support/daemon.ts';
import type { Anything } from '../../support/wire.ts';

export type Said = {
  status?: number;
  headers?: Record<string, string>;
  /** Instead of a result or an error: this body. */
  body?: string;
  result?: unknown;
  error?: { code: number; message: string; data?: unknown };
  /** Tells so many bytes and ends the connection before the last. */
  cut?: true;
  hang?: true;
};

export type Heard = {
  path: string;
  method: string;
  params: Anything;
  headers: IncomingMessage['headers'];
  lines: Anything[];
};

const listed = (value: unknown): unknown => {
  if (Array.isArray(value)) return [value.map(listed)];
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, listed(member)]));
};

export async function scriptedHost(answer: (heard: Heard) => Said) {
  const heard: Heard[] = [];
  const server = createServer((incoming, outgoing) => {
    let body = '';
    incoming.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
    });
    incoming.on('end', () => {
      const { url: path = '', headers } = incoming;
      const isCapnweb = path.endsWith('/capnweb');
      const lines = (isCapnweb ? body.split('\n') : [body]).map((line) => JSON.parse(line));
      const pushed = lines[1]?.[1];
      const { method, params } = isCapnweb
        ? { method: pushed[2][0], params: taken(pushed[3][0]).value }
        : (lines[0] as Anything);
      const asked: Heard = { path, method, params, headers, lines };
      heard.push(asked);
      const said = answer(asked);
      if (said.hang) return;
      const { result, error } = said;
      const text =
        said.body ??
        (isCapnweb
          ? JSON.stringify(
              error
                ? ['reject', 2, ['error', 'Error', error.message, null, { code: error.code, data: listed(error.data) }]]
                : ['resolve', 2, listed(result)],
            )
          : JSON.stringify({ jsonrpc: '2.0', id: 1, ...(error ? { error } : { result }) }));
      if (said.cut) outgoing.writeHead(200, { 'content-length': text.length + 1 });
      else outgoing.writeHead(said.status ?? 200, { 'content-length': Buffer.byteLength(text), ...said.headers });
      outgoing.write(text, () => (said.cut ? outgoing.destroy() : outgoing.end()));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterTest(() => {
    server.closeAllConnections();
    server.close();
  });
  return { heard, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

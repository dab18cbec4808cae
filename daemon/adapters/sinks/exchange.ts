// One request and its answer. Not by fetch: Node 20's waits for ever for a server that closes the connection as soon as it was
// made, as one does that is about to end.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request } from 'node:http';
import { request as requestTls } from 'node:https';

export type Sending = { headers: Record<string, string>; body: string; signal: AbortSignal };

/** `text`: undefined where it is longer than `maxBytes`; what is left of it is not read then. */
export type Answer = { status: number; headers: IncomingHttpHeaders; text: string | undefined };

/** Posts a body; redirects are answers like any other. Rejects with Node's error when there is no whole answer. */
export function exchange(url: string, { headers, body, signal }: Sending, maxBytes: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? requestTls : request;
    const length = String(Buffer.byteLength(body));
    const sent = send(url, { method: 'POST', headers: { ...headers, 'content-length': length }, signal });
    sent.on('error', reject);
    sent.on('response', (incoming: IncomingMessage) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const answer = (text: string | undefined) =>
        resolve({ status: incoming.statusCode!, headers: incoming.headers, text });
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes <= maxBytes) return void chunks.push(chunk);
        answer(undefined);
        incoming.destroy();
      });
      incoming.on('end', () => answer(Buffer.concat(chunks).toString('utf8')));
      // Also after the end, when nobody waits any more.
      incoming.on('error', reject);
    });
    sent.end(body);
  });
}

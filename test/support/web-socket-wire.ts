// The raw end of a WebSocket, as wire.ts has it of a socket.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { afterTest } from './daemon.ts';
import { within } from './deadline.ts';
import type { Message } from './wire.ts';
import { Wire } from './wire.ts';

/** A wire over a WebSocket. `code`: with which it was closed. */
export async function wireOver(url: string, options: { headers?: Record<string, string>; autoPong?: boolean } = {}) {
  const webSocket = new WebSocket(url, options);
  afterTest(() => webSocket.terminate());
  const closing = once(webSocket, 'close') as Promise<[number]>;
  const wire = new Wire({
    write: (texts) => {
      for (const text of texts) webSocket.send(text);
    },
    close: () => webSocket.terminate(),
    closed: closing,
  });
  webSocket.on('message', (data, isBinary) => {
    if (isBinary) throw new Error('a binary frame came');
    wire.take(JSON.parse(String(data)) as Message);
  });
  await within('the WebSocket to open', once(webSocket, 'open'));
  const code = closing.then(([closed]) => closed);
  return { wire, webSocket, code: () => within('the WebSocket to close', code) };
}

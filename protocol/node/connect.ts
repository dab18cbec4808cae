// connect() for Node: by the daemon's socket, the default one or another, or by a ws:// url.
import type { ConnectOptions } from '../connect.ts';
import { connectBy } from '../connect.ts';
import type { Connection } from '../connection.ts';
import type { Transport } from '../transport.ts';
import type { WebSocketConstructor } from '../web-socket.ts';
import { openWebSocket } from '../web-socket.ts';
import { defaultSocket } from './paths.ts';
import { connectSocket } from './socket.ts';

/**
 * Connects, and stays connected: returns at once, in the state `connecting`. `where`: the path of a socket, or a `ws://`, `wss://`
 * or `ws+unix:` url; by default the socket of the user's own daemon. Throws PathError for a path that cannot be one, and
 * RangeError for options that make no sense. The daemon is not started: see spawn.ts.
 */
export function connect(where: string = defaultSocket(), options: ConnectOptions = {}): Connection {
  const isUrl = /^ws(s|\+unix)?:/.test(where);
  return connectBy(isUrl ? (signal) => dialWebSocket(where, signal) : (signal) => dialSocket(where, signal), options);
}

async function dialSocket(path: string, signal: AbortSignal): Promise<Transport> {
  const transport = await connectSocket(path);
  if (!signal.aborted) return transport;
  transport.close();
  throw signal.reason;
}

async function dialWebSocket(url: string, signal: AbortSignal): Promise<Transport> {
  // Loaded by those only who use it: Node has no WebSocket of its own before version 22, and none that can be paused.
  const { WebSocket } = await import('ws');
  class Unbounded extends WebSocket {
    constructor(url: string) {
      // Events may have any size, and a loopback needs no compression.
      super(url, { perMessageDeflate: false, maxPayload: 0 });
    }
  }
  return openWebSocket(url, Unbounded as unknown as WebSocketConstructor, signal);
}

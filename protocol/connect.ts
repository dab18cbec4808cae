// connect(): a daemon over WebSocket, from a browser or wherever a WebSocket is at hand. Node's own is protocol/node/connect.ts.
import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import type { ConnectionOptions, Dial } from './connection.ts';
import { Connection } from './connection.ts';
import type { IntentOptions } from './intents.ts';
import { Intents } from './intents.ts';
import type { WebSocketConstructor } from './web-socket.ts';
import { openWebSocket } from './web-socket.ts';

/** All may be left out. */
export type ConnectOptions = Partial<Omit<ConnectionOptions, 'token' | 'clock'>> & {
  token?: string | undefined;
  clock?: Clock;
  /** The outbox of `append`; by default in memory. */
  intents?: IntentOptions;
};

/**
 * Connects to the daemon's WebSocket, `ws://HOST:PORT/ws` or `wss://…`, and stays connected: returns at once, in the state
 * `connecting`. Throws for options that make no sense, and where there is no WebSocket.
 */
export function connect(url: string, options: ConnectOptions & { WebSocket?: WebSocketConstructor } = {}): Connection {
  const WebSocket = options.WebSocket ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
  if (!WebSocket) throw new Error('there is no WebSocket here: give one as `WebSocket`');
  return connectBy((signal) => openWebSocket(url, WebSocket, signal), options);
}

/** The same over connections that `dial` makes. */
export function connectBy(dial: Dial, options: ConnectOptions = {}): Connection {
  const { client, token, reconnect, bookmarkMs, connectTimeoutMs, clock, intents } = options;
  const whole: ConnectionOptions = {
    client: client ?? { name: 'sessiond-client', version: '1' },
    ...(token !== undefined && { token }),
    reconnect: reconnect ?? {},
    bookmarkMs: bookmarkMs ?? 15_000,
    connectTimeoutMs: connectTimeoutMs ?? 10_000,
    clock: clock ?? systemClock,
  };
  return new Connection(dial, whole, (host) => new Intents(host, intents));
}

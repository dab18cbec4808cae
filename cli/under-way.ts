// What a daemon has under way: it is idle when that is nothing.
import type { Connected } from './connect.ts';
import { cleanStart } from './render/clean.ts';
import { countOf } from './render/quantity.ts';

/**
 * What would be cut off if it was stopped now, in words; empty when it is idle: nobody but this connection is there, no
 * turn is open, and no sink is being sent. A series of ops (fork, import) runs for a connection, and is told as that.
 */
export async function underWay({ client, server }: Connected): Promise<string[]> {
  const { connections, sinks = [] } = await client.call('daemon/status', {}); // an older daemon tells no sinks
  const others = connections.filter(({ id }) => id !== server.connectionId);
  const names = [...new Set(others.map((other) => cleanStart(other.client ?? 'unnamed', 60)))];
  const sent = sinks.filter(({ state, lag }) => state === 'active' && lag > 0);
  return [
    ...(others.length > 0 ? [`${countOf(others.length, 'other connection')} (${names.join(', ')})`] : []),
    ...((await hasOpenTurn(client)) ? ['an open turn'] : []),
    ...(sent.length > 0 ? [`what is being sent to ${sent.map(({ name }) => cleanStart(name, 60)).join(', ')}`] : []),
  ];
}

async function hasOpenTurn(client: Connected['client']): Promise<boolean> {
  for (const state of ['created', 'streaming'] as const) {
    if ((await client.call('turn/list', { state, limit: 1 })).items.length > 0) return true;
  }
  return false;
}

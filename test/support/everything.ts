// All that a daemon holds, read over the wire, in a form that two daemons can be compared by.
import type { Client } from '../../protocol/client.ts';
import type { MethodName, Params } from '../../protocol/methods.ts';
import type { Message, Part, Session } from '../../protocol/schema.ts';

export type Held = { session: Session; items: { message: Message; parts: Part[] }[] };

/** All items of a list, over all its pages. */
export async function allItems<T>(client: Client, method: MethodName, params: object): Promise<T[]> {
  const items: T[] = [];
  let pageToken: string | undefined;
  do {
    const asked = { ...params, limit: 1_000, ...(pageToken ? { pageToken } : {}) };
    const page = (await client.call(method, asked as Params<typeof method>)) as {
      items: T[];
      nextPageToken?: string;
    };
    items.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken);
  return items;
}

/** Every session with its messages and parts, by session id. */
export async function readEverything(client: Client): Promise<Map<string, Held>> {
  const held = new Map<string, Held>();
  const sessions = await allItems<Session>(client, 'session/list', {});
  for (const session of sessions.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    held.set(session.id, { session, items: await allItems(client, 'message/list', { sessionId: session.id }) });
  }
  return held;
}

/** Waits until everything that lies in the sources now is taken in. */
export async function takenIn(client: Client): Promise<void> {
  await client.call('source/rescan', {});
}

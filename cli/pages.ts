// The pages of a list, one in memory at a time.
import type { Client } from '../protocol/client.ts';
import type { Params, Result } from '../protocol/methods.ts';
import type { Session } from '../protocol/schema.ts';

type Listing =
  | 'session/list'
  | 'message/list'
  | 'turn/list'
  | 'session/usage'
  | 'capability/list'
  | 'capability/audit'
  | 'outbox/list'
  | 'share/list';

/** Follows nextPageToken to the end; a page is asked for when the one before it was used. */
export async function* pages<M extends Listing>(
  client: Client,
  method: M,
  params: Params<M>,
): AsyncGenerator<Result<M>['items'], void, void> {
  let pageToken: string | undefined;
  do {
    const page: Result<Listing> = await client.call(method, { ...params, ...(pageToken && { pageToken }) });
    yield page.items as Result<M>['items'];
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
}

/** The pages of session/list, each session once: one that changes meanwhile comes twice from the daemon. */
export async function* sessionPages(
  client: Client,
  params: Params<'session/list'>,
): AsyncGenerator<Session[], void, void> {
  const seen = new Set<string>();
  for await (const items of pages(client, 'session/list', params)) {
    const fresh = items.filter(({ id }) => !seen.has(id));
    for (const { id } of fresh) seen.add(id);
    yield fresh;
  }
}

import type { Client } from '../../protocol/client.ts';
import { parseCursor } from '../../protocol/cursor.ts';

/** Resolves once the search index has what the journal has: a search waits for it, but not for ever. */
export async function indexed(client: Client, tell: (seq: number) => void = () => {}): Promise<void> {
  const { head } = await client.call('daemon/status', {});
  for (let cursor = ''; cursor !== head; ) {
    ({ cursor } = await client.call('session/search', { query: 'nothingIsFound', limit: 1 }));
    tell(parseCursor(cursor)?.seq ?? 0);
  }
}

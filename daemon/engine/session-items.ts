// One session as the items of a snapshot: whole in one item where it fits, else in several of a bounded size.
import type { Lists, Page } from '../store/lists.ts';

/** `last`: no other item of the session follows. */
export type SessionItem = { text: string; last: boolean };

/** So many records are read at once: those behind the end of an item are read in vain. */
const recordsAtOnce = 16;

/**
 * The items of a session, each of `maxBytes` or one larger record; none when there is no such session. Of one version only
 * where `lists` is at one version, or all are taken in one turn of the event loop.
 */
export function* sessionItems(
  lists: Lists,
  sessionId: string,
  withMessages: boolean,
  maxBytes: number,
  streamed = true,
): Generator<SessionItem, void> {
  const session = lists.findSession(sessionId);
  if (session === undefined) return;
  const read: Record<string, (after: string | undefined) => Page | undefined> = {
    turns: (after) => lists.readRows('turn', { sessionId }, recordsAtOnce, after),
    blockers: (after) => lists.readRows('blocker', { sessionId }, recordsAtOnce, after),
    artifacts: (after) => lists.readArtifacts(sessionId, undefined, recordsAtOnce, after),
    ...(withMessages && {
      messages: (after) => lists.readMessages(sessionId, 'asc', recordsAtOnce, after, undefined, streamed),
    }),
  };
  const begin = () => new Map(Object.keys(read).map((list) => [list, [] as string[]]));
  let held = begin();
  let bytes = 0;
  const item = (last: boolean) => {
    const lists = [...held].map(([list, records]) => `"${list}":[${records.join(',')}]`);
    return { text: `{"session":${session},${lists.join(',')}}`, last };
  };
  for (const [list, readPage] of Object.entries(read)) {
    for (let after: string | undefined; ; ) {
      const page = readPage(after);
      for (const record of page?.items ?? []) {
        const size = Buffer.byteLength(record);
        if (bytes > 0 && bytes + size > maxBytes) {
          yield item(false);
          held = begin();
          bytes = 0;
        }
        held.get(list)!.push(record);
        bytes += size;
      }
      after = page?.next;
      if (after === undefined) break;
    }
  }
  yield item(true);
}

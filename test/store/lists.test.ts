import { expect, test } from 'vitest';
import type { Session } from '../../protocol/schema.ts';
import { testHome } from '../support/daemon.ts';
import { op, openRecords, owner } from '../support/records.ts';

async function withSessions(count: number) {
  const records = openRecords(testHome().paths.data);
  for (let made = 0; made < count; made += 1) {
    records.runtime.time += 1;
    await records.writer.appendOne(
      owner,
      op('session/create', { sessionId: `ses_${made}`, agent: made % 2 ? 'b' : 'a' }),
    );
  }
  const touch = async (sessionId: string) => {
    records.runtime.time += 1;
    await records.writer.appendOne(owner, op('session/update', { sessionId, title: `at ${records.runtime.time}` }));
  };
  return { ...records, touch };
}

/** All ids over all pages; `between` runs after each page. */
async function walk(
  { lists }: Awaited<ReturnType<typeof withSessions>>,
  query: object,
  between: (page: number) => unknown = () => {},
): Promise<string[]> {
  const ids: string[] = [];
  let after: string | undefined;
  let page = 0;
  do {
    const read = lists.readSessions(query, 4, after);
    ids.push(...read.items.map((text) => (JSON.parse(text) as Session).id));
    after = read.next;
    await between(page++);
    expect(page, 'a walk ends').toBeLessThan(50);
  } while (after !== undefined);
  return ids;
}

test('sessions list newest first, each once while nothing changes', async () => {
  const records = await withSessions(10);
  expect(await walk(records, {})).toEqual(Array.from({ length: 10 }, (_, index) => `ses_${9 - index}`));
  expect(await walk(records, { agent: 'b' })).toEqual(['ses_9', 'ses_7', 'ses_5', 'ses_3', 'ses_1']);
});

test('a session that changes between two pages is not missed', async () => {
  const records = await withSessions(20);
  const ids = await walk(records, {}, (page) => page === 0 && records.touch('ses_0'));
  expect(new Set(ids).size).toBe(20);
});

test('a walk ends although sessions change at every page, and misses none that was there when it began', async () => {
  const records = await withSessions(20);
  let next = 0;
  const ids = await walk(records, {}, async () => {
    for (let each = 0; each < 5; each += 1) await records.touch(`ses_${next++ % 20}`);
    await records.writer.appendOne(owner, op('session/create', {}));
  });
  for (let made = 0; made < 20; made += 1) expect(ids).toContain(`ses_${made}`);
});

import { describe, expect, test } from 'vitest';
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

test('the newest sessions are told by key, of all or of some that are there; their titles by 200 characters', async () => {
  const records = await withSessions(10);
  const { lists, writer } = records;
  await writer.appendOne(owner, op('session/update', { sessionId: 'ses_3', title: '😀'.repeat(300) }));
  await writer.appendOne(owner, op('session/delete', { sessionId: 'ses_8' }));
  const told = (sessions: string[] | undefined, limit: number) =>
    lists.newestSessions(sessions, limit).map((key) => lists.sessionVersion(key)!.id);
  expect(told(undefined, 3)).toEqual(['ses_9', 'ses_7', 'ses_6']);
  expect(told(['ses_1', 'ses_8', 'ses_5', 'ses_none', 'ses_3'], 2)).toEqual(['ses_5', 'ses_3']);
  const [key] = lists.newestSessions(['ses_3'], 1);
  expect(lists.sessionVersion(key!)).toEqual({ id: 'ses_3', title: '😀'.repeat(200), version: 2 });
  expect(lists.sessionVersion(9)).toBeUndefined();
});

describe('what the messages cost', () => {
  const usage = { input: 1, output: 1, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
  const day = () => '2026-01-01';

  /** Adds messages to a session, as many of them with usage. */
  async function fill({ writer }: Awaited<ReturnType<typeof withSessions>>, sessionId: string, count: number) {
    const put = () => op('message/put', { sessionId, role: 'assistant', usage });
    for (let made = 0; made < count; made += 500) {
      await writer.append(owner, Array.from({ length: Math.min(500, count - made) }, put));
    }
  }

  /** The messages counted for each session, and how many pages that took. */
  function readAll({ lists }: Awaited<ReturnType<typeof withSessions>>, since: number, limit: number, of?: string[]) {
    const counts: Record<string, number> = {};
    let pages = 0;
    let after: string | undefined;
    do {
      const page = lists.readUsage(since, day, limit, after, of);
      for (const text of page.items) {
        const { sessionId, messages } = JSON.parse(text) as { sessionId: string; messages: number };
        counts[sessionId] = (counts[sessionId] ?? 0) + messages;
      }
      after = page.next;
      pages += 1;
      expect(pages, 'a walk ends').toBeLessThan(20);
    } while (after !== undefined);
    return { counts, pages };
  }

  test('is read of so many messages a page, and of the sessions asked for alone', async () => {
    const records = await withSessions(4);
    await fill(records, 'ses_0', 6_000);
    await fill(records, 'ses_1', 2);
    await fill(records, 'ses_3', 4_999);
    const all = { ses_0: 6_000, ses_1: 2, ses_3: 4_999 };
    expect(readAll(records, 0, 100)).toEqual({ counts: all, pages: 3 });
    expect(readAll(records, 0, 1).counts).toEqual(all);
    expect(readAll(records, 0, 100, ['ses_none', 'ses_2', 'ses_1'])).toEqual({ counts: { ses_1: 2 }, pages: 1 });
    expect(readAll(records, 0, 100, ['ses_3', 'ses_1'])).toEqual({ counts: { ses_1: 2, ses_3: 4_999 }, pages: 2 });
    // What has not changed since costs nothing of a page.
    records.runtime.time += 1;
    const since = records.runtime.time;
    await fill(records, 'ses_2', 3);
    expect(readAll(records, since, 100)).toEqual({ counts: { ses_2: 3 }, pages: 1 });
  });

  test('is read of so many sessions a page', async () => {
    const records = await withSessions(2_100);
    for (const id of ['ses_999', 'ses_1000', 'ses_2099']) await fill(records, id, 1);
    expect(readAll(records, 0, 100)).toEqual({ counts: { ses_999: 1, ses_1000: 1, ses_2099: 1 }, pages: 3 });
    expect(readAll(records, 0, 1).counts).toEqual({ ses_999: 1, ses_1000: 1, ses_2099: 1 });
  });
});

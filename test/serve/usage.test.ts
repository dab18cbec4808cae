// session/usage: what the messages cost, summed by session, day and model.
import { describe, expect, test } from 'vitest';
import type { SessionUsage } from '../../protocol/methods.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import { allItems } from '../support/everything.ts';

const newYear = Date.parse('2026-01-01T00:10:00Z');
const hour = 3_600_000;

async function withMessages() {
  const { connect } = daemonInProcess(testHome());
  const client = connect();
  const put = async (sessionId: string, messageId: string, createdAt: number, output: number, more: object = {}) => {
    const usage = { input: 1, output, reasoning: 0, cacheRead: 10, cacheWrite: 0 };
    await client.call('message/put', { sessionId, messageId, role: 'assistant', createdAt, usage, ...more });
  };
  await client.call('session/create', { sessionId: 'ses_a', agent: 'one' });
  await client.call('session/create', { sessionId: 'ses_b', agent: 'two' });
  const model = { providerId: 'p', modelId: 'm' };
  await put('ses_a', 'msg_1', newYear - hour, 1, { model });
  await put('ses_a', 'msg_2', newYear, 2, { model });
  await put('ses_a', 'msg_3', newYear + 1, 3, { model });
  await put('ses_a', 'msg_4', newYear + 2, 4);
  await put('ses_b', 'msg_5', newYear + 3, 5, {
    usage: { input: 0, output: 5, reasoning: 0, cacheRead: 0, cacheWrite: 0, costUsd: 0.5 },
  });
  await client.call('message/put', { sessionId: 'ses_b', messageId: 'msg_6', role: 'user' });
  const brief = async (params: object = {}) => {
    const items = await allItems<SessionUsage>(client, 'session/usage', params);
    return items.map((item) => [
      item.sessionId,
      item.agent,
      item.model?.modelId,
      item.day,
      item.messages,
      item.usage.output,
    ]);
  };
  return { client, brief };
}

describe('session/usage', () => {
  test('sums by session, day and model; messages without usage do not count', async () => {
    const { brief } = await withMessages();
    expect(await brief()).toEqual([
      ['ses_a', 'one', 'm', '2025-12-31', 1, 1],
      ['ses_a', 'one', 'm', '2026-01-01', 2, 5],
      ['ses_a', 'one', undefined, '2026-01-01', 1, 4],
      ['ses_b', 'two', undefined, '2026-01-01', 1, 5],
    ]);
  });

  test('days are those of the time zone asked for; a zone that is none is refused', async () => {
    const { client, brief } = await withMessages();
    expect((await brief({ timeZone: 'America/New_York' })).map((item) => item[3])).toEqual(Array(3).fill('2025-12-31'));
    expect((await brief({ timeZone: 'Asia/Kolkata' })).map((item) => item[3])).toEqual(Array(3).fill('2026-01-01'));
    await expect(client.call('session/usage', { timeZone: 'Mars/Base' })).rejects.toThrow('Europe/Berlin');
  });

  test('counts from a time on, tells the cost where it is known, and comes in pages', async () => {
    const { client, brief } = await withMessages();
    expect((await brief({ since: newYear + 1 })).map((item) => item[5])).toEqual([3, 4, 5]);
    const { items } = await client.call('session/usage', {});
    expect(items.map(({ usage }) => usage.costUsd)).toEqual([undefined, undefined, undefined, 0.5]);
    const pages: number[] = [];
    let pageToken: string | undefined;
    do {
      const page = await client.call('session/usage', { limit: 1, ...(pageToken && { pageToken }) });
      pages.push(...page.items.map(({ usage }) => usage.output));
      pageToken = page.nextPageToken;
    } while (pageToken);
    expect(pages.reduce((sum, output) => sum + output, 0)).toBe(15);
  });

  test('a deleted session costs nothing', async () => {
    const { client, brief } = await withMessages();
    await client.call('session/delete', { sessionId: 'ses_a' });
    expect((await brief()).map((item) => item[0])).toEqual(['ses_b']);
  });
});

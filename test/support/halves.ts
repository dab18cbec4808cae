// A store whose batches are seen by halves if they are applied by halves: for tests of what a disk does to a daemon.
import { expect } from 'vitest';
import type { Client } from '../../protocol/client.ts';
import { connectTo, startDaemon } from './daemon.ts';
import type { Home } from './home.ts';

const ids = { sessionId: 'ses_a', messageId: 'msg_a' };
const kilobytes = (count: number) => 'disk '.repeat(count * 205);

/** The session and the message that `append` writes to. */
export async function begin(client: Client): Promise<void> {
  await client.call('session/create', { sessionId: 'ses_a' });
  await client.call('message/put', { ...ids, role: 'assistant' });
}

/** An atomic batch of a part of `size` kilobytes and a title: half of it would be seen. */
export function append(client: Client, n: number, size = 20) {
  const part = { type: 'text' as const, text: `${n} ${kilobytes(size)}` };
  return client.call('ops/append', {
    atomic: true,
    ops: [
      { opId: `title-${n}`, type: 'session/update', params: { sessionId: 'ses_a', title: `title ${n}` } },
      { opId: `part-${n}`, type: 'part/put', params: { ...ids, partId: `prt_${n}`, part } },
    ],
  });
}

/** Which of the batches are there: with their part, and as the newest title. */
export async function found(client: Client): Promise<{ parts: number[]; title: string | null }> {
  const { items } = await client.call('message/list', { sessionId: 'ses_a' });
  const { session } = await client.call('session/get', { sessionId: 'ses_a' });
  return { parts: items[0]!.parts.map(({ id }) => Number(id.slice(4))), title: session.title };
}

/** Of batch 1, which was acknowledged, nothing is lost, and batch 2 may be sent again. */
export async function expectRecovered(home: Home): Promise<void> {
  await startDaemon(home);
  const client = await connectTo(home);
  await append(client, 2);
  expect(await found(client)).toEqual({ parts: [1, 2], title: 'title 2' });
}

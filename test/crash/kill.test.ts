// Real processes, really killed: what was acknowledged is there after the restart, and nothing is there twice (P10).
import { describe, expect, test } from 'vitest';
import type { Client } from '../../protocol/client.ts';
import type { Event } from '../../protocol/schema.ts';
import { TransportClosedError } from '../../protocol/transport.ts';
import { connectTo, startDaemon, testHome } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';

const rounds = 20;
const inFlight = 64;

async function readAll(client: Client): Promise<Event[]> {
  const { earliest } = await client.call('daemon/status', {});
  const events: Event[] = [];
  for (let after = earliest, more = true; more; ) {
    const page = await client.call('events/read', { after, limit: 1_000 });
    events.push(...page.events);
    after = page.cursor;
    more = page.more;
  }
  return events;
}

type Sent = { opId: string; messageId: string; acknowledged: boolean };

/** Sends ops, `inFlight` at a time, until the daemon dies; `onAcknowledged` sees how many were acknowledged. */
async function sendUntilDeath(client: Client, round: number, onAcknowledged: (count: number) => void): Promise<Sent[]> {
  const sent: Sent[] = [];
  let acknowledged = 0;
  let alive = true;
  const lane = async () => {
    while (alive) {
      const name = `${round}_${sent.length}`;
      const op: Sent = { opId: `op_${name}`, messageId: `msg_${name}`, acknowledged: false };
      sent.push(op);
      try {
        await client.call('message/put', { opId: op.opId, sessionId: 'ses_a', messageId: op.messageId, role: 'user' });
        op.acknowledged = true;
        acknowledged += 1;
        onAcknowledged(acknowledged);
      } catch (error) {
        if (!(error instanceof TransportClosedError)) throw error;
        alive = false;
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return sent;
}

async function expectAllOnce(home: Home, sent: Sent[]): Promise<void> {
  const client = await connectTo(home);
  const events = await readAll(client);
  expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
  const found = events.filter((event) => event.type === 'message/updated').map((event) => event.opId);
  expect(new Set(found).size).toBe(found.length);
  const there = new Set(found);
  expect(sent.filter((op) => op.acknowledged && !there.has(op.opId))).toEqual([]);
  // Sent again, each is there once, whether its reply was lost or it never arrived.
  const unsure = sent.filter((op) => !op.acknowledged);
  for (const op of unsure) {
    const again = { opId: op.opId, sessionId: 'ses_a', messageId: op.messageId, role: 'user' } as const;
    const result = await client.call('message/put', again);
    expect(result.duplicate).toBe(there.has(op.opId));
  }
  const { session } = await client.call('session/get', { sessionId: 'ses_a' });
  expect(session.messageCount).toBe(sent.length);
}

describe('kill -9', () => {
  test(`${rounds} times with ${inFlight} ops in flight loses no acknowledged op and doubles none [P10]`, async () => {
    const home = testHome();
    const sent: Sent[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const daemon = await startDaemon(home);
      const client = await connectTo(home);
      if (round === 0) await client.call('session/create', { sessionId: 'ses_a' });
      // Another number of acknowledgements each time, so that the kill falls into other places of the loop.
      const after = 40 + round * 37;
      sent.push(
        ...(await sendUntilDeath(client, round, (count) => {
          if (count === after) daemon.process.kill('SIGKILL');
        })),
      );
      expect(await daemon.exit).toBe('SIGKILL');
    }
    await startDaemon(home);
    expect(sent.filter((op) => op.acknowledged).length).toBeGreaterThan(rounds * 40);
    await expectAllOnce(home, sent);
  }, 120_000);

  test.each([
    ['before the commit nothing of the batch is there', 'beforeCommit', false],
    ['after the commit the batch is there although nobody was told', 'afterCommit', true],
    ['before the reply the batch is there although nobody was told', 'beforeReply', true],
  ])('%s', async (_name, failpoint, applied) => {
    const home = testHome();
    // Passed once for session/create, then dies at the next.
    const daemon = await startDaemon(home, { failpoint: `${failpoint}:2` });
    const client = await connectTo(home);
    await client.call('session/create', { sessionId: 'ses_a', opId: 'first' });
    const op = { opId: 'second', sessionId: 'ses_a', messageId: 'msg_a', role: 'user' } as const;
    await expect(client.call('message/put', op)).rejects.toThrow(TransportClosedError);
    expect(await daemon.exit).toBe('SIGKILL');
    await startDaemon(home);
    const again = await connectTo(home);
    const events = await readAll(again);
    expect(events.map((event) => event.opId)).toEqual(applied ? ['first', 'second'] : ['first']);
    expect((await again.call('message/put', op)).duplicate).toBe(applied);
    expect(await readAll(again)).toHaveLength(2);
  });
});

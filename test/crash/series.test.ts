// kill -9 at every step of a series of ops; sent again it completes, and nothing is there twice (the rule of P30: what is
// asserted is that it stopped in the middle, not only how it ends).
import { cpSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Client } from '../../protocol/client.ts';
import { TransportClosedError } from '../../protocol/transport.ts';
import { connectTo, startDaemon, testHome } from '../support/daemon.ts';
import { op, openRecords, owner, readTables } from '../support/records.ts';

const messages = 220;

/** A store with one session of so many records that a series over it takes several transactions. */
async function sourceStore() {
  const home = testHome();
  const records = openRecords(home.paths.data);
  records.runtime.time = Date.now(); // so that the daemon finds no op ids to forget
  const puts = Array.from({ length: messages }, (_, at) => {
    const ids = { sessionId: 'ses_a', messageId: `msg_${at}` };
    const part = { type: 'text' as const, text: `text ${at}` };
    return [op('message/put', { ...ids, role: 'user' }), op('part/put', { ...ids, partId: `prt_${at}`, part })];
  });
  await records.writer.append(owner, [op('session/create', { sessionId: 'ses_a', title: 'a' }), ...puts.flat()]);
  records.close();
  return home;
}

/** The copy that a series made, without the times of its making; undefined before its first op. */
function copyIn(folder: string, sessionId: string) {
  const records = openRecords(folder);
  const held = readTables(records).get(sessionId);
  const version = held?.session.version ?? 0;
  records.close();
  return { version, messages: held?.messages, title: held?.session.title };
}

async function outcome(client: Client, run: (client: Client) => Promise<{ duplicate: boolean }>) {
  try {
    return await run(client);
  } catch (error) {
    if (error instanceof TransportClosedError) return undefined;
    throw error;
  }
}

async function killEverywhere(target: string, run: (client: Client) => Promise<{ duplicate: boolean }>): Promise<void> {
  const source = await sourceStore();
  const copy = () => {
    const home = testHome();
    cpSync(source.paths.data, home.paths.data, { recursive: true });
    return home;
  };
  const runIn = async (home: ReturnType<typeof copy>, failpoint?: string) => {
    const daemon = await startDaemon(home, failpoint ? { failpoint } : {});
    const result = await outcome(await connectTo(home), run);
    if (result) await daemon.kill();
    else expect(await daemon.exit).toBe('SIGKILL');
    return result;
  };
  const clean = copy();
  await runIn(clean);
  const whole = copyIn(clean.paths.data, target);
  expect(whole.messages).toHaveLength(messages);
  const stoppedAt = new Set<number>();
  for (const place of ['beforeCommit', 'afterCommit', 'beforeReply']) {
    // Before the commit at each; behind it, where the same is on disk, at each other one.
    for (let step = 1; ; step += place === 'beforeCommit' ? 1 : 2) {
      const home = copy();
      if (await runIn(home, `${place}:${step}`)) break;
      const { version } = copyIn(home.paths.data, target);
      stoppedAt.add(version);
      // The last step's reply can be lost after all was applied: then it is a duplicate as a whole.
      expect(await runIn(home)).toMatchObject({ duplicate: version === whole.version });
      expect(copyIn(home.paths.data, target)).toEqual(whole);
      home.remove();
    }
  }
  // Nothing, the first op, each transaction in between, all.
  expect([...stoppedAt].sort((a, b) => a - b)).toEqual([0, 1, 101, 201, 301, 401, whole.version]);
}

test('session/fork killed at every step and sent again is complete, and nothing is there twice', async () => {
  await killEverywhere('ses_b', (client) =>
    client.call('session/fork', { sessionId: 'ses_a', newSessionId: 'ses_b', opId: 'fork' }),
  );
}, 240_000);

test('session/import killed at every step and sent again is complete, and nothing is there twice', async () => {
  const parts = (at: number) => [
    { ...written, id: `prt_${at}`, messageId: `msg_${at}`, index: 0, type: 'text', text: `text ${at}` },
  ];
  const written = { sessionId: 'ses_i', actorId: 'elsewhere', schemaVersion: 1 };
  const usage = { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
  const base = { parentId: null, title: 'i', directory: null, agent: null, model: null, status: 'idle', version: 9 };
  const times = { createdAt: 5, updatedAt: 6, archivedAt: null };
  const sums = { usage, messageCount: 3, pendingBlockers: 0, origin: null, metadata: {} };
  const { sessionId: id, ...by } = written;
  const text = JSON.stringify({
    format: 'sessiond/session',
    formatVersion: 1,
    session: { id, ...base, ...times, ...sums, ...by },
    messages: Array.from({ length: messages }, (_, at) => ({
      message: {
        ...written,
        id: `msg_i${at}`,
        messageIndex: at,
        turnId: null,
        role: 'user',
        agent: null,
        model: null,
        createdAt: 5,
        completedAt: null,
        usage: null,
        error: null,
        metadata: {},
      },
      parts: parts(at).map((part) => ({ ...part, id: `prt_i${at}`, messageId: `msg_i${at}` })),
    })),
  });
  await killEverywhere('ses_i', (client) => client.call('session/import', { text, opId: 'import' }));
}, 240_000);

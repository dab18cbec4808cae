// kill -9 between every two statements of turn/finish: the turn is wholly open or wholly ended, never between (P17).
import { cpSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Op } from '../../protocol/schema.ts';
import { TransportClosedError } from '../../protocol/transport.ts';
import { connectTo, startDaemon, testHome } from '../support/daemon.ts';
import { op, openRecords, owner, readTables } from '../support/records.ts';

const model = { providerId: 'p', modelId: 'm' };
const inTurn = { sessionId: 'ses_a', turnId: 'trn_a' };
const part = (partId: string, content: object) =>
  op('part/put', { sessionId: 'ses_a', messageId: 'msg_a', partId, part: content as never });
const delta = (offset: number, text: string) =>
  op('part/delta', { sessionId: 'ses_a', partId: 'prt_text', field: 'text', offset, text });

/** A turn with something of everything that turn/finish ends. */
const before: Op[] = [
  op('session/create', { sessionId: 'ses_a' }),
  op('turn/start', { ...inTurn, agent: 'x', model, parts: [{ type: 'text', text: 'do it' }] }),
  op('message/put', { ...inTurn, messageId: 'msg_a', role: 'assistant' }),
  part('prt_text', { type: 'text', text: '' }),
  delta(0, 'all '),
  delta(4, 'of it'),
  part('prt_tool', { type: 'tool', callId: 'c', tool: 'bash', state: 'running' }),
  op('blocker/ask', { ...inTurn, blockerId: 'blk_a', kind: 'permission', request: { permission: 'bash' } }),
];
const finish = op('turn/finish', {
  turnId: 'trn_a',
  state: 'completed',
  finish: 'stop',
  usage: { input: 1, output: 2, reasoning: 0, cacheRead: 0, cacheWrite: 0 },
  parts: [{ type: 'text', text: 'one more' }],
});

/** What is held, without the ids that are made anew at each run and the times of the last op. */
function held(folder: string): unknown {
  const records = openRecords(folder);
  const tables = [...readTables(records)];
  const inLedger = records.db.prepare('SELECT count(*) FROM ledger WHERE op_id = ?').pluck().get(finish.opId);
  records.close();
  return JSON.parse(JSON.stringify({ tables, inLedger }), (key, value) =>
    ['completedAt', 'endedAt', 'resolvedAt', 'updatedAt', 'resolvedBy', 'actorId'].includes(key) && value !== null
      ? 'set'
      : key === 'id' && String(value).startsWith('prt_') && !['prt_text', 'prt_tool'].includes(value)
        ? 'made'
        : value,
  );
}

async function finishIn(home: ReturnType<typeof testHome>, failpoint?: string): Promise<number | string> {
  const daemon = await startDaemon(home, failpoint ? { failpoint } : {});
  const client = await connectTo(home);
  const { opId, params } = finish;
  const answer = client.call('turn/finish', { opId, ...(params as { turnId: string; state: 'completed' }) });
  if (!failpoint) {
    await answer;
    return daemon.kill();
  }
  const outcome = await answer.then(
    () => 'answered',
    (error: unknown) => error,
  );
  if (outcome === 'answered') return daemon.kill();
  expect(outcome).toBeInstanceOf(TransportClosedError);
  return daemon.exit;
}

test('[P17] kill -9 between every two statements of turn/finish leaves the turn wholly open or wholly ended', async () => {
  const start = testHome();
  const records = openRecords(start.paths.data);
  records.runtime.time = Date.now(); // so that the daemon finds no op ids to forget
  await records.writer.append(owner, before);
  records.close();
  const open = held(start.paths.data);
  const copy = () => {
    const home = testHome();
    cpSync(start.paths.data, home.paths.data, { recursive: true });
    return home;
  };
  const whole = copy();
  await finishIn(whole);
  const ended = held(whole.paths.data);
  expect(ended).not.toEqual(open);

  let statements = 0;
  for (;;) {
    const home = copy();
    const exit = await finishIn(home, `turn/finish:${statements + 1}`);
    if (exit !== 'SIGKILL') break;
    statements += 1;
    expect(held(home.paths.data)).toEqual(open);
    // Sent again after the restart, it ends the turn, once.
    await finishIn(home);
    expect(held(home.paths.data)).toEqual(ended);
    home.remove();
  }
  // Six events with their bodies and rows, the merged chunks, ledger, session and head: none was left out.
  expect(statements).toBeGreaterThan(20);

  for (const failpoint of ['beforeCommit:1', 'afterCommit:1', 'beforeReply:1']) {
    const home = copy();
    expect(await finishIn(home, failpoint)).toBe('SIGKILL');
    expect(held(home.paths.data)).toEqual(failpoint === 'beforeCommit:1' ? open : ended);
    await finishIn(home);
    expect(held(home.paths.data)).toEqual(ended);
  }
}, 240_000);

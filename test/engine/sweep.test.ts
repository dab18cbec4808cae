// What happens by the passing of time alone. The clock is the test's own.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import type { SweepDeps } from '../../daemon/engine/sweep.ts';
import { Sweep } from '../../daemon/engine/sweep.ts';
import { GuestRows } from '../../daemon/store/guest-rows.ts';
import { RefusedError, refuse } from '../../protocol/errors.ts';
import type { Turn } from '../../protocol/schema.ts';
import { testHome } from '../support/daemon.ts';
import type { Records } from '../support/records.ts';
import { allEvents, HandRuntime, op, openRecords, owner } from '../support/records.ts';

const day = 24 * 3600_000;
const model = { providerId: 'p', modelId: 'm' };

class SplitRuntime extends HandRuntime {
  /** The monotonic clock, apart from the wall clock. */
  uptime = 0;
  override monotonic = () => this.uptime;
}

async function turnWithLease(leaseMs?: number) {
  const { data } = testHome().paths;
  const runtime = new SplitRuntime();
  const records = openRecords(data, runtime);
  await records.writer.appendOne(owner, op('session/create', { sessionId: 'ses_a' }));
  await records.writer.appendOne(
    owner,
    op('turn/start', {
      sessionId: 'ses_a',
      turnId: 'trn_a',
      agent: 'x',
      model,
      parts: [],
      ...(leaseMs ? { leaseMs } : {}),
    }),
  );
  return { data, runtime, records, sweep: sweepOf(records) };
}

const signal = new AbortController().signal;

function sweepOf(
  { writer, lists, db, runtime }: Records,
  ledgerMaxAgeMs = 30 * day,
  given: Partial<SweepDeps> = {},
): Sweep {
  const retention = { cut: async () => {} };
  const subscribers = { expire: async () => {} };
  const capabilities = { expire: () => {}, prune: async () => {} };
  return new Sweep({
    writer,
    lists,
    ledger: writer.ledger,
    guests: new GuestRows(db),
    retention,
    subscribers,
    capabilities,
    runtime,
    ledgerMaxAgeMs,
    ...given,
  });
}

/** Ticks as the loop would, each 500 ms, up to `uptime`. */
async function tickTo(uptime: number, runtime: SplitRuntime, sweep: Sweep): Promise<void> {
  while (runtime.uptime < uptime) {
    runtime.uptime = Math.min(runtime.uptime + 500, uptime);
    await sweep.tick(runtime.uptime);
  }
}

const turnIn = (records: Records) => records.tables.findTurn('trn_a') as Turn;

test('[P17] a turn whose lease ran out is aborted by the system, and its session is idle again', async () => {
  const { runtime, records, sweep } = await turnWithLease();
  await tickTo(59_999, runtime, sweep);
  expect(turnIn(records).state).toBe('created');
  expect(records.tables.findSession('ses_a')!.status).toBe('busy');
  await tickTo(60_000, runtime, sweep);
  expect(turnIn(records)).toMatchObject({ state: 'aborted', error: { kind: 'LeaseExpired' }, actorId: 'system' });
  expect(allEvents(records).at(-1)).toMatchObject({ type: 'turn/updated', actorId: 'system' });
  expect(records.tables.findSession('ses_a')!.status).toBe('idle');
  expect(records.writer.leases.size).toBe(0);
});

test.each([
  ['a message', op('message/put', { sessionId: 'ses_a', messageId: 'msg_a', role: 'assistant', turnId: 'trn_a' })],
  ['a heartbeat', op('turn/heartbeat', { turnId: 'trn_a' })],
  [
    'a question',
    op('blocker/ask', { sessionId: 'ses_a', turnId: 'trn_a', kind: 'permission', request: { permission: 'b' } }),
  ],
])('%s on the turn renews its lease', async (_name, renewal) => {
  const { runtime, records, sweep } = await turnWithLease(10_000);
  await tickTo(9_000, runtime, sweep);
  await records.writer.appendOne(owner, renewal);
  await tickTo(18_999, runtime, sweep);
  expect(turnIn(records).endedAt).toBeNull();
  await tickTo(19_000, runtime, sweep);
  expect(turnIn(records).state).toBe('aborted');
});

test('an op on another turn, or one that is refused, renews nothing', async () => {
  const { runtime, records, sweep } = await turnWithLease(10_000);
  await tickTo(9_000, runtime, sweep);
  await records.writer.appendOne(owner, op('message/put', { sessionId: 'ses_a', role: 'user' }));
  const unfit = op('message/put', { sessionId: 'ses_a', messageId: 'msg_x', role: 'user', turnId: 'trn_none' });
  await expect(records.writer.appendOne(owner, unfit)).rejects.toThrow('no turn');
  await tickTo(10_000, runtime, sweep);
  expect(turnIn(records).state).toBe('aborted');
});

test('a heartbeat may give the turn another lease', async () => {
  const { runtime, records, sweep } = await turnWithLease(10_000);
  await records.writer.appendOne(owner, op('turn/heartbeat', { turnId: 'trn_a', leaseMs: 60_000 }));
  await tickTo(59_000, runtime, sweep);
  expect(turnIn(records).endedAt).toBeNull();
  await tickTo(60_000, runtime, sweep);
  expect(turnIn(records).state).toBe('aborted');
});

test('a turn found open at a start gets one full lease', async () => {
  const { data, runtime, records, sweep } = await turnWithLease(10_000);
  await tickTo(9_000, runtime, sweep);
  records.close();
  const next = new SplitRuntime();
  next.uptime = 1e9;
  const again = openRecords(data, next);
  const swept = sweepOf(again);
  await tickTo(1e9 + 9_999, next, swept);
  expect(turnIn(again).endedAt).toBeNull();
  await tickTo(1e9 + 10_000, next, swept);
  expect(turnIn(again).state).toBe('aborted');
});

test('a tick that comes over 5 s late, after a suspend, renews all leases first', async () => {
  const { runtime, records, sweep } = await turnWithLease(10_000);
  await tickTo(8_000, runtime, sweep);
  runtime.uptime = 8_000 + 500 + 5_001;
  await sweep.tick(runtime.uptime);
  expect(turnIn(records).endedAt).toBeNull();
  await tickTo(8_000 + 500 + 5_001 + 10_000, runtime, sweep);
  expect(turnIn(records).state).toBe('aborted');
});

test('a tick that comes late by less ends what ran out', async () => {
  const { runtime, records, sweep } = await turnWithLease(10_000);
  await tickTo(8_000, runtime, sweep);
  runtime.uptime = 8_000 + 500 + 5_000;
  await sweep.tick(runtime.uptime);
  expect(turnIn(records).state).toBe('aborted');
});

test('a jump of the wall clock ends no turn', async () => {
  const { runtime, records, sweep } = await turnWithLease(10_000);
  runtime.time += 365 * day;
  await tickTo(9_000, runtime, sweep);
  expect(turnIn(records).endedAt).toBeNull();
});

test('a word that is about to be written when the lease runs out keeps the turn', async () => {
  const { runtime, records, sweep } = await turnWithLease(10_000);
  await tickTo(9_999, runtime, sweep);
  runtime.uptime = 10_000;
  // Taken before the tick, applied with it: the abort behind it finds the lease renewed.
  const renewal = records.writer.appendOne(owner, op('turn/heartbeat', { turnId: 'trn_a' }));
  await Promise.all([renewal, sweep.tick(runtime.uptime)]);
  expect(turnIn(records).endedAt).toBeNull();
});

test('the lease of a turn that was deleted with its session is dropped, quietly', async () => {
  const { runtime, records, sweep } = await turnWithLease(10_000);
  await records.writer.appendOne(owner, op('session/delete', { sessionId: 'ses_a' }));
  await tickTo(10_000, runtime, sweep);
  expect(records.writer.leases.size).toBe(0);
  expect(runtime.errors).toEqual([]);
});

test('op ids and batch ids are forgotten once they are older than [ledger] maxAgeMs, and not before', async () => {
  const { data } = testHome().paths;
  const runtime = new SplitRuntime();
  const records = openRecords(data, runtime);
  const first = op('session/create', { sessionId: 'ses_a' });
  const second = op('session/update', { sessionId: 'ses_a', title: 'x' });
  await records.writer.append(owner, [first], { batchId: 'one' });
  runtime.time += 1_000;
  await records.writer.append(owner, [second], { batchId: 'two' });
  const left = () => [
    records.db.prepare('SELECT op_id FROM ledger ORDER BY entry').pluck().all(),
    records.db.prepare('SELECT batch_id FROM ledger_batch ORDER BY at').pluck().all(),
  ];
  const sweep = sweepOf(records, 5_000);
  runtime.time += 4_000;
  await sweep.prune(signal);
  expect(left()).toEqual([
    [first.opId, second.opId],
    ['one', 'two'],
  ]);
  runtime.time += 1;
  await sweep.prune(signal);
  expect(left()).toEqual([[second.opId], ['two']]);
  // The journal and the tables are not the ledger's to prune.
  expect(allEvents(records)).toHaveLength(2);
  expect(await records.writer.appendOne(owner, second)).toMatchObject({ duplicate: true });
});

test('more op ids than one transaction takes are all forgotten at once', async () => {
  const records = openRecords(testHome().paths.data, new SplitRuntime());
  await records.writer.appendOne(owner, op('session/create', { sessionId: 'ses_a' }));
  const ops = Array.from({ length: 2_500 }, (_, index) =>
    op('session/update', { sessionId: 'ses_a', title: `${index}` }),
  );
  await records.writer.append(owner, ops);
  records.runtime.time += 10;
  await sweepOf(records, 1).prune(signal);
  expect(records.db.prepare('SELECT count(*) FROM ledger').pluck().get()).toBe(0);
});

test('what is rolled back leaves leases as they were: an aborted batch neither ends one nor makes it longer', async () => {
  const { runtime, records, sweep } = await turnWithLease(10_000);
  const fails = op('session/delete', { sessionId: 'ses_none' });
  for (const first of [
    op('turn/finish', { turnId: 'trn_a', state: 'completed' }),
    op('turn/heartbeat', { turnId: 'trn_a', leaseMs: 80_000_000 }),
    op('turn/start', { sessionId: 'ses_a', turnId: 'trn_b', agent: 'x', model, parts: [] }),
  ]) {
    await expect(records.writer.append(owner, [first, fails], { atomic: true })).rejects.toThrow('nothing was applied');
  }
  expect(records.writer.leases.size).toBe(1);
  await tickTo(10_000, runtime, sweep);
  expect(turnIn(records).state).toBe('aborted');
});

test('[P17] a turn that cannot be ended now is tried again, and keeps no other from being ended', async () => {
  const { runtime, records, sweep } = await turnWithLease(1_000);
  await records.writer.appendOne(
    owner,
    op('turn/start', { sessionId: 'ses_a', turnId: 'trn_b', agent: 'x', model, parts: [], leaseMs: 1_000 }),
  );
  // A body that no JSON parser reads stands for whatever makes an op throw.
  const put = op('message/put', { sessionId: 'ses_a', messageId: 'msg_a', role: 'assistant', turnId: 'trn_a' });
  const seq = (await records.writer.appendOne(owner, put)).seq! - 1; // of the message, before that of its turn
  const json = records.db.prepare('SELECT json FROM body WHERE seq = ?').pluck().get(seq) as string;
  records.db.prepare('UPDATE body SET json = ? WHERE seq = ?').run('{', seq);
  records.tables.reset();
  await tickTo(1_000, runtime, sweep);
  expect(records.tables.findTurn('trn_b')!.state).toBe('aborted');
  expect(turnIn(records).endedAt).toBeNull();
  expect(runtime.errors).toHaveLength(1);
  records.db.prepare('UPDATE body SET json = ? WHERE seq = ?').run(json, seq);
  await tickTo(12_000, runtime, sweep);
  expect(turnIn(records).state).toBe('aborted');
});

test('a turn that could not be ended in time and is heard of again has its own lease, not that of the next try', async () => {
  const { runtime, records, sweep } = await turnWithLease();
  const append = vi.spyOn(records.writer, 'appendIf');
  const full = { reason: 'full' as const };
  append.mockRejectedValueOnce(new RefusedError(refuse('StoreUnavailable', 'the disk is full', full)));
  await tickTo(60_000, runtime, sweep);
  expect(turnIn(records).endedAt).toBeNull();
  await records.writer.appendOne(owner, op('turn/heartbeat', { turnId: 'trn_a' }));
  await tickTo(119_999, runtime, sweep);
  expect(turnIn(records).endedAt).toBeNull();
  await tickTo(120_000, runtime, sweep);
  expect(turnIn(records).state).toBe('aborted');
});

test('what is sent again and changes nothing renews the lease too', async () => {
  const { runtime, records, sweep } = await turnWithLease(10_000);
  const ids = { sessionId: 'ses_a', messageId: 'msg_a' };
  const part = { type: 'text' as const, text: 'abc' };
  await records.writer.appendOne(owner, op('message/put', { ...ids, role: 'assistant', turnId: 'trn_a' }));
  await records.writer.appendOne(owner, op('part/put', { ...ids, partId: 'prt_a', part }));
  const delta = { sessionId: 'ses_a', partId: 'prt_a', field: 'text' as const, offset: 0, text: 'ab' };
  for (const [at, again] of [
    [9_000, op('part/put', { ...ids, partId: 'prt_a', part })],
    [18_000, op('part/delta', delta)],
    [27_000, op('message/put', { ...ids, role: 'assistant' })],
  ] as const) {
    await tickTo(at, runtime, sweep);
    expect(await records.writer.appendOne(owner, again)).toMatchObject({ duplicate: true });
  }
  await tickTo(36_999, runtime, sweep);
  expect(turnIn(records).endedAt).toBeNull();
});

describe('the loops', () => {
  /** A clock that goes on by what is slept, a turn of the event loop for each sleep. */
  class SleepingRuntime extends SplitRuntime {
    override sleep = async (ms: number, given: AbortSignal) => {
      given.throwIfAborted();
      this.uptime += ms;
      await nextTurn();
    };
  }
  const until = async (condition: () => boolean) => {
    while (!condition()) await nextTurn();
  };
  const held = () => {
    let end!: () => void;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    return { ended, end };
  };

  test('leases run out and capabilities expire in time while what is too old is forgotten, however long that takes', async () => {
    const records = openRecords(testHome().paths.data, new SleepingRuntime());
    await records.writer.appendOne(owner, op('session/create', { sessionId: 'ses_a' }));
    const turn = { turnId: 'trn_a', agent: 'x', model, parts: [], leaseMs: 2_000 };
    await records.writer.appendOne(owner, op('turn/start', { sessionId: 'ses_a', ...turn }));
    const [pruning, cutting] = [held(), held()];
    const [prune, cut, expire] = [vi.fn(() => pruning.ended), vi.fn(() => cutting.ended), vi.fn()];
    const given = { capabilities: { prune, expire }, retention: { cut } };
    const abort = new AbortController();
    let isOver = false;
    const running = sweepOf(records, day, given)
      .run(abort.signal)
      .then(() => {
        isOver = true;
      });
    await until(() => turnIn(records).endedAt !== null && expire.mock.calls.length > 300);
    // None is begun again before it has ended, though its time has come.
    expect([prune.mock.calls.length, cut.mock.calls.length]).toEqual([1, 1]);
    abort.abort();
    for (let turns = 0; turns < 10; turns += 1) await nextTurn();
    expect(isOver).toBe(false);
    cutting.end();
    pruning.end();
    await running;
    const ticks = expire.mock.calls.length;
    for (let turns = 0; turns < 10; turns += 1) await nextTurn();
    expect([expire.mock.calls.length, prune.mock.calls.length]).toEqual([ticks, 1]);
  });

  test('go on where the store refuses to be written, and all end where one fails otherwise', async () => {
    const records = openRecords(testHome().paths.data, new SleepingRuntime());
    const full = new RefusedError(refuse('StoreUnavailable', 'the disk is full', { reason: 'full' }));
    const prune = vi.fn(async () => {
      throw prune.mock.calls.length < 3 ? full : new Error('a bug');
    });
    const expire = vi.fn();
    const sweep = sweepOf(records, day, { capabilities: { prune, expire } });
    await expect(sweep.run(signal)).rejects.toThrow('a bug');
    const ticks = expire.mock.calls.length;
    for (let turns = 0; turns < 10; turns += 1) await nextTurn();
    expect(expire.mock.calls.length).toBe(ticks);
  });
});

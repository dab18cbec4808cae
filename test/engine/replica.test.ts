// What a store holds of the sessions of another (PROTOCOL.md 7): each op once, in the order of its home.
import { describe, expect, it } from 'vitest';
import type { ReplicaItem } from '../../protocol/outbox.ts';
import { testHome } from '../support/daemon.ts';
import { allEvents, op, openRecords, owner, readTables } from '../support/records.ts';
import {
  asHeld,
  batchOf,
  expectSame,
  expectSound,
  homeAndHost,
  itemsOf,
  kinds,
  model,
  refusal,
  send,
  snapshotOf,
  work,
} from '../support/replica.ts';

describe('a replica', () => {
  it('is what its home is, with the versions, times, actors and op ids of home', async () => {
    const { home, host } = await homeAndHost();
    const items = itemsOf(home);
    const result = await send(host, batchOf(home, items));
    expect(result.rejected).toEqual([]);
    expect(result.applied.map(({ opId, version }) => [opId, version])).toEqual(
      items.map(({ opId, version }) => [opId, version]),
    );
    expectSame(home, host);
    expect(readTables(host)).toEqual(readTables(home));
    const told = ({ version, type, occurredAt, at, actorId, opId, data }: ReplicaItem['events'][number]) => ({
      ...{ version, type, happened: occurredAt ?? at, actorId, opId, data },
    });
    expect(allEvents(host).map(told)).toEqual(allEvents(home).map(told));
  });

  it('[P13] takes the same batch again as all duplicates, in the same shape, and applies nothing twice', async () => {
    const { home, host } = await homeAndHost();
    const batch = batchOf(home, itemsOf(home));
    const first = await send(host, batch);
    const head = host.journal.head;
    const second = await send(host, batch);
    expect(host.journal.head).toEqual(head);
    expect(second).toMatchObject({ cursor: first.cursor, applied: [], rejected: [] });
    expect(second.duplicates).toEqual(
      first.applied.map((entry) => ({ ...entry, seq: null, version: expect.any(Number) })),
    );
    expectSame(home, host);
  });

  it('[P14] refuses a batch id that comes again with other items', async () => {
    const { home, host } = await homeAndHost();
    const items = itemsOf(home);
    await send(host, batchOf(home, items.slice(0, 2), { batchId: 'b' }));
    expect(await refusal(send(host, batchOf(home, items.slice(0, 3), { batchId: 'b' })))).toMatchObject({
      refused: 'OpIdReused',
      data: { opId: 'b' },
    });
    expect((await send(host, batchOf(home, items, { batchId: 'c' }))).applied).toHaveLength(items.length - 2);
  });

  it('answers a mixed batch the same each time: applied, duplicates and rejected', async () => {
    const { home, host } = await homeAndHost();
    await work(home, 'ses_b');
    await host.writer.appendOne(owner, op('session/create', { sessionId: 'ses_b' }));
    const items = itemsOf(home);
    await send(host, batchOf(home, items.slice(0, 3)));
    const batch = batchOf(home, items);
    const first = await send(host, batch);
    expect(first.duplicates).toHaveLength(3);
    expect(first.applied).toHaveLength(6);
    expect(first.rejected.map(({ kind, data }) => [kind, data])).toEqual(
      items.slice(9).map(() => ['AlreadyExists', { kind: 'AlreadyExists', what: 'session', id: 'ses_b' }]),
    );
    const again = await send(host, batch);
    expect([again.applied.length, again.duplicates.length]).toEqual([0, 9]);
    expect(again.rejected).toEqual(first.rejected);
    expect(again.cursor).toBe(first.cursor);
  });

  it('says of a hole what it holds, and goes on with the items of other sessions', async () => {
    const { home, host } = await homeAndHost();
    await work(home, 'ses_b');
    const items = itemsOf(home);
    await send(host, batchOf(home, items.slice(0, 1)));
    const through = `${home.journal.storeId}.18.t`;
    const { applied, rejected, cursor } = await send(host, batchOf(home, items.slice(2), { through }));
    expect(applied.map(({ ids }) => ids.sessionId)).toEqual(Array(9).fill('ses_b'));
    expect(rejected).toHaveLength(7);
    expect(rejected[0]).toMatchObject({
      kind: 'VersionConflict',
      data: { sessionId: 'ses_a', expected: 4, actual: 1 },
    });
    expect(cursor).toBe(`${home.journal.storeId}.1.0`);
    const { rejected: none, cursor: then } = await send(host, batchOf(home, items.slice(1), { through }));
    expect([none, then]).toEqual([[], through]);
    expectSame(home, host);
  });

  it('[P1] goes on from its cursor, and refuses what follows another one', async () => {
    const { home, host } = await homeAndHost();
    const { storeId } = home.journal;
    const items = itemsOf(home);
    expect((await send(host, batchOf(home, []))).cursor).toBe(`${storeId}.0.0`);
    const start = { expectedCursor: `${storeId}.0.0`, through: `${storeId}.5.tag` };
    const first = batchOf(home, items.slice(0, 2), start);
    expect((await send(host, first)).cursor).toBe(`${storeId}.5.tag`);
    expect((await send(host, batchOf(home, []))).cursor).toBe(`${storeId}.5.tag`);
    // Its reply was lost: sent again, all of it is there.
    expect((await send(host, first)).duplicates).toHaveLength(2);
    const late = batchOf(home, items.slice(2), { expectedCursor: `${storeId}.4.tag` });
    expect(await refusal(send(host, late))).toMatchObject({
      refused: 'VersionConflict',
      data: { sessionId: '', expected: 4, actual: 5 },
    });
    expect(readTables(host).get('ses_a')!.session.version).toBe(items[1]!.version);
    for (const wrong of [{ expectedCursor: 'x' }, { through: `${host.journal.storeId}.1.0` }]) {
      expect(await refusal(send(host, batchOf(home, items, wrong)))).toMatchObject({ refused: 'InvalidParams' });
    }
    await send(host, batchOf(home, items.slice(2), { expectedCursor: `${storeId}.5.tag`, through: `${storeId}.13.t` }));
    // A request that was late on its way takes nothing back. Nor is it told that all is there: it might be of a home that was
    // put back by hand, which gives the same versions to other events.
    expect(await refusal(send(host, first))).toMatchObject({ refused: 'VersionConflict' });
    expect((await send(host, batchOf(home, []))).cursor).toBe(`${storeId}.13.t`);
    expectSame(home, host);
  });

  it('moves the cursor over what it never takes, and not over what it lacks something before', async () => {
    const { home, host } = await homeAndHost();
    await work(home, 'ses_b');
    await host.writer.appendOne(owner, op('session/create', { sessionId: 'ses_b' }));
    const { storeId } = home.journal;
    const items = itemsOf(home);
    const ofB = items.filter(({ sessionId }) => sessionId === 'ses_b');
    const through = `${storeId}.99.t`;
    expect((await send(host, batchOf(home, ofB, { through }))).cursor).toBe(through);
    const hole = items.slice(1, 3);
    expect((await send(host, batchOf(home, hole, { through: `${storeId}.100.t` }))).cursor).toBe(through);
  });

  it('comes back from a restart with all that it was told', async () => {
    const { home } = await homeAndHost();
    const { data } = testHome().paths;
    let host = openRecords(data);
    const items = itemsOf(home);
    const through = `${home.journal.storeId}.7.t`;
    await send(host, batchOf(home, items.slice(0, 5), { through }));
    host.close();
    host = openRecords(data);
    const { cursor } = await send(host, batchOf(home, []));
    expect(cursor).toBe(through);
    const refused = host.writer.appendOne(owner, op('session/update', { sessionId: 'ses_a', title: 'mine' }));
    expect(await refusal(refused)).toMatchObject({ refused: 'Forbidden' });
    const { applied, duplicates } = await send(host, batchOf(home, items));
    expect([applied.length, duplicates.length]).toEqual([items.length - 5, 5]);
    expectSame(home, host);
  });

  it('of which deltas were left out is at the version of home, and has none of its own missing', async () => {
    const { home, host } = await homeAndHost();
    const items = itemsOf(home);
    const isDelta = ({ events }: ReplicaItem) => events[0]!.type === 'part/delta';
    const from = items.findIndex(isDelta);
    const run = items.filter(isDelta);
    const left = { ...run.at(-1)!, prevVersion: run[0]!.version - 1, events: [] };
    const sent = [...items.slice(0, from), left, ...items.slice(from + run.length)];
    const result = await send(host, batchOf(home, sent));
    expect(result.rejected).toEqual([]);
    const versions = allEvents(host).map(({ version }) => version);
    expect(versions).toEqual(versions.map((_, at) => at + 1));
    expect(result.applied.at(-1)!.version).toBe(items.at(-1)!.version - run.length);
    await home.writer.appendOne(owner, op('turn/finish', { turnId: 'trn_a', state: 'completed' }));
    const last = itemsOf(home).at(-1)!;
    expect((await send(host, batchOf(home, [last]))).applied).toHaveLength(1);
    expect(asHeld(readTables(host).get('ses_a'))).toEqual(asHeld(readTables(home).get('ses_a')));
    expectSound(host);
  });

  it('of which deltas were left out goes on with an op that says what it follows', async () => {
    const { home, host } = await homeAndHost();
    const items = itemsOf(home);
    const isDelta = ({ events }: ReplicaItem) => events[0]!.type === 'part/delta';
    const next = items.findLastIndex(isDelta) + 1;
    const follows = { ...items[next]!, prevVersion: items.find(isDelta)!.version - 1 };
    const sent = [...items.slice(0, next).filter((item) => !isDelta(item)), follows, ...items.slice(next + 1)];
    expect((await send(host, batchOf(home, sent))).rejected).toEqual([]);
    expectSound(host);
  });

  it('[P17] has no leases here: what its home has open stays open, over restarts too', async () => {
    const { home } = await homeAndHost();
    const { data } = testHome().paths;
    const host = openRecords(data);
    await send(host, batchOf(home, itemsOf(home)));
    expect(host.writer.leases.size).toBe(0);
    expect(host.lists.allOpenTurns()).toEqual([]);
    expect(host.lists.openTurns('ses_a')).toHaveLength(1);
    await host.writer.appendOne(owner, op('session/create', { sessionId: 'ses_own' }));
    const start = { sessionId: 'ses_own', turnId: 'trn_own', agent: 'x', model, parts: [] };
    await host.writer.appendOne(owner, op('turn/start', start));
    host.close();
    expect(
      openRecords(data)
        .lists.allOpenTurns()
        .map(({ id }) => id),
    ).toEqual(['trn_own']);
  });

  it('[P16] wakes who waits here for a question that was answered at home', async () => {
    const { home, host } = await homeAndHost();
    await send(host, batchOf(home, itemsOf(home)));
    const answered = new Promise<void>((resolve) => host.writer.blockerBell.onRing('blk_a', resolve));
    const answer = { sessionId: 'ses_a', blockerId: 'blk_a', answer: { decision: 'once' as const } };
    await home.writer.appendOne(owner, op('blocker/answer', answer));
    await send(host, batchOf(home, itemsOf(home).slice(-1)));
    await answered;
    expect(host.tables.findBlocker('blk_a')).toMatchObject({ state: 'answered', resolvedBy: owner.actorId });
  });
});

describe('ops on a replica', () => {
  it('are refused here, whoever sends them, and say what to do', async () => {
    const { home, host } = await homeAndHost();
    await send(host, batchOf(home, itemsOf(home)));
    await host.writer.appendOne(owner, op('session/create', { sessionId: 'ses_own' }));
    const head = host.journal.head;
    const sessionId = 'ses_a';
    const ops = [
      op('session/update', { sessionId, title: 'mine' }),
      op('message/put', { sessionId, role: 'user' }),
      op('message/remove', { sessionId, messageId: 'msg_a' }),
      op('part/put', { sessionId, messageId: 'msg_a', part: { type: 'text', text: 'mine' } }),
      op('part/delta', { sessionId, partId: 'prt_a', field: 'text', offset: 13, text: '!' }),
      op('part/remove', { sessionId, partId: 'prt_a' }),
      op('turn/start', { sessionId, agent: 'x', model, parts: [] }),
      op('turn/heartbeat', { turnId: 'trn_a' }),
      op('turn/finish', { turnId: 'trn_a', state: 'completed' }),
      op('blocker/ask', { sessionId, kind: 'permission', request: { permission: 'p' } }),
      op('blocker/answer', { sessionId, blockerId: 'blk_a', answer: { decision: 'once' } }),
      op('blocker/reject', { sessionId, blockerId: 'blk_a' }),
      op('artifact/put', { sessionId, kind: 'todo', key: '1', data: 1 }),
      op('artifact/remove', { sessionId, kind: 'todo', key: '1' }),
    ];
    const { rejected } = await host.writer.append(owner, ops);
    expect(rejected.map(({ kind, data }) => [kind, data.sessionId])).toEqual(ops.map(() => ['Forbidden', sessionId]));
    for (const { message } of rejected) expect(message).toContain('send it with guest/append');
    const { rejected: others } = await host.writer.append(owner, [
      op('message/put', { sessionId: 'ses_own', messageId: 'msg_a', role: 'assistant' }),
      op('part/put', { sessionId: 'ses_own', messageId: 'msg_a', part: { type: 'text', text: '' } }),
      op('session/create', { sessionId }),
      op('session/update', { sessionId: 'ses_none', title: 'x' }),
    ]);
    expect(kinds({ rejected: others })).toEqual(['AlreadyExists', 'NotFound', 'AlreadyExists', 'NotFound']);
    expect(host.journal.head).toEqual(head);
    const system = { principal: 'system', actorId: 'system' };
    const deletion = host.writer.appendOne(system, op('session/delete', { sessionId }));
    expect(await refusal(deletion)).toMatchObject({ refused: 'Forbidden' });
  });

  it('are refused of a source too, and its own sessions go on', async () => {
    const { home, host } = await homeAndHost();
    await send(host, batchOf(home, itemsOf(home)));
    const position = {
      ...{
        source: 's',
        path: '/p',
        sessionKey: 'k',
        inode: 1,
        offset: 0,
        size: 0,
        mtimeMs: 0,
        badRecords: 0,
        version: 1,
      },
      ...{ tail: Buffer.alloc(0), state: '{}' },
    };
    const put = (sessionId: string) => {
      const params = { sessionId, title: 'theirs' };
      return { key: 'k', opId: `op_${sessionId}`, type: 'session/update' as const, params, occurredAt: 1 };
    };
    await host.writer.appendOne(owner, op('session/create', { sessionId: 'ses_own' }));
    const ops = [put('ses_a'), put('ses_own')];
    const { applied, refused } = await host.writer.takeIn({ source: 's', actorId: 'source/s', ops, position });
    expect([applied, refused.map(({ refusal }) => refusal.refused)]).toEqual([1, ['Forbidden']]);
    expectSame(home, host);
  });

  it('but its deletion by who owns the store, which stays so whatever its home sends', async () => {
    const { home, host } = await homeAndHost();
    await send(host, batchOf(home, itemsOf(home)));
    await host.writer.appendOne(owner, op('session/delete', { sessionId: 'ses_a' }));
    await home.writer.appendOne(owner, op('session/update', { sessionId: 'ses_a', title: 'three' }));
    const all = [...itemsOf(home), ...snapshotOf(home, 'ses_a', 'snap')];
    const { applied, duplicates, rejected } = await send(host, batchOf(home, all));
    expect([applied, duplicates]).toEqual([[], []]);
    expect(new Set(kinds({ rejected }))).toEqual(new Set(['AlreadyExists']));
    expect(readTables(host)).toEqual(new Map());
    expect(await refusal(host.writer.appendOne(owner, op('session/update', { sessionId: 'ses_a' })))).toMatchObject({
      refused: 'NotFound',
    });
    expectSound(host);
  });
});

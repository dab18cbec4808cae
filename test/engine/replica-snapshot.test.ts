// Whole sessions, sent in pieces where a journal does not hold their events any more (PROTOCOL.md 7).
import { describe, expect, it } from 'vitest';
import { Pruner } from '../../daemon/store/pruner.ts';
import type { ReplicaItem } from '../../protocol/outbox.ts';
import { allEvents, op, owner, readTables } from '../support/records.ts';
import {
  asHeld,
  batchOf,
  expectSame,
  expectSound,
  homeAndHost,
  itemsOf,
  kinds,
  send,
  snapshotOf,
} from '../support/replica.ts';

describe('a snapshot', () => {
  it('brings a session whole, in pieces, and ops go on behind it', async () => {
    const { home, host } = await homeAndHost();
    const pieces = snapshotOf(home, 'ses_a', 'snap', 3);
    for (const piece of pieces) {
      const { applied } = await send(host, batchOf(home, [piece]));
      expect(applied).toHaveLength(1);
    }
    expectSame(home, host);
    const { version } = readTables(home).get('ses_a')!.session;
    await home.writer.appendOne(owner, op('turn/finish', { turnId: 'trn_a', state: 'failed', error: 'x' }));
    const { applied, duplicates, rejected } = await send(host, batchOf(home, [...pieces, ...itemsOf(home)]));
    expect(rejected).toEqual([]);
    expect([applied.length, duplicates.length]).toEqual([1, pieces.length + itemsOf(home).length - 1]);
    expect(version).toBe(itemsOf(home).at(-2)!.version);
    expectSame(home, host);
  });

  it('replaces what is held, and a reader that follows the events has the same', async () => {
    const { home, host } = await homeAndHost();
    await send(host, batchOf(home, itemsOf(home)));
    await home.writer.appendOne(owner, op('message/remove', { sessionId: 'ses_a', messageId: 'msg_a' }));
    await home.writer.appendOne(owner, op('artifact/remove', { sessionId: 'ses_a', kind: 'todo', key: '1' }));
    const pieces = snapshotOf(home, 'ses_a', 'snap', 2);
    await send(host, batchOf(home, pieces));
    // A cost that was taken out again was told once: only its home remembers that.
    const { usage: _, ...session } = readTables(host).get('ses_a')!.session;
    expect({ ...readTables(home).get('ses_a')!.session, version: 0 }).toMatchObject({ ...session, version: 0 });
    expectSound(host);
    // The ids of what went with it are not taken: a home that was put back may have them.
    expect([host.tables.findMessage('msg_a'), host.tables.isTaken('msg_a'), host.tables.isTaken('prt_a')]).toEqual([
      ...[undefined, false, false],
    ]);
    const again = itemsOf(home).slice(0, -2);
    expect((await send(host, batchOf(home, snapshotOf(home, 'ses_a', 'snap2')))).rejected).toEqual([]);
    expect((await send(host, batchOf(home, again))).duplicates).toHaveLength(again.length);
  });

  it('takes no op while it is under way, and no piece out of its place', async () => {
    const { home, host } = await homeAndHost();
    await send(host, batchOf(home, itemsOf(home)));
    const { version } = readTables(home).get('ses_a')!.session;
    const pieces = snapshotOf(home, 'ses_a', 'snap', 2);
    expect(kinds(await send(host, batchOf(home, [pieces[1]!])))).toEqual(['VersionConflict']);
    await send(host, batchOf(home, pieces.slice(0, 2)));
    await home.writer.appendOne(owner, op('session/update', { sessionId: 'ses_a', title: 'three' }));
    const next = itemsOf(home).at(-1)!;
    expect((await send(host, batchOf(home, [next]))).rejected[0]).toMatchObject({
      kind: 'VersionConflict',
      data: { sessionId: 'ses_a', expected: version, actual: 0 },
    });
    const { duplicates, rejected } = await send(host, batchOf(home, [pieces[0]!, pieces[1]!, pieces[3]!]));
    expect([duplicates.length, kinds({ rejected })]).toEqual([2, ['VersionConflict']]);
    // Given up for another one.
    const others = snapshotOf(home, 'ses_a', 'other', 3);
    expect((await send(host, batchOf(home, [...others, next]))).rejected).toEqual([]);
    expectSame(home, host);
    expect(kinds(await send(host, batchOf(home, [pieces[2]!])))).toEqual(['VersionConflict']);
    expect((await send(host, batchOf(home, others.slice(0, 1)))).duplicates).toHaveLength(1);
  });

  it('deletes a session, and brings it back when it is shared anew', async () => {
    const { home, host } = await homeAndHost();
    await send(host, batchOf(home, itemsOf(home)));
    const [last] = itemsOf(home).at(-1)!.events.slice(-1);
    const deleted = { ...last!, version: 1, type: 'session/deleted' as const, data: { sessionId: 'ses_a' } };
    const item = (sessionId: string, id: string): ReplicaItem => ({
      ...{ opId: id, seq: 1, sessionId, version: last!.version + 1, snapshot: { id, index: 0, done: true } },
      events: [{ ...deleted, sessionId, data: { sessionId } }],
    });
    // Of a session that was never here nothing is kept.
    const { applied } = await send(host, batchOf(home, [item('ses_a', 'gone'), item('ses_none', 'gone')]));
    expect(applied.map(({ seq }) => seq)).toEqual([host.journal.head.seq, null]);
    expect(readTables(host)).toEqual(new Map());
    expect((await send(host, batchOf(home, [item('ses_a', 'again')]))).applied[0]!.seq).toBeNull();
    await host.writer.appendOne(owner, op('session/create', { sessionId: 'ses_none' }));
    expect((await send(host, batchOf(home, snapshotOf(home, 'ses_a', 'back')))).rejected).toEqual([]);
    expectSame(home, host);
    const versions = allEvents(host).flatMap((each) => (each.sessionId === 'ses_a' ? [each.version] : []));
    expect(versions).toEqual(versions.map((_, at) => at + 1));
  });

  it('may come of a home that was put back, which has another store id then', async () => {
    const { home, host } = await homeAndHost();
    const items = itemsOf(home);
    await send(host, batchOf(home, items));
    const origin = 'another';
    const next = (given: object) => send(host, { ...batchOf(home, items), origin, ...given });
    expect(new Set(kinds(await next({})))).toEqual(new Set(['AlreadyExists']));
    const pieces = snapshotOf(home, 'ses_a', 'snap', 4);
    expect((await next({ items: pieces, batchId: 'put back' })).rejected).toEqual([]);
    expect((await next({ items, batchId: 'b2' })).duplicates).toHaveLength(items.length);
    expect(new Set(kinds(await send(host, batchOf(home, items))))).toEqual(new Set(['AlreadyExists']));
    expectSame(home, host);
  });

  it('that does not fit leaves what was held', async () => {
    const { home, host } = await homeAndHost();
    await send(host, batchOf(home, itemsOf(home)));
    const before = readTables(host);
    const [whole] = snapshotOf(home, 'ses_a', 'snap');
    const broken = structuredClone(whole!);
    broken.events.find(({ type }) => type === 'message/updated')!.data = {
      ...(broken.events.find(({ type }) => type === 'message/updated')!.data as object),
      turnId: 'trn_none',
    } as never;
    expect(kinds(await send(host, batchOf(home, [broken])))).toEqual(['InvalidParams']);
    expect(readTables(host)).toEqual(before);
    expectSound(host);
    expect((await send(host, batchOf(home, [whole!]))).rejected).toEqual([]);
    expectSame(home, host);
  });

  it('is as old as the session is, whenever it was made', async () => {
    const { home, host } = await homeAndHost();
    const pieces = snapshotOf(home, 'ses_a', 'snap', 4);
    for (const { events } of pieces) for (const event of events) event.at = 4_000;
    await send(host, batchOf(home, pieces));
    expect(readTables(host).get('ses_a')!.session.updatedAt).toBe(readTables(home).get('ses_a')!.session.updatedAt);
    expectSame(home, host);
  });

  it('leaves nothing behind of what it replaced, once retention has passed it', async () => {
    const { home, host } = await homeAndHost();
    await send(host, batchOf(home, itemsOf(home)));
    await send(host, batchOf(home, snapshotOf(home, 'ses_a', 'snap')));
    const pruner = new Pruner(host.db, host.journal);
    while (pruner.cut(host.journal.head.seq, 3));
    expect(host.journal.count()).toBe(0);
    expect(asHeld(readTables(host).get('ses_a'))).toEqual(asHeld(readTables(home).get('ses_a')));
    const needed = ['turn', 'message', 'part', 'chunk', 'blocker', 'artifact'].map(
      (table) => `SELECT body FROM ${table}`,
    );
    const stray = host.db.prepare(`SELECT seq FROM body WHERE seq NOT IN (${needed.join(' UNION ALL ')})`);
    expect(stray.all()).toEqual([]);
  });
});
